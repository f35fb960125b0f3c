"""Bases that have a vocabulary in place of a tokenizer.json: SentencePiece's, and older files."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.data.sources.base import fetch_base
from bertworks.errors import SourceError
from bertworks.spec import Base
from bertworks.text.marks import Template
from bertworks.text.tokenizer import Tokenizer
from tests.helpers import family_bases
from tests.helpers.tokenizer_kinds import sentencepiece_model

FILE = "sentencepiece.bpe.model"
BERT = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights"}
MASK = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False,
        "normalized": False, "single_word": False}  # fmt: skip
KINDS = {
    "xlm-r": ({}, {}),
    "no clean-up": ({"normalization_rule_name": "identity"}, {"model_max_length": 512}),
    "marks of its own": (
        {"user_defined_symbols": ["<tag>"], "control_symbols": ["<sep2>"]},
        {"mask_token": MASK, "tokenizer_class": "XLMRobertaTokenizer"},
    ),
}
PARTS = [
    " ", " ", "  ", "\t", "\n", "\u3000", "\u200b", "▁", "<mask>", "<s>", "</s>", "<pad>", "<unk>",
    "<tag>", "<sep2>", "the", "runs", "film", "日本", "の", "é", "e\u0301", "ß", "ﬁ", "½", "ｆｕｌｌ",
    "\x00", "👩‍👩‍👧", "한국어", "हिन्दी", "don't", "\U0010ffff",
]  # fmt: skip
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TEXT = UNICODE | st.lists(st.sampled_from(PARTS), max_size=16).map("".join)


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def fetched(given, into):
    into.mkdir()
    fetch_base(Base(uri=str(given)), into)
    return Tokenizer.load(into)


def as_transformers_reads(folder):
    """What AutoTokenizer makes of the file, as it does where it finds a sentencepiece that fits."""
    from transformers import AutoTokenizer, convert_slow_tokenizer
    from transformers.utils import sentencepiece_model_pb2_new

    with pytest.MonkeyPatch.context() as patch:
        # The package's own form of the file needs a newer protobuf than TensorFlow allows.
        patch.setattr(
            convert_slow_tokenizer, "import_protobuf", lambda *_: sentencepiece_model_pb2_new
        )
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory):
    """Ours of a base that was fetched, and transformers' of the file itself."""
    options, said = KINDS[request.param]
    folder = tmp_path_factory.mktemp("base")
    files = {
        FILE: sentencepiece_model(**options),
        "tokenizer_config.json": json.dumps(said).encode(),
    }
    given_ = write(folder / "given", {**BERT, **files})
    xlm = {"config.json": b'{"model_type": "xlm-roberta"}'}
    theirs = write(folder / "theirs", {**xlm, **files})
    return SimpleNamespace(
        ours=fetched(given_, folder / "into"), theirs=as_transformers_reads(theirs)
    )


@settings(max_examples=80)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_ids_are_transformers_ids(both, texts):
    got = both.ours.encode_batch(texts, max_length=1 << 20)
    assert [ids for ids, _ in got] == both.theirs(texts)["input_ids"]
    pairs = both.ours.encode_batch(texts, texts[::-1], 1 << 20)
    assert [ids for ids, _ in pairs] == both.theirs(texts, texts[::-1])["input_ids"]


def test_marks_are_transformers_marks(both):
    special, theirs = both.ours.special, both.theirs
    assert both.ours.template == Template(seps=2, second_type=0)
    assert tuple(special) == (
        theirs.pad_token_id, theirs.unk_token_id, theirs.cls_token_id, theirs.sep_token_id,
        theirs.mask_token_id,
    )  # fmt: skip
    assert both.ours.vocab_size == len(theirs)


def test_xlm_r_is_read_where_the_package_sentencepiece_is_not(tmp_path, monkeypatch):
    family_bases.xlm_roberta(tmp_path / "given", [])
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    ours = fetched(tmp_path / "given", tmp_path / "into")
    (ids, _) = ours.encode_batch(["the film runs"])[0]
    assert (ours.decode(ids), ours.special.unk in ids) == ("the film runs", False)
    assert {file.name for file in (tmp_path / "into").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda: sentencepiece_model(model_type="bpe"), "is a SentencePiece model of type BPE"),
        (lambda: b"", "has no pieces"),
        (lambda: b"\xff\xff\xff", "transformers cannot read sentencepiece.bpe.model of"),
    ],
)
def test_what_is_no_such_model_is_named(tmp_path, model, says):
    given_ = write(tmp_path / "given", {**BERT, FILE: model()})
    with pytest.raises(SourceError, match=says) as caught:
        fetched(given_, tmp_path / "into")
    assert str(given_) in caught.value.message


def test_a_vocabulary_that_is_half_there_is_passed_over(tmp_path):
    family_bases.xlm_roberta(tmp_path / "given", [])
    config = json.loads((tmp_path / "given/config.json").read_text())
    (tmp_path / "given/config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
    (tmp_path / "given/vocab.json").write_text("{}")
    assert fetched(tmp_path / "given", tmp_path / "into").template == Template(2, 0)
    assert not (tmp_path / "into/vocab.json").exists()


def test_what_would_do_is_said_where_there_is_none(tmp_path):
    family_bases.xlm_roberta(tmp_path / "given", [])
    (tmp_path / "given" / FILE).unlink()
    with pytest.raises(SourceError, match=r"has no tokenizer\.json") as caught:
        fetched(tmp_path / "given", tmp_path / "into")
    wanted = "It needs tokenizer.json, sentencepiece.bpe.model or vocab.json and merges.txt beside"
    assert wanted in caught.value.fix


@settings(max_examples=40)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_a_vocabulary_with_entries_that_were_added_is_read_as_transformers_reads_it(older, texts):
    ours, theirs = older
    got = ours.encode_batch(texts, max_length=1 << 20)
    assert [ids for ids, _ in got] == theirs(texts)["input_ids"]


@pytest.fixture(scope="module", params=["roberta", "bert"])
def older(request, tmp_path_factory):
    """A checkpoint of before there was a tokenizer.json: ours, and transformers' of the same folder."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("older")
    given_ = folder / "given"
    if request.param == "roberta":
        family_bases.roberta(given_, ["the film runs and runs"])
        family_bases.without_tokenizer_file(given_)
        size = len(json.loads((given_ / "vocab.json").read_text()))
    else:
        words = [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "the",
            "film",
            "run",
            "##s",
            "e",
            "日",
        ]
        write(given_, {**BERT, "vocab.txt": "\n".join(words).encode()})
        size = len(words)
    (given_ / "added_tokens.json").write_text(json.dumps({"<tag>": size, "<sep2>": size + 1}))
    marks = {"additional_special_tokens": ["<sep2>"]}
    (given_ / "special_tokens_map.json").write_text(json.dumps(marks))
    ours = fetched(given_, folder / "into")
    assert ours.vocab_size == size + 2
    return ours, AutoTokenizer.from_pretrained(given_, local_files_only=True)
