"""The tokenizer gives transformers' ids for every string."""

from __future__ import annotations

import json
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertworks.errors import ArtifactError, DataError
from bertworks.text.tokenizer import Tokenizer, longest_first
from bertworks.text.wordpiece import train

WORDS = ["the", "un", "##aff", "##able", "runs", "##ing", "é", "naïve", "straße", "日", "本", "Ж"]

TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["[MASK]", "[SEP]", "[CLS]", "[UNK]", "[PAD]", "[mask]", "the", "The",
             "unaffable", "日本", "é", "e\u0301", "ß", "ﬁ", "İ",
             "👩‍👩‍👧", "\x00", "\ufffd", "\u200b", "\t", "\n", " ",
             "\u00a0", "\u3000", "\x85", "\u2028", "𠀀", "ｆｕｌｌ", "a" * 101, "...",
             "don't", "##ing", "\x1b", "\u202e", "\U0010ffff", "한국어", "हिन्दी", "I", "ͅ"]
        ),
        max_size=12,
    ).map("".join),
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")
PROPERTY = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _vocabulary() -> dict[str, int]:
    letters = string.ascii_letters + string.digits + string.punctuation
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *WORDS]
    entries += [f"##{letter}" for letter in string.ascii_letters + string.digits]
    return {entry: number for number, entry in enumerate(dict.fromkeys(entries))}


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Tokenizer, Any]:
    """Ours and transformers', loaded from the same folder."""
    from transformers import AutoTokenizer, BertTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    made = BertTokenizer(vocab=_vocabulary(), do_lower_case=request.param)
    made.backend_tokenizer.save(str(folder / "tokenizer.json"))
    ours = Tokenizer.load(folder)
    model = tmp_path_factory.mktemp("model")
    ours.save(model)
    (model / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return ours, AutoTokenizer.from_pretrained(model)


@PROPERTY
@given(texts=st.lists(TEXT, min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_ids_of_texts_are_transformers_ids(
    both: tuple[Tokenizer, Any], texts: list[str], max_length: int
) -> None:
    ours, theirs = both
    wanted = theirs(texts, truncation=True, max_length=max_length)
    got = ours.encode_batch(texts, max_length=max_length)
    assert [ids for ids, _ in got] == wanted["input_ids"]
    assert [types for _, types in got] == wanted["token_type_ids"]


@PROPERTY
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_ids_of_pairs_are_transformers_ids(
    both: tuple[Tokenizer, Any], pairs: list[tuple[str, str]], max_length: int
) -> None:
    ours, theirs = both
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    wanted = theirs(first, second, truncation=True, max_length=max_length)
    got = ours.encode_batch(first, second, max_length)
    assert [ids for ids, _ in got] == wanted["input_ids"]
    assert [types for _, types in got] == wanted["token_type_ids"]


@PROPERTY
@given(row=st.lists(TEXT, max_size=8), max_length=st.integers(8, 40))
def test_ids_of_words_are_transformers_ids(
    both: tuple[Tokenizer, Any], row: list[str], max_length: int
) -> None:
    ours, theirs = both
    wanted = theirs([row], is_split_into_words=True, truncation=True, max_length=max_length)
    ids, words = ours.encode_words_batch([row], max_length)[0]
    assert ids == wanted["input_ids"][0]
    assert words == [-1 if word is None else word for word in wanted.word_ids(0)]


@PROPERTY
@given(text=TEXT)
def test_text_whole_and_text_with_words_agree(both: tuple[Tokenizer, Any], text: str) -> None:
    ours, _ = both
    ids, words = ours.pieces_and_words_batch([text])[0]
    assert [ids] == ours.pieces_batch([text])
    assert len(words) == len(ids)
    assert words == sorted(words)


@given(first=st.integers(0, 40), second=st.integers(0, 40), limit=st.integers(1, 50))
def test_longest_first_fills_the_limit(first: int, second: int, limit: int) -> None:
    kept_first, kept_second = longest_first(first, second, limit)
    assert kept_first <= first and kept_second <= second
    assert kept_first + kept_second == min(first + second, limit)


def test_settings_of_the_file_are_ignored(both: tuple[Tokenizer, Any], tmp_path: Path) -> None:
    ours, _ = both
    ours.save(tmp_path)
    backend = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=16)
    backend.save(str(tmp_path / "tokenizer.json"))
    text = "the cat runs and runs and runs"
    assert Tokenizer.load(tmp_path).encode_batch([text]) == ours.encode_batch([text])


def test_lone_surrogates_are_dropped(both: tuple[Tokenizer, Any]) -> None:
    ours, _ = both
    assert ours.encode_batch(["the \ud800cat"]) == ours.encode_batch(["the cat"])
    broken, whole = (ours.encode_words_batch([["the", word]]) for word in ("\udfffcat", "cat"))
    assert broken == whole


def test_what_is_not_a_string_is_refused(both: tuple[Tokenizer, Any]) -> None:
    with pytest.raises(DataError, match="must be a string. Received: int 7"):
        both[0].encode_batch(["a", 7])  # type: ignore[list-item]
    with pytest.raises(DataError, match="as many second texts"):
        both[0].encode_batch(["a", "b"], ["c"])


def test_no_rows_give_no_rows(both: tuple[Tokenizer, Any]) -> None:
    assert both[0].encode_batch([]) == []
    assert both[0].encode_words_batch([[]]) == [([2, 3], [-1, -1])]


def test_decode_joins_pieces(both: tuple[Tokenizer, Any]) -> None:
    ours, _ = both
    ids, _ = ours.encode_batch(["unaffable the"])[0]
    assert ours.decode(ids) == "unaffable the"
    assert ours.decode(ids, keep_marks=True) == "[CLS] unaffable the [SEP]"


def test_vocabulary_size_and_marks(both: tuple[Tokenizer, Any]) -> None:
    assert both[0].vocab_size == len(_vocabulary())
    assert tuple(both[0].special) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("{", "cannot be read as a tokenizer"),
        ("{}", "cannot be read as a tokenizer"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ArtifactError, match=message) as caught:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    with pytest.raises(ArtifactError, match=r"lacks the marks \[PAD\], \[CLS\], \[SEP\], \[MASK\]"):
        Tokenizer(backend)
    backend = train(["some text"], 100, True)
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 3)]
    )
    with pytest.raises(ArtifactError, match="does not put its marks as BERT does"):
        Tokenizer(backend)


def test_import_is_light() -> None:
    code = (
        "import sys, bertworks.text.tokenizer\n"
        "print([m for m in ('tensorflow', 'transformers', 'apache_beam', 'pyarrow', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
