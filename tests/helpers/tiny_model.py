"""Tiny models, bundles and tokens artifacts, built in code."""

import shutil
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from bertworks.contracts.agent import AGENT
from bertworks.contracts.tokens import TOKENS
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import all_shapes
from bertworks.models.weights import save_folder
from bertworks.spec import Task
from bertworks.storage.artifacts import open_artifact, write, write_json
from bertworks.tasks import for_task
from tests.helpers.records import tokens_info

WORDS = ["good", "bad", "film", "story", "so", "the", "##s", ",", ".", "a", "b", "very", "plot"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TEXTS = ["good film", "bad story .", "so so", "the very good plot , a film", "films", "b"]
MAX_LENGTH = 16


def tokenizer():
    """An uncased BERT tokenizer with a vocabulary of 18."""
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    backend = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return backend


def config(num_heads=(2, 1), intermediate_sizes=(12, 5)):
    """Sizes of a pruned encoder of width 8."""
    return EncoderConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_heads=num_heads,
        head_size=4,
        intermediate_sizes=intermediate_sizes,
        max_positions=MAX_LENGTH + 4,
    )


def random_weights(sizes, head, seed=0):
    """Large enough that every part of the model shows in the logits."""
    stream = np.random.default_rng(seed)
    weights = {}
    for name, shape in all_shapes(sizes, head).items():
        values = 0.5 * stream.standard_normal(shape)
        weights[name] = (values + ("LayerNorm.weight" in name)).astype(np.float32)
    return weights


def make_model(path, task, labels, score=None, sizes=None, clean=None):
    """Writes a model artifact with random weights; returns its path."""
    task = Task.model_validate({"max_length": MAX_LENGTH, **task})
    info = {"labels": labels, "score": score, **({"clean": clean} if clean else {})}
    head, sizes = for_task(task, labels, score).head(), sizes or config()
    with write(path, kind="model", producer="finetune") as out:
        save_folder(out, sizes, random_weights(sizes, head), head)
        tokenizer().save(str(out / "tokenizer.json"))
        agent = {"task": task.model_dump(mode="json"), "max_length": MAX_LENGTH, **info}
        beside = {"format": AGENT.version, "base": "test", "parents": {}}
        write_json(out / "agent.json", {**agent, **beside})
    return path


def bundle_of(model, path, engine=None, graph=None):
    """Writes a bundle with the model's float32 graph; returns its path.

    `engine` is its record in agent.json, or writes the graph's files and returns that.
    """
    from bertworks.compression.builders import Source

    source = open_artifact(model, "model")
    with write(path, kind="bundle", producer="quantize") as out:
        made = graph or Source.read(source).graph("float32").SerializeToString()
        if callable(engine):
            engine = engine(made, out)
        else:
            (out / "model.onnx").write_bytes(made)
        shutil.copy(source / "tokenizer.json", out)
        own = {"engine": engine or {"name": "onnxruntime", "file": "model.onnx", "options": {}}}
        write_json(out / "agent.json", {**source.json("agent.json"), **own})
    return path


def make_tokens(path, task, labels, rows=40, seed=0):
    """Writes a tokens artifact of random rows; labels are drawn, or noise for regression."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    task = Task.model_validate({"max_length": MAX_LENGTH, **task})
    stream = np.random.default_rng(seed)

    def row(index):
        ids = [2, *stream.integers(5, len(VOCABULARY), stream.integers(1, 14)).tolist(), 3]
        made = {"id": f"{index:016x}", "input_ids": ids, "length": len(ids)}
        if task.pair:
            made["type_ids"] = [0] * (len(ids) // 2) + [1] * (len(ids) - len(ids) // 2)
        if task.type == "tagging":
            inner = stream.integers(0, len(labels), len(ids) - 2).tolist()
            return {**made, "tags": [-100, *inner, -100]}
        if task.type == "regression":
            return {**made, "score": 1.0, "scaled": float(stream.standard_normal())}
        if task.multi_label:
            return {**made, "labels": stream.integers(0, 2, len(labels)).tolist()}
        return {**made, "label": int(stream.integers(len(labels)))}

    with write(path, kind="tokens", producer="transform") as out:
        for split in ("train", "validation", "test"):
            (out / split).mkdir()
            table = pa.Table.from_pylist([row(index) for index in range(rows)])
            pq.write_table(table, Path(out) / split / "part-00000.parquet")
        TOKENS.write(out, tokens_info(
            task=task.model_dump(), labels=labels, max_length=MAX_LENGTH,
            rows=dict.fromkeys(("train", "validation", "test"), rows),
        ))  # fmt: skip
    return path
