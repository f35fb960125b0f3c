"""The base by what the rows are: its language, and the vocabulary that they need."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from bertworks.data.sources import choice, trimming
from bertworks.errors import SourceError, SpecError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import WORDS, all_shapes, initialize
from bertworks.models.weights import load_folder, read_tensors, save_folder
from bertworks.spec import Base, bases
from bertworks.spec.bases import CATALOGUE, KnownBase, Pinned, for_languages
from bertworks.storage.artifacts import open_artifact
from bertworks.text.tokenizer import Tokenizer as OurTokenizer

ENGLISH = [
    "a warm film and a clever one",
    "the plot is thin but the cast is not",
    "it was too long",
]
CHINESE = ["这部电影很感人", "剧情单薄但是演员不错", "又长又无聊的片子"]
SOURCES = [{"uri": "rows.csv"}]


@pytest.fixture
def several(tmp_path):
    """A tiny base of two languages, with the tokenizer of XLM-R."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=marks, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator([*ENGLISH, *CHINESE] * 5, trainer)
    backend.add_special_tokens(["<mask>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )  # fmt: skip
    size = backend.get_vocab_size() + 3  # rows that no entry has, as some checkpoints have
    config = EncoderConfig(size, 16, (2, 2), 8, (32, 32), max_positions=64)
    folder = tmp_path / "several"
    head = Head("encoder")
    save_folder(folder, config, initialize(all_shapes(config, head), 1), head)
    raw = {**json.loads((folder / "config.json").read_text()), "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(raw))
    backend.save(str(folder / "tokenizer.json"))
    return folder


def write_rows(tmp_path, texts):
    """Rows of two classes, ten of each text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label"])
    for number in range(20 * len(texts)):
        text = texts[number % len(texts)]
        writer.writerow([f"{text} {number}", "ab"[number % 2]])
    (tmp_path / "rows.csv").write_text(out.getvalue(), encoding="utf-8")


def test_a_base_of_several_languages_keeps_what_the_rows_need(ingest, tmp_path, several):
    write_rows(tmp_path, CHINESE)
    base = {"uri": str(several), "vocabulary": "trim", "layers": 1}
    done = ingest(SOURCES, task={"max_length": 32}, base=base)
    config, kept, raw = load_folder(done.folder / "base")
    whole, own = OurTokenizer.load(several), OurTokenizer.load(done.folder / "base")
    assert config.vocab_size == own.vocab_size < whole.vocab_size
    assert (config.num_layers, raw["pad_token_id"]) == (1, own.special.pad)
    rows = read_tensors(several / "model.safetensors")[WORDS]
    for text in CHINESE:
        before, after = (one.encode_batch([text], max_length=32)[0][0] for one in (whole, own))
        assert [whole.token(one) for one in before] == [own.token(one) for one in after]
        np.testing.assert_array_equal(rows[before], kept[WORDS][after])
    (told,) = [one.text for one in done.result.notices if "vocabulary was trimmed" in one.text]
    assert f"from {whole.vocab_size} to {own.vocab_size} entries" in told
    assert "0.00% became unknown and 0.00% are split into more pieces" in told
    assert done.result.metrics["vocabulary_kept"] == own.vocab_size / whole.vocab_size
    facts = json.loads((done.folder / "base/manifest.json").read_text())["metadata"]["trimmed"]
    assert facts["words"] > 0 and facts["after"] == own.vocab_size


def test_small_vocabularies_are_kept_unless_trimming_is_asked_for(ingest, tmp_path, several):
    write_rows(tmp_path, ENGLISH)
    done = ingest(SOURCES, task={"max_length": 32}, base={"uri": str(several)})
    original = (several / "tokenizer.json").read_bytes()
    assert (done.folder / "base/tokenizer.json").read_bytes() == original
    assert "vocabulary_kept" not in done.result.metrics


def test_a_vocabulary_is_trimmed_by_itself_where_it_is_large(
    ingest, tmp_path, several, monkeypatch
):
    monkeypatch.setattr(trimming, "LARGE", 50)
    write_rows(tmp_path, ENGLISH)
    done = ingest(SOURCES, task={"max_length": 32}, base={"uri": str(several)})
    assert done.result.metrics["vocabulary_kept"] < 1
    kept = {"uri": str(several), "vocabulary": "keep"}
    done = ingest(SOURCES, task={"max_length": 32}, base=kept, out="kept")
    assert "vocabulary_kept" not in done.result.metrics


def test_pieces_made_of_each_other_cannot_be_trimmed(ingest, tmp_path, several):
    content = json.loads((several / "tokenizer.json").read_text())
    entries = [piece for piece, _ in content["model"]["vocab"]]
    content["model"] = {
        "type": "BPE", "vocab": {piece: number for number, piece in enumerate(entries)},
        "merges": [], "unk_token": "<unk>",
    }  # fmt: skip
    (several / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(SpecError, match="tokenizer is BPE") as caught:
        trimming.trim(Base(uri="there", vocabulary="trim"), several, lambda split: [])
    assert "base.vocabulary: keep" in caught.value.fix
    assert trimming.trim(Base(uri="there"), several, lambda split: []) is None


@pytest.mark.parametrize(
    ("texts", "name", "language"),
    [
        (ENGLISH, "minilm-l6", "English"),
        (CHINESE, "e5-small", "Chinese"),
        (["der Film ist nicht gut und die Handlung ist dünn"] * 5, "e5-small", "German"),
        ([*ENGLISH, *CHINESE], "e5-small", "English and Chinese"),
        ([], "minilm-l6", "cannot be told"),
    ],
)
def test_auto_goes_by_the_language(texts, name, language):
    base, told = choice.choose(Base(name="auto", layers=2, vocabulary="keep"), texts * 30)
    assert base == Base(name=name, layers=2, vocabulary="keep")
    assert f"base: auto takes {name}" in told.text
    assert all(word in told.text for word in language.split(" and "))


NAMES = ["The plane of Anna Olsen landed in Oslo on Monday", "shares of Acme fell in Paris"]


@pytest.mark.parametrize(
    ("texts", "tags", "name"),
    [
        (NAMES, True, "e5-small"),
        (NAMES, False, "minilm-l6"),  # of what a text is about, capitals tell little
        ([text.lower() for text in NAMES], True, "minilm-l6"),
        ([text.upper() for text in NAMES], True, "minilm-l6"),
        (
            ["Show me flights", "Which is the cheapest", "Please add this one to it"],
            True,
            "minilm-l6",
        ),
        (CHINESE, True, "e5-small"),
        ([], True, "minilm-l6"),
    ],
)
def test_names_are_found_by_an_encoder_that_reads_capitals(texts, tags, name):
    base, told = choice.choose(Base(name="auto"), texts * 30, tags)
    assert base.name == name
    assert ("capitals tell names" in told.text) == (name == "e5-small" and texts is NAMES)


def test_every_set_of_languages_has_an_encoder():
    assert for_languages([]) is for_languages(["en"]) is CATALOGUE[0]
    assert for_languages(["xx"]).languages == ("many",)
    assert for_languages(["en"], cased=True).cased and not for_languages(["en"]).cased


def test_auto_is_decided_when_the_rows_are_there(ingest, tmp_path, several, monkeypatch):
    chosen = Base(uri=str(several), vocabulary="keep")
    choose = choice.choose
    seen = []

    def here(base, texts, cased):
        seen.extend(texts)
        return chosen, choose(base, seen, cased)[1]

    monkeypatch.setattr("components.ingest.step.choose", here)
    write_rows(tmp_path, CHINESE)
    done = ingest(SOURCES, task={"max_length": 32}, base={"name": "auto"})
    assert load_folder(done.folder / "base")[0].num_layers == 2
    assert {row["text"] for row in done.rows("train")} <= {*seen}
    assert any("base: auto takes e5-small" in one.text for one in done.result.notices)


def known_as(name: str, folder: Path) -> KnownBase:
    """A tiny encoder in a folder, as the catalogue has them."""
    return KnownBase(
        name, name, ("en",), 2, 16, 2, 40, 1000, "MIT", "tests", Pinned(str(folder), None)
    )  # fmt: skip


def test_other_encoders_are_fetched_for_the_search_as_far_as_they_read_the_same_tokens(
    ingest, tmp_path, several, monkeypatch
):
    write_rows(tmp_path, ENGLISH)
    twin = tmp_path / "twin"
    shutil.copytree(several, twin)
    foreign = tmp_path / "foreign"
    shutil.copytree(several, foreign)
    told = json.loads((foreign / "tokenizer.json").read_text())
    told["model"]["vocab"][-1][0] = "other"
    (foreign / "tokenizer.json").write_text(json.dumps(told))
    missing = tmp_path / "missing"
    catalogue = (known_as("twin", twin), known_as("foreign", foreign), known_as("gone", missing))
    for module in (bases, choice):
        monkeypatch.setattr(module, "CATALOGUE", catalogue)
    base = {"uri": str(several), "vocabulary": "keep"}
    done = ingest(SOURCES, task={"max_length": 32}, base=base, others="auto")
    opened = open_artifact(done.folder / "base", "base")
    assert opened.metadata["others"] == ["twin"]
    assert load_folder(opened / "others" / "twin")[0].num_layers == 2
    assert (
        not (opened / "others" / "foreign").exists() and not (opened / "others" / "gone").exists()
    )
    said = " ".join(notice.text for notice in done.result.notices)
    assert "foreign is not tried by the search: its tokenizer has other entries" in said
    assert "gone is not tried by the search" in said
    with pytest.raises(SourceError, match="missing"):
        ingest(SOURCES, task={"max_length": 32}, base=base, others=["gone"])


def test_a_search_for_accuracy_tries_no_shallower_encoder():
    texts = [
        "where is the parcel that you sent me",
        "this is not the one that I have asked for",
    ] * 9
    assert choice.alike(Base(name="minilm-l6"), texts) == ["bge-small-en"]
    assert choice.alike(Base(name="minilm-l3"), texts) == ["minilm-l6", "bge-small-en"]
    assert choice.alike(Base(name="mpnet-base"), texts) == [], "the others have other vocabularies"
    assert choice.alike(Base(name="bge-small-en"), texts) == []
