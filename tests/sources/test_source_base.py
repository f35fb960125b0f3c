"""The base checkpoint: what is taken, what is built, what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from tokenizers import BertWordPieceTokenizer, Tokenizer

from bertworks.data.sources import checkpoint as transformers_check
from bertworks.data.sources.base import base_notices, fetch_base, pin_of
from bertworks.errors import SourceError, SpecError
from bertworks.models.config import Head
from bertworks.models.weights import load_folder, read_tensors, write_tensors
from bertworks.spec import Base, Scratch, TokenizerSource
from bertworks.text.tokenizer import Tokenizer as OurTokenizer
from tests.helpers import family_bases
from tests.helpers.tokenizer_kinds import KINDS, made

sys.path.insert(0, str(Path(__file__).parents[1] / "encoder/golden"))

from random_bert import CONFIG, random_weights
from torch_like_graph import torch_like_graph

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "Ä", "##b"]
BUILT = BertWordPieceTokenizer({word: place for place, word in enumerate(WORDS)}, lowercase=False)
TOKENIZER = BUILT.to_str().encode()
BERT = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights"}


@pytest.fixture
def checkpoint(tmp_path):
    def write(files: dict[str, bytes]) -> str:
        folder = tmp_path / "checkpoint"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return str(folder)

    return write


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


def test_the_three_files_are_taken_as_they_are(checkpoint, into):
    uri = checkpoint({**BERT, "tokenizer.json": TOKENIZER, "other.bin": b"x"})
    facts = fetch_base(Base(uri=uri), into)
    assert {file.name: file.read_bytes() for file in into.iterdir()} == {
        **BERT,
        "tokenizer.json": TOKENIZER,
    }
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert facts == {"scratch": False, "uri": uri, "sha256": sha256}


def test_a_folder_inside_an_archive(tmp_path, into, make):
    content = make.tar({f"top/model/{name}": data for name, data in BERT.items()} | {
        "top/model/tokenizer.json": TOKENIZER})  # fmt: skip
    (tmp_path / "base.tgz").write_bytes(content)
    pin = hashlib.sha256(content).hexdigest()
    facts = fetch_base(Base(uri="base.tgz!/model", sha256=pin), into, tmp_path)
    assert facts["sha256"] == pin
    assert (into / "model.safetensors").read_bytes() == b"weights"
    with pytest.raises(SourceError, match=r"expected sha256 1{64}"):
        fetch_base(Base(uri="base.tgz!/model", sha256="1" * 64), into, tmp_path)


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_tokenizer_is_built_of_a_vocabulary(checkpoint, into, lowercase):
    settings = json.dumps({"do_lower_case": lowercase}).encode()
    vocabulary = "\n".join(WORDS).encode()
    uri = checkpoint({**BERT, "vocab.txt": vocabulary, "tokenizer_config.json": settings})
    fetch_base(Base(uri=uri), into)
    tokens = Tokenizer.from_file(str(into / "tokenizer.json")).encode("Ä AB ab").tokens
    expected = ["a", "a", "##b", "a", "##b"] if lowercase else ["Ä", "[UNK]", "a", "##b"]
    assert tokens == ["[CLS]", *expected, "[SEP]"]
    names = {file.name for file in into.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json"}


@pytest.mark.parametrize(
    ("words", "settings", "lowercase"),
    [
        (WORDS, None, False),
        (WORDS, {}, False),
        (WORDS, {"do_lower_case": True}, True),
        ([word.lower() if word[0] != "[" else word for word in WORDS], None, True),
    ],
)
def test_without_settings_the_vocabulary_says_whether_case_is_kept(
    checkpoint, into, words, settings, lowercase
):
    files = {**BERT, "vocab.txt": "\n".join(words).encode()}
    if settings is not None:
        files["tokenizer_config.json"] = json.dumps(settings).encode()
    facts = fetch_base(Base(uri=checkpoint(files)), into)
    normalizer = json.loads((into / "tokenizer.json").read_text())["normalizer"]
    assert normalizer["lowercase"] is lowercase
    told = base_notices(facts)
    assert bool(told) == (not settings)
    assert not told or ("lower-case, as" if lowercase else "with their case") in told[0].text


def test_a_byte_order_mark_in_a_checkpoint_is_taken_off(checkpoint, into):
    mark = "\ufeff".encode()
    vocabulary = mark + "\n".join(WORDS).encode()
    settings = mark + b'{"do_lower_case": false}'
    files = {"config.json": mark + BERT["config.json"], "model.safetensors": b"weights"}
    uri = checkpoint({**files, "vocab.txt": vocabulary, "tokenizer_config.json": settings})
    fetch_base(Base(uri=uri), into)
    assert json.loads((into / "config.json").read_text()) == {"model_type": "bert"}
    assert Tokenizer.from_file(str(into / "tokenizer.json")).token_to_id("[PAD]") == 0


@pytest.mark.parametrize(
    ("files", "says", "fix"),
    [
        ({}, "has no config.json", "folder"),
        (
            {"config.json": b'{"model_type": "deberta-v2"}'},
            "type 'deberta-v2'. Supported: bert, roberta, xlm-roberta, distilbert, electra, mpnet",
            "one of these families",
        ),
        ({"config.json": b"[]"}, "not a JSON object", "whole"),
        ({"config.json": BERT["config.json"]}, "no model.safetensors", "safetensors"),
        (
            {"config.json": BERT["config.json"], "pytorch_model.bin": b"x"},
            "no model.safetensors",
            "convert it",
        ),
        (BERT, "has no tokenizer.json", "vocab.txt"),
    ],
)
def test_what_is_refused(checkpoint, into, files, says, fix):
    with pytest.raises(SourceError, match=says) as caught:
        fetch_base(Base(uri=checkpoint(files)), into)
    assert fix in caught.value.fix


@pytest.mark.parametrize("scratch", [False, True])
def test_rows_longer_than_its_positions_are_refused_before_its_weights_are_fetched(
    checkpoint, into, scratch
):
    config = b'{"model_type": "bert", "max_position_embeddings": 64}'
    positions = 512 if scratch else 64
    uri = "scratch" if scratch else checkpoint({"config.json": config})  # no weights at all
    with pytest.raises(
        SpecError, match=rf"max_length is {positions + 1}.* {positions} pos"
    ) as caught:
        fetch_base(Base(uri=uri), into, max_length=positions + 1)
    assert f"task.max_length: {positions}" in caught.value.fix
    if scratch:
        assert fetch_base(Base(uri=uri), into, max_length=positions)["scratch"]
    else:
        with pytest.raises(SourceError, match="no model.safetensors"):
            fetch_base(Base(uri=uri), into, max_length=positions)


def test_the_pin_of_a_folder_is_that_of_its_weights(checkpoint, into):
    uri = checkpoint({**BERT, "tokenizer.json": TOKENIZER})
    with pytest.raises(SourceError, match=r"model.safetensors is not the file that was pinned"):
        fetch_base(Base(uri=uri, sha256="0" * 64), into)


def test_the_default_pin_belongs_to_the_default_uri():
    assert pin_of(Base()) == Base().sha256
    assert pin_of(Base(uri="elsewhere")) is None
    assert pin_of(Base(uri="elsewhere", sha256="0" * 64)) == "0" * 64


def test_scratch_writes_only_a_config(into):
    sizes = Scratch(vocab_size=99, layers=2, hidden_size=8, heads=2, intermediate_size=16)
    facts = fetch_base(Base(uri="scratch", scratch=sizes), into)
    assert facts["scratch"] is True
    assert [file.name for file in into.iterdir()] == ["config.json"]
    config = json.loads((into / "config.json").read_text())
    names = ("vocab_size", "num_hidden_layers", "hidden_size", "num_attention_heads")
    assert [config[name] for name in (*names, "intermediate_size")] == [99, 2, 8, 2, 16]
    assert config["model_type"] == "bert"


def test_transformers_must_read_the_same_ids(checkpoint, into):
    settings = json.dumps({"do_lower_case": True}).encode()
    words = {word: place for place, word in enumerate([*WORDS, "The", "the"])}
    cased = BertWordPieceTokenizer(words, lowercase=False).to_str().encode()
    files = {**BERT, "tokenizer.json": cased, "tokenizer_config.json": settings}
    with pytest.raises(SourceError, match="not the same for transformers") as caught:
        fetch_base(Base(uri=checkpoint(files)), into)
    told = "'The' is read as [CLS] The [SEP] by tokenizer.json, and as [CLS] the [SEP] with its"
    assert told in caught.value.message
    assert "save_pretrained" in caught.value.fix


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"tokenizer.json": b"{}"}, "tokenizer.json cannot be read as a tokenizer"),
        (
            {"config.json": b'{"model_type": "bert", "hidden_size": "wide"}'},
            "cannot read .*config.json",
        ),
    ],
)
def test_what_transformers_cannot_read_is_named(checkpoint, into, broken, says):
    uri = checkpoint({**BERT, "tokenizer.json": TOKENIZER, **broken})
    with pytest.raises(SourceError, match=says) as caught:
        fetch_base(Base(uri=uri), into)
    assert uri in caught.value.message and str(into) not in caught.value.message


def test_the_checkpoint_needs_no_network_and_runs_no_code(checkpoint, into, monkeypatch):
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: looked_up.append(given))
    settings = {"do_lower_case": False, "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    files = {**BERT, "tokenizer.json": TOKENIZER, "evil.py": b"raise SystemExit(1)",
             "tokenizer_config.json": json.dumps(settings).encode()}  # fmt: skip
    fetch_base(Base(uri=checkpoint(files)), into)
    assert not looked_up
    assert not (into / "tokenizer_config.json").exists()


@pytest.mark.parametrize("family", ["roberta", "mpnet"])
def test_a_base_of_another_family_becomes_a_bert(tmp_path, into, family):
    getattr(family_bases, family)(tmp_path / "given", ["a good film", "the plot is bad"])
    uri = str(tmp_path / "given")
    with pytest.raises(SpecError, match=r"max_length is 65, the base has 64 positions"):
        fetch_base(Base(uri=uri), into, max_length=65)
    facts = fetch_base(Base(uri=uri), into, max_length=64)
    assert facts["sha256"] == hashlib.sha256(
        (tmp_path / "given/model.safetensors").read_bytes()
    ).hexdigest()  # fmt: skip
    assert (facts["family"], facts["left_out"], base_notices(facts)) == (family, 0, [])
    config, _, raw = load_folder(into)
    assert raw["model_type"] == "bert" and config.max_positions == 64
    assert config.relative_positions == (family == "mpnet")
    ids, types = OurTokenizer.load(into).encode_batch(["a good film"], ["bad"])[0]
    assert ids.count(2) == 3 and not any(types)


def test_heads_of_other_tasks_are_left_out_and_told(tmp_path, into):
    given = tmp_path / "given"
    family_bases.roberta(given, ["a good film"])
    head = {"classifier.dense.weight": np.ones((16, 16), np.float32)}
    write_tensors(
        given / "model.safetensors", {**read_tensors(given / "model.safetensors"), **head}
    )
    facts = fetch_base(Base(uri=str(given)), into)
    (told,) = base_notices(facts)
    assert told.count == 1 and "(roberta): weights" in told.text
    assert not any("classifier" in name for name in load_folder(into)[1])


@pytest.mark.parametrize("family", ["roberta", "mpnet"])
def test_a_family_with_a_vocabulary_alone_gets_its_own_tokenizer(tmp_path, into, family):
    given = tmp_path / "given"
    getattr(family_bases, family)(given, ["a good film", "the plot is bad"])
    wanted = OurTokenizer.load(given)
    family_bases.without_tokenizer_file(given)
    fetch_base(Base(uri=str(given)), into)
    made = OurTokenizer.load(into)
    assert (made.special, made.template) == (wanted.special, wanted.template)
    for texts in (["a good film"], ["the plot, <mask>!"], [""]):
        assert made.encode_batch(texts, texts) == wanted.encode_batch(texts, texts)
    assert {file.name for file in into.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json",
    }  # fmt: skip
    for file in ("vocab.json", "vocab.txt"):
        (given / file).unlink(missing_ok=True)
    with pytest.raises(SourceError, match="no tokenizer.json") as caught:
        fetch_base(Base(uri=str(given)), into)
    assert "vocab." in caught.value.fix


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_that_transformers_writes_agree_with_the_tokenizer(tmp_path, kind):
    theirs = made(kind)
    theirs.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    transformers_check.check(tmp_path, settings, "it")
    ids, _ = OurTokenizer.load(tmp_path).encode_batch(["the runs, 日本"])[0]
    assert ids == theirs("the runs, 日本")["input_ids"]


def test_a_family_whose_weights_are_damaged_is_named(tmp_path, into):
    family_bases.roberta(tmp_path / "given", ["a good film"])
    (tmp_path / "given/model.safetensors").write_bytes(b"weights")
    with pytest.raises(SourceError, match=r"model\.safetensors cannot be read") as caught:
        fetch_base(Base(uri=str(tmp_path / "given")), into)
    assert str(into) not in str(caught.value)


def test_the_tokenizer_may_be_elsewhere(checkpoint, into, tmp_path):
    uri = checkpoint(BERT)
    other = tmp_path / "tokenizer"
    other.mkdir()
    (other / "tokenizer.json").write_bytes(TOKENIZER)
    own = Base(uri=uri, tokenizer=TokenizerSource(uri=str(other)))
    fetch_base(own, into)
    assert (into / "tokenizer.json").read_bytes() == TOKENIZER
    pinned = Base(uri=uri, tokenizer=TokenizerSource(uri=str(other), sha256="0" * 64))
    with pytest.raises(SourceError, match="tokenizer.json is not the file that was pinned"):
        fetch_base(pinned, into)


def test_more_layers_than_there_are_are_refused_before_the_weights_are_fetched(checkpoint, into):
    uri = checkpoint({"config.json": b'{"model_type": "bert", "num_hidden_layers": 2}'})
    with pytest.raises(SpecError, match=r"base.layers is 3, .* has 2 layers") as caught:
        fetch_base(Base(uri=uri, layers=3), into)
    assert "base.layers: 2" in caught.value.fix
    with pytest.raises(SourceError, match="no model.safetensors"):
        fetch_base(Base(uri=uri, layers=2), into)


@pytest.mark.parametrize("whole", [True, False], ids=["with config.json", "the graph alone"])
def test_a_graph_becomes_weights(into, tmp_path, whole):
    weights = random_weights(CONFIG, Head("encoder"))
    folder = tmp_path / "graph"
    folder.mkdir()
    onnx.save_model(torch_like_graph(CONFIG, weights), str(folder / "model.onnx"))
    (folder / "tokenizer.json").write_bytes(TOKENIZER)
    if whole:
        config = {**CONFIG.to_huggingface(), "attention_probs_dropout_prob": 0.2}
        (folder / "config.json").write_text(json.dumps(config))
    pin = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    uri = str(folder) if whole else f"{folder}/model.onnx"
    facts = fetch_base(Base(uri=uri, sha256=pin, layers=1), into)
    assert (facts["sha256"], facts["imported"]) == (pin, "an ONNX graph")
    assert not base_notices(facts)
    found, kept, _ = load_folder(into)
    assert found == dataclasses.replace(
        CONFIG, num_heads=(3,), intermediate_sizes=(40,), attention_dropout=0.2 if whole else 0.1
    )
    name = "bert.encoder.layer.0.attention.self.key.weight"
    assert (kept[name] == weights[name]).all()
    with pytest.raises(SourceError, match="is not the file that was pinned"):
        fetch_base(Base(uri=uri, sha256="0" * 64), into)


def test_integers_in_a_graph_are_told():
    told = base_notices({"uri": "there", "imported": "an ONNX graph", "quantized": "int8"})
    assert "an ONNX graph with weights of int8" in told[0].text
