"""The peer of the serving benchmark: FastAPI around the uncompressed fine-tuned model, in one process.

    python http_server.py torch|onnxruntime MODEL FOLDER PORT

With torch it is transformers' own pipeline in fp32, as its documentation has it behind FastAPI; with
onnxruntime the fused graph in dynamic int8. Two paths, of which the benchmark takes the faster one:
/threads answers requests on FastAPI's threads, /turns one after the other.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from pydantic import BaseModel

Predict = Callable[[list[str]], list[Any]]


class Asked(BaseModel):
    """A request, as bertworks takes it too."""

    instances: list[str]


def torch_pipeline(model: str, folder: Path) -> Predict:
    """transformers' pipeline."""
    from transformers import pipeline

    from benchmarks.peers.hugging_face import Fine

    fine = Fine(model)
    classify = pipeline("text-classification", fine.model, tokenizer=fine._tokenizer, device="cpu")
    return lambda texts: list(classify(texts, truncation=True, max_length=fine.max_length))


def onnxruntime_int8(model: str, folder: Path) -> Predict:
    """ONNX Runtime, the fused graph in dynamic int8."""
    from benchmarks.peers import onnxruntime_agent as agent
    from benchmarks.peers.hugging_face import Fine

    fine = Fine(model, attention="eager")
    agent.export(fine, folder / "exported.onnx")
    agent.fuse(fine, folder / "exported.onnx", folder / "fused.onnx")
    agent.quantize(folder / "fused.onnx", folder / "int8.onnx")
    return agent.session(fine, folder / "int8.onnx")


KINDS = {"torch": torch_pipeline, "onnxruntime": onnxruntime_int8}


@asynccontextmanager
async def _few_threads(app: FastAPI) -> AsyncIterator[None]:
    """As many as there are cores: FastAPI's own 40 are so many times slower that nothing is answered."""
    to_thread.current_default_thread_limiter().total_tokens = os.cpu_count() or 1
    yield


def application(predict: Predict) -> FastAPI:
    """The two paths."""
    app = FastAPI(lifespan=_few_threads)

    @app.post("/threads")
    def threads(asked: Asked) -> dict[str, Any]:
        return {"predictions": predict(asked.instances)}

    @app.post("/turns")
    async def turns(asked: Asked) -> dict[str, Any]:
        return {"predictions": predict(asked.instances)}

    return app


if __name__ == "__main__":
    kind, model, folder, port = sys.argv[1:]
    predict = KINDS[kind](model, Path(folder))
    predict(["a warm up"] * 4)
    uvicorn.run(application(predict), port=int(port), log_level="warning")
