"""Tiny examples, base and statistics artifacts for the tests of the validate step."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bertworks.errors import DataError
from bertworks.spec import Task, Validate
from bertworks.storage.artifacts import write, write_json
from tests.helpers.steps import validate as run

WORDS = re.findall(
    r"\w+",
    "a an and bad bear blue boat book cat city cold dark day dog film fine fish good green hat "
    "hill house it king lake light long moon night of old pen red river road sea ship sky slow "
    "small snow star sun the to town tree was we wind wood",
)


def sentence(number: int, length: int = 12) -> str:
    """A sentence that shares hardly any pair of words with another number's."""
    digest = hashlib.sha512(f"sentence {number}".encode()).digest()
    return " ".join(WORDS[byte % len(WORDS)] for byte in (digest * 20)[:length])


def reviews(count: int, start: int = 0, labels: tuple[str, ...] = ("neg", "pos")) -> list[dict]:
    """Rows with different sentences and labels in turn."""
    return [
        {"text": sentence(start + n), "label": labels[n % len(labels)], "source": "made"}
        for n in range(count)
    ]


def splits(rows: list[dict]) -> dict[str, list[dict]]:
    """Eight tenths for training, one each for validation and test."""
    tenth = len(rows) // 10
    return {
        "train": rows[: len(rows) - 2 * tenth],
        "validation": rows[len(rows) - 2 * tenth : len(rows) - tenth],
        "test": rows[len(rows) - tenth :],
    }


class Bench:
    """Writes inputs under a temporary folder and runs the step on them."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs, self.trimmed = root, 0, None

    def examples(
        self, data: dict[str, list[dict]], task: Task, schema: pa.Schema | None = None
    ) -> Path:
        path = self.root / f"examples{self.runs}"
        with write(path, kind="examples", producer="ingest") as folder:
            for split, rows in data.items():
                (folder / split).mkdir()
                named = [{"id": f"{split[:2]}{n:014d}", **row} for n, row in enumerate(rows)]
                if named:
                    table = pa.Table.from_pylist(named, schema)
                    pq.write_table(table, folder / split / "part-00000.parquet")
            info = {"task": task.model_dump(), "rows": {k: len(v) for k, v in data.items()}}
            write_json(folder / "info.json", info)
        return path

    def base(self, scratch: bool = False) -> Path:
        path = self.root / f"base-{scratch}"
        if path.exists():
            return path
        marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        vocabulary = {word: index for index, word in enumerate([*marks, *WORDS])}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        tokenizer.enable_truncation(16)
        tokenizer.enable_padding(length=16)
        facts = {"scratch": scratch, **({"trimmed": self.trimmed} if self.trimmed else {})}
        with write(path, kind="base", producer="ingest", metadata=facts) as folder:
            write_json(folder / "config.json", {})
            if not scratch:
                tokenizer.save(str(folder / "tokenizer.json"))
        return path

    def run(
        self,
        data: dict[str, list[dict]],
        task: Task | None = None,
        settings: dict[str, Any] | None = None,
        scratch: bool = False,
        schema: pa.Schema | None = None,
    ) -> Outcome:
        """Runs the step on {split: rows}, with made-up ids; keeps a failed check's DataError."""
        task = task or Task()
        self.runs += 1
        path = self.examples(data, task, schema)
        output = self.root / f"statistics{self.runs}"
        result, error = {}, None
        try:
            result = self.step(path, task, settings, scratch, output)
        except DataError as caught:
            if not output.exists():
                raise
            error = caught
        return Outcome(output, result, error)

    def step(
        self,
        examples: Path,
        task: Task,
        settings: dict[str, Any] | None = None,
        scratch: bool = False,
        output: Path | None = None,
    ) -> dict[str, Any]:
        """Calls the step itself."""
        section = {
            "task": task.model_dump(mode="json", by_alias=True),
            "validate": Validate.model_validate(settings or {}).model_dump(mode="json"),
        }
        return run(
            section,
            examples=examples,
            base=self.base(scratch),
            statistics=output or self.root / "statistics-direct",
        )


class Outcome:
    """What a run of the step left behind."""

    def __init__(self, path: Path, result: dict[str, Any], error: DataError | None) -> None:
        self.path, self.result, self.error = path, result, error
        self.checks = {
            check["name"]: check for check in json.loads((path / "checks.json").read_text("utf-8"))
        }

    @property
    def html(self) -> str:
        return (self.path / "view.html").read_text(encoding="utf-8")

    def failed(self) -> list[str]:
        return [name for name, check in self.checks.items() if not check["passed"]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def make_reviews() -> Callable[..., list[dict]]:
    return reviews


@pytest.fixture
def make_splits() -> Callable[..., dict[str, list[dict]]]:
    return splits


@pytest.fixture
def make_sentence() -> Callable[..., str]:
    return sentence
