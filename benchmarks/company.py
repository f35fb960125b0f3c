"""The int8 graph with fixed steps against one scale a batch: `python -m benchmarks.company`.

Both graphs are made of a finished run's model. One scale a batch is what onnxruntime's dynamic
quantization takes, and what int8 bundles held before their answers had to be the same in any company.
Speed is CPU time of one thread, in paired rounds, so that other work on the machine hardly touches it.
Accuracy is taken on validation and test rows, each once among others and once alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.harness.results import Result, compare
from bertworks.compression.builders import Source
from bertworks.compression.calibration import calibrate
from bertworks.contracts.tokens import TOKENS
from bertworks.runtime.engines import Engine, OnnxRuntime
from bertworks.runtime.inference import Runner, batches
from bertworks.storage.artifacts import Artifact, open_artifact
from pipelines.local import record
from pipelines.local.root import open_root

Ids = list[list[int]]
# Where a node that multiplies uint8 values takes their scale and zero point.
INPUTS = {"MatMulIntegerToFloat": (2, 4), "QAttention": (3, 6)}
FIXED, DYNAMIC = "fixed steps", "one scale a batch"


def main() -> None:
    """Measures, and prints the table."""
    options = _options()
    if not (options.model and options.tokens):
        places = record.latest(open_root(options.root), options.run).artifacts
        options.model, options.tokens = places["model"], places["tokens"]
    tokens = open_artifact(options.tokens, "tokens")
    source = Source.read(open_artifact(options.model, "model"), TOKENS.read(tokens).special.pad)
    if source.pair or source.head.kind != "sequence":
        raise SystemExit("error: the run must be of a classification spec with one text a row")
    held_out = _ids(tokens, "validation") + _ids(tokens, "test")
    held_out = held_out[:: max(1, len(held_out) // options.rows)][: options.rows]
    engines = _engines(source, _ids(tokens, "train")[: options.calibration])
    print("measuring", file=sys.stderr)
    quality = _quality(engines, held_out)
    many = _rounds(engines, lambda one: Runner(one).logits(held_out), options.rounds)
    single = _rounds(
        engines, lambda one: _alone(one, held_out[:: max(1, len(held_out) // 40)]), options.rounds
    )
    rows = [
        compare(what, DYNAMIC, "s of CPU time", times[FIXED], times[DYNAMIC], quality=quality)
        for what, times in ((f"{len(held_out)} rows in batches", many), ("rows one by one", single))
    ]
    print(Result("company", "", "python -m benchmarks.company", "", rows).markdown())


def one_scale_a_batch(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with steps that follow the largest value of whatever shares the batch.

    Args:
        graph: In form "int8", with quantizers that multiply nothing.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    steps: dict[str, tuple[str, str]] = {}
    for node in made.graph.node:
        if node.op_type == "QuantizeLinear":
            node.op_type = "DynamicQuantizeLinear"
            del node.input[1:]
            values = node.output[0]
            steps[values] = (f"{values}.scale", f"{values}.zero")
            node.output.extend(steps[values])
        elif node.op_type == "Slice" and node.input[0] in steps:
            steps[node.output[0]] = steps[node.input[0]]
        elif node.op_type in INPUTS:
            for place, name in zip(INPUTS[node.op_type], steps[node.input[0]], strict=True):
                node.input[place] = name
    return made


def _engines(source: Source, training: Ids) -> dict[str, Engine]:
    rows = batches(training, size=16, pad=source.pad)
    quantizers = calibrate(
        source.config, source.weights, source.head, rows, max_length=source.max_length
    )
    graphs = {
        "float32": source.graph("float32"),
        DYNAMIC: one_scale_a_batch(source.graph("int8")),
        FIXED: source.graph("int8", quantizers),
    }
    return {name: OnnxRuntime(graph.SerializeToString(), {}, 1) for name, graph in graphs.items()}


def _ids(tokens: Artifact, split: str) -> Ids:
    files = sorted((tokens / split).glob("part-*.parquet"))
    return [ids for file in files for ids in pq.read_table(file)["input_ids"].to_pylist()]


def _alone(engine: Engine, rows: Ids) -> NDArray[np.float32]:
    return np.concatenate(
        [engine.run(np.array([ids]), np.ones((1, len(ids)), np.int64)) for ids in rows]
    )


def _quality(engines: dict[str, Engine], rows: Ids) -> dict[str, float]:
    """Correlation and shared labels with float32, and labels that differ alone from in company."""
    beside = {name: np.stack(Runner(engine).logits(rows)) for name, engine in engines.items()}
    exact = beside["float32"]
    found: dict[str, float] = {}
    for name in (FIXED, DYNAMIC):
        among, alone = beside[name], _alone(engines[name], rows)
        found[f"{name}: correlation"] = float(np.corrcoef(_centred(among), _centred(exact))[0, 1])
        found[f"{name}: labels as float32"] = float(np.mean(among.argmax(1) == exact.argmax(1)))
        found[f"{name}: labels that change alone"] = float(
            np.sum(among.argmax(1) != alone.argmax(1))
        )
        found[f"{name}: largest change of a logit"] = float(np.abs(among - alone).max())
    return found


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without what all labels share, which no answer shows."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True)).ravel()


def _rounds(
    engines: dict[str, Engine], work: Callable[[Engine], Any], rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of both forms, in turn; who begins changes from round to round."""
    times: dict[str, list[float]] = {FIXED: [], DYNAMIC: []}
    for number in range(rounds + 1):
        for name in list(times)[:: 1 if number % 2 else -1]:
            began = time.process_time()
            work(engines[name])
            times[name].append(time.process_time() - began)
    return {name: values[1:] for name, values in times.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="latest", help="a run's id")
    parser.add_argument("--root", default=None, help="the run folder; default: .bertworks")
    parser.add_argument("--model", type=Path, help="a model artifact, instead of a run's")
    parser.add_argument("--tokens", type=Path, help="its tokens artifact")
    parser.add_argument("--rows", type=int, default=800, help="validation and test rows, at most")
    parser.add_argument("--calibration", type=int, default=256, help="training rows")
    parser.add_argument("--rounds", type=int, default=7, help="how often each form is measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
