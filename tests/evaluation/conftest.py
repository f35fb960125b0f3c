"""A tiny agent of each task with its examples and tokens, without any training."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.contracts.tokens import TOKENS
from bertworks.spec import Evaluate, Task
from bertworks.storage import artifacts
from tests.helpers import quick
from tests.helpers.records import tokens_info
from tests.helpers.steps import evaluate

sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))

WORDS = ["good", "bad", "fine", "plot", "cast", "ada", "paris", "very", "the", "is"]
ROWS = {"train": 60, "validation": 10, "test": 24}
PLAIN = Task(max_length=16)


@dataclass(frozen=True)
class Tiny:
    """Paths of artifacts that belong together."""

    task: Task
    model: Path
    bundle: Path
    examples: Path
    tokens: Path

    @classmethod
    def at(cls, root: Path, task: Task) -> Tiny:
        """What `build` wrote there."""
        return cls(task, *(root / name for name in ("model", "bundle", "examples", "tokens")))

    def section(self, **settings: Any) -> dict[str, Any]:
        quick = {"bootstrap": 50, "slices": [], **settings}
        return {
            "task": self.task.model_dump(mode="json"),
            "metric": self.task.kind.metric,
            "evaluate": Evaluate.model_validate(quick).model_dump(mode="json"),
        }


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Tiny]:
    return lambda **task: build(tmp_path, Task(max_length=16, **task))


@pytest.fixture(scope="session")
def evaluated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny classifier that was evaluated; nobody writes there."""
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        quick.few_rows_timed(patch.setattr)
        evaluate_both(build(folder, PLAIN), folder)
    return folder


@pytest.fixture
def evaluated(evaluated_once: Path, tmp_path: Path) -> Tiny:
    """That classifier in a folder of the test's own: beside it `model_metrics` and `bundle_metrics`."""
    shutil.copytree(evaluated_once, tmp_path, dirs_exist_ok=True)
    return Tiny.at(tmp_path, PLAIN)


def evaluate_both(given: Tiny, folder: Path) -> None:
    """Evaluates model and bundle: `model_metrics` and `bundle_metrics`."""
    for kind in ("model", "bundle"):
        evaluate(
            given.section(), agent=getattr(given, kind), examples=given.examples,
            tokens=given.tokens, metrics=folder / f"{kind}_metrics",
        )  # fmt: skip


def build(root: Path, task: Task) -> Tiny:
    """Writes all artifacts of a tiny agent."""
    chance = random.Random(1)
    splits = {
        split: [_row(task, chance, f"{split}{number}") for number in range(count)]
        for split, count in ROWS.items()
    }
    names = _label_names(task)
    tokenizer = root / "tokenizer.json"
    from bertworks.text.wordpiece import train

    train([" ".join(WORDS)] * 3, 120, True).save(str(tokenizer))
    _examples(root, task, splits)
    _tokens(root, task, splits, names, tokenizer)
    _bundle(root, _model(root, task, names, tokenizer))
    return Tiny.at(root, task)


def _label_names(task: Task) -> list[str]:
    if task.type == "regression":
        return []
    return ["B-PER", "I-PER", "O"] if task.type == "tagging" else ["down", "up"]


def _row(task: Task, chance: random.Random, name: str) -> dict[str, Any]:
    words = [chance.choice(WORDS) for _ in range(chance.randint(2, 9))]
    row: dict[str, Any] = {"id": "", "source": chance.choice("xy")}
    row["id"] = f"{int.from_bytes(name.encode(), 'big') % 16**16:016x}"
    good = "good" in words or "fine" in words
    if task.type == "tagging":
        words[0] = "\u200b" if chance.random() < 0.2 else words[0]
        tags = ["B-PER" if word == "ada" else "O" for word in words]
        return row | {"tokens": words, "tags": tags}
    texts = (
        {"text_a": " ".join(words), "text_b": chance.choice(WORDS)}
        if task.pair
        else {"text": " ".join(words)}
    )
    if task.type == "regression":
        return row | texts | {"score": 2.0 * good + chance.random()}
    if task.multi_label:
        return row | texts | {"labels": ["up"] * good + ["down"] * ("bad" in words)}
    return row | texts | {"label": "up" if good else "down"}


def _examples(root: Path, task: Task, splits: dict[str, list[dict[str, Any]]]) -> None:
    with artifacts.write(root / "examples", kind="examples", producer="test") as folder:
        for split, rows in splits.items():
            _parquet(folder / split, sorted(rows, key=lambda row: row["id"]))
        info = {"task": task.model_dump(), "rows": ROWS, "labels": _label_names(task)}
        artifacts.write_json(folder / "info.json", {**info, "duplicates": 1, "rejected": 2})


def _tokens(
    root: Path, task: Task, splits: dict[str, list[dict[str, Any]]], names: list[str], file: Path
) -> None:
    from bertworks.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(file)
    with artifacts.write(root / "tokens", kind="tokens", producer="test") as folder:
        for split, rows in splits.items():
            if task.type == "tagging":
                encoded = tokenizer.encode_words_batch([row["tokens"] for row in rows], 16)
            elif task.pair:
                first, second = ([row[key] for row in rows] for key in ("text_a", "text_b"))
                encoded = tokenizer.encode_batch(first, second, 16)
            else:
                encoded = tokenizer.encode_batch([row["text"] for row in rows], None, 16)
            table = [
                {"id": row["id"], "input_ids": list(ids), "length": len(ids)}
                for row, (ids, _) in zip(rows, encoded, strict=True)
            ]
            _parquet(folder / split, sorted(table, key=lambda row: row["length"]))
        info = tokens_info(task=task.model_dump(), labels=names, rows=ROWS)
        TOKENS.write(folder, info)


def _model(root: Path, task: Task, names: list[str], tokenizer: Path) -> Path:
    from bertworks.models.config import EncoderConfig
    from bertworks.models.layout import all_shapes, initialize
    from bertworks.models.weights import save_folder
    from bertworks.tasks import for_task
    from bertworks.text.tokenizer import Tokenizer

    score = {"mean": 1.0, "std": 1.0, "min": 0.0, "max": 3.0}
    info = {
        "format": 1, "task": task.model_dump(mode="json"), "labels": names, "max_length": 16,
        "score": score if task.type == "regression" else None, "base": "test", "parents": {},
    }  # fmt: skip
    size = Tokenizer.load(tokenizer).vocab_size
    config = EncoderConfig(size, 16, (2, 2), 8, (16, 16), max_positions=32)
    head = for_task(task, names).head()
    weights = initialize(all_shapes(config, head), seed=3)
    random_ = np.random.default_rng(3)
    for name in weights:
        if "classifier" in name or "word_embeddings" in name:
            weights[name] = random_.normal(0, 1, weights[name].shape).astype(np.float32)
    with artifacts.write(root / "model", kind="model", producer="test") as folder:
        save_folder(folder, config, weights, head)
        (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
        artifacts.write_json(folder / "agent.json", info)
        points = [
            {"step": step, "epoch": step / 2, "split": split, "name": "loss", "value": 1 / step}
            for step in (1, 2, 3)
            for split in ("train", "validation")
        ]
        artifacts.write_json(
            folder / "history.json", {"points": points, "seconds": 3.0, "tokens_per_second": 9.0}
        )
    return root / "model"


def _bundle(root: Path, model: Path) -> None:
    from bertworks.compression.builders import Source

    source = artifacts.open_artifact(model, "model")
    graph = Source.read(source).graph("float32")
    engine = {"name": "onnxruntime", "file": "model.onnx", "options": {}}
    candidate = {
        "name": "onnxruntime-fp32", "latency_ms": 1.0, "p95_ms": 2.0, "rows_per_second": 100.0,
        "metric": 0.5, "size_mb": 1.0, "chosen": True, "reason": "the fastest",
    }  # fmt: skip
    with artifacts.write(
        root / "bundle", kind="bundle", producer="test", parents={"model": source}
    ) as folder:
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        (folder / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
        info = {**source.json("agent.json"), "engine": engine, "candidates": [candidate]}
        artifacts.write_json(folder / "agent.json", info)


def _parquet(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-00000.parquet")
