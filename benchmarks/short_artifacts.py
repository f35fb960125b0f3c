"""Made-up rows and an untrained encoder of MiniLM-L6's size, for the short benchmarks: no network."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sentences import write_examples
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.tokens import TOKENS
from bertworks.data.sources.base import scratch_config
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.weights import save_folder
from bertworks.spec import Base, Corpus, Data, Quantize, Scratch, Task, Transform
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import for_task
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.wordpiece import train
from components.ingest import step as ingest
from components.quantize import step as quantize
from components.transform import step as transform

SIZES = Scratch(vocab_size=8000, layers=6, hidden_size=384, heads=12, intermediate_size=1536)
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
WORDS = 4000
MAX_LENGTH = 64


@dataclass(frozen=True)
class Made:
    """Where things are.

    Attributes:
        many: Examples, all of it training rows, an empty corpus and the base, for preprocessing.
        examples: A tenth of the rows, split.
        base: The untrained encoder with its tokenizer.
        tokens: Of `examples`, and of a corpus of the same texts.
        model: The encoder with an untrained head.
        bundle: The model, quantized.
        texts: The test split's texts.
    """

    many: Path
    examples: Path
    base: Path
    tokens: Path
    model: Path
    bundle: Path
    texts: list[str]


def rows_of(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Distinct texts of 8 to 28 invented words, 18 on average, and labels.

    Words are as frequent as Zipf's law has it: the n-th a n-th as often as the first.
    """
    chance = np.random.default_rng(seed)
    words = [
        "".join(chance.choice(SYLLABLES, size))
        for size in np.minimum(1 + np.arange(WORDS) // 40, chance.integers(1, 5, WORDS))
    ]
    shares = 1 / np.arange(1, WORDS + 1)
    shares /= shares.sum()
    for number in range(count):
        text = " ".join(chance.choice(words, chance.integers(8, 29), p=shares))
        yield f"{text} {number}.", ("negative", "positive")[number % 2]


def make(folder: Path, rows: int, seed: int) -> Made:
    """Makes all artifacts with the product's own steps."""
    many = list(rows_of(rows, seed))
    few = many[: rows // 10]
    encoder(folder / "encoder", [text for text, _ in few], seed)
    with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *few])
    task = Task(max_length=MAX_LENGTH)
    base = Base(uri=str(folder / "encoder"))
    data = {"sources": [{"uri": "rows.csv", "license": "made up"}]}
    sections = {
        "task": task.model_dump(mode="json"),
        "data": Data.model_validate(data).model_dump(mode="json", by_alias=True),
        "corpus": Corpus().model_dump(mode="json", by_alias=True),
        "base": base.model_dump(mode="json"),
        "transform": Transform().model_dump(mode="json"),
        "quantize": Quantize(
            candidates=["onnxruntime-fp32", "onnxruntime-int8"],
            max_drop=1.0,  # an untrained model is right by chance
            measure_rows=64,
            calibration_rows=16,
            seed=seed,
        ).model_dump(mode="json"),
        "spec_folder": str(folder),
    }
    made = {name: folder / name for name in ("examples", "corpus", "rejected", "base", "tokens")}
    ingest.run(
        ingest.Section.of(sections), **{name: made[name] for name in made if name != "tokens"}
    )
    transform.run(
        transform.Section.of(sections), **{name: made[name] for name in made if name != "rejected"}
    )
    untrained(folder / "model", made["base"], made["tokens"], seed)
    asked = quantize.Section.of(sections)
    quantize.run(asked, model=folder / "model", tokens=made["tokens"], bundle=folder / "bundle")
    write_examples(folder / "many", iter(many))
    return Made(
        folder / "many",
        made["examples"],
        made["base"],
        made["tokens"],
        folder / "model",
        folder / "bundle",
        sorted((text for text, _ in few[-128:]), key=len),
    )


def encoder(folder: Path, texts: list[str], seed: int) -> None:
    """Writes an untrained encoder and a vocabulary of these texts, in Hugging Face layout."""
    tokenizer = Tokenizer(train(texts, SIZES.vocab_size, lowercase=True))
    sizes = SIZES.model_copy(update={"vocab_size": tokenizer.vocab_size})
    config, head = EncoderConfig.from_huggingface(scratch_config(sizes)), Head("mlm")
    save_folder(folder, config, initialize(all_shapes(config, head), seed), head)
    tokenizer.save(folder)


def untrained(folder: Path, base: Path, tokens: Path, seed: int) -> None:
    """Writes a model artifact whose head is as it starts."""
    rows = open_artifact(tokens, "tokens")
    info = TOKENS.read(rows)
    head = for_task(info.task, info.labels).head()
    sizes = SIZES.model_copy(update={"vocab_size": info.vocab_size})
    config = EncoderConfig.from_huggingface(scratch_config(sizes))
    with artifacts.write(
        folder, kind="model", producer="finetune", parents={"tokens": rows}
    ) as out:
        save_folder(out, config, initialize(all_shapes(config, head), seed), head)
        Tokenizer.load(base).save(out)
        AGENT.write(out, AgentRecord.of(info, "untrained", {}))
