"""Tiny tokens and base artifacts, built in code, and a step to run on them."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from bertworks.compression.pruning.latency import QUANTILES
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.weights import save_folder
from bertworks.storage.artifacts import write, write_json

CONFIG = EncoderConfig(
    vocab_size=40,
    hidden_size=16,
    num_heads=(2, 2),
    head_size=8,
    intermediate_sizes=(32, 32),
    max_positions=32,
)
SPECIAL = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
CLASSIFICATION = {"type": "classification", "max_length": 16}
TAGGING = {"type": "tagging", "max_length": 16}
REGRESSION = {"type": "regression", "max_length": 16}
MULTI_LABEL = {"type": "classification", "multi_label": True, "max_length": 16}
GOOD, BAD = 10, 11
"""Words that decide: the label is whether GOOD is in the text, tags mark GOOD and BAD."""


def make_row(random, index, task, pair):
    words = random.integers(12, 40, random.integers(3, 10))
    words[random.random(len(words)) < 0.5] = word = GOOD if index % 2 else BAD
    words[random.integers(len(words))] = word
    ids = [2, *words.tolist(), 3]
    row = {"id": f"{index:016x}", "input_ids": ids, "length": len(ids)}
    good = GOOD in ids
    if task["type"] == "tagging":
        tags = [{GOOD: 0, BAD: 1}.get(word, 2) for word in words.tolist()]
        row["tags"] = [-100, *tags, -100]
    elif task["type"] == "regression":
        row |= {"score": 5.0 + 2.0 * good, "scaled": 2.0 * good - 1.0}
    elif task.get("multi_label"):
        row["labels"] = [int(good), int(not good), 0]
    else:
        row["label"] = int(good)
    if pair:
        row["type_ids"] = [0] * 3 + [1] * (len(ids) - 3)
    return row


def make_tokens(path, task=CLASSIFICATION, rows=(160, 32, 16), pair=False, seed=0):
    """Writes a tokens artifact whose labels can be learned; returns its path."""
    random = np.random.default_rng(seed)
    labels = {"tagging": ["B-GOOD", "B-BAD", "O"], "regression": []}.get(task["type"], ["n", "y"])
    labels = ["a", "b", "c"] if task.get("multi_label") else labels
    fields = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "length": pa.int32(),
        "type_ids": pa.list_(pa.int8()),
        "label": pa.int32(),
        "labels": pa.list_(pa.int8()),
        "score": pa.float32(),
        "scaled": pa.float32(),
        "tags": pa.list_(pa.int32()),
    }
    splits = dict(zip(("train", "validation", "test"), rows, strict=True))
    lengths = []
    with write(path, kind="tokens", producer="transform") as folder:
        for split, count in splits.items():
            made = [make_row(random, index, task, pair) for index in range(count)]
            made.sort(key=lambda row: row["length"])
            if split == "train" and made:
                lengths = [row["length"] for row in made]
            names = list(made[0]) if made else ["id", "input_ids", "length"]
            schema = pa.schema([(name, fields[name]) for name in names])
            (folder / split).mkdir()
            file = folder / split / "part-00000.parquet"
            pq.write_table(pa.Table.from_pylist(made, schema=schema), file, compression="zstd")
        _write_corpus(folder / "corpus", random)
        _tokenizer().save(str(folder / "tokenizer.json"))
        write_json(
            folder / "info.json",
            {
                "task": {**task, "pair": pair},
                "labels": labels,
                "max_length": 16,
                "clean": {"html": False, "unicode": "NFKC", "whitespace": True},
                "vocab_size": 40,
                "special": SPECIAL,
                "rows": splits,
                "length_quantiles": np.quantile(lengths, QUANTILES).tolist() if lengths else [],
                "corpus_rows": 64,
                "score": {"mean": 6.0, "std": 1.0, "min": 5.0, "max": 7.0}
                if task["type"] == "regression"
                else None,
            },
        )
    return path


def _tokenizer():
    """An uncased BERT tokenizer with as many tokens as the encoder knows."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{place}" for place in range(5, 40))]
    ids = {word: place for place, word in enumerate(words)}
    backend = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return backend


def _write_corpus(folder, random):
    """Texts in which each token is followed by the next number: easy to predict."""
    folder.mkdir()
    texts = [
        [int(12 + (start + step) % 28) for step in range(random.integers(4, 20))]
        for start in random.integers(0, 28, 64)
    ]
    lists = pa.list_(pa.int32())
    table = {
        "id": [f"{random.integers(2**32):08x}{index:08x}" for index in range(64)],
        "input_ids": pa.array(texts, lists),
        "words": pa.array([[place // 2 for place in range(len(text))] for text in texts], lists),
        "length": pa.array([len(text) for text in texts], pa.int32()),
    }
    pq.write_table(pa.table(table), folder / "part-00000.parquet", compression="zstd")


def make_base(path, scratch=False):
    """Writes a base artifact with random weights, or with none; returns its path."""
    facts = {"uri": "scratch" if scratch else "test://tiny", "scratch": scratch}
    with write(path, kind="base", producer="ingest", metadata=facts) as folder:
        if scratch:
            write_json(folder / "config.json", CONFIG.to_huggingface())
        else:
            fresh = initialize(encoder_shapes(CONFIG), seed=1)
            # Louder than BERT starts: a model this small learns from it in a few steps.
            weights = {name: 10 * x if x.ndim == 2 else x for name, x in fresh.items()}
            save_folder(folder, CONFIG, weights, Head("encoder"))
    return path


def finetune_section(task=CLASSIFICATION, **settings):
    """A section that learns the tiny task in seconds."""
    chosen = {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "patience": 50}
    return {"task": task, "finetune": {**chosen, **settings}}


if __name__ == "__main__":  # run in a process of its own, to be killed
    from tests.helpers.steps import finetune as run

    root = Path(sys.argv[1])
    section = finetune_section(epochs=int(sys.argv[3]), checkpoint_steps=3)
    run(section, tokens=root / "tokens", initial=root / "base", model=root / sys.argv[2])
