"""Whole columns get the backend's ids, whatever stands in them and however full the table is."""

from __future__ import annotations

import string
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.errors import DataError
from bertworks.spec import Task
from bertworks.tasks.forms.batches import longest_first_batch
from bertworks.text import chunks
from bertworks.text.chunks import Chunks
from bertworks.text.encode import encode, encode_corpus
from bertworks.text.ragged import Ragged, ends, join
from bertworks.text.tokenizer import Tokenizer, longest_first

WORDS = [
    "the",
    "un",
    "##aff",
    "##able",
    "runs",
    "##ing",
    "é",
    "naïve",
    "straße",
    "日",
    "本",
    "Ж",
    "σ",
]
SPACES = [" ", "  ", "\t", "\n", "\r", "\u00a0", "\u3000", "\x85", "\u2028", "\x0b", "\x1c"]
PARTS = [
    *SPACES, *SPACES[:2] * 8,
    "[MASK]", "[SEP]", "[CLS]", "[UNK]", "[PAD]", "[mask]", "[MA", "SK]", "the", "The", "unaffable",
    "runs", "日本", "é", "e\u0301", "\u0301", "\u0345", "ß", "ﬁ", "İ", "ΑΣ", "👩‍👩‍👧", "\x00",
    "\u200b", "𠀀", "ｆｕｌｌ", "a" * 101, "...", "don't", "##ing", "#", "##", "\x1b", "\u202e",
    "\U0010ffff", "한국어", "हिन्दी", "\ufb1d", "\u1100\u1161",
]  # fmt: skip
# What Arrow and the backend can hold: no lone surrogates.
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TEXT = UNICODE | st.lists(st.sampled_from(PARTS), max_size=24).map("".join)
PROPERTY = settings(deadline=None, max_examples=200)


def _backend(lowercase: bool = True) -> tokenizers.Tokenizer:
    letters = string.ascii_letters + string.digits + string.punctuation
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *WORDS]
    entries += [f"##{letter}" for letter in string.ascii_letters + string.digits]
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys(entries))}
    made = tokenizers.BertWordPieceTokenizer(vocab=vocabulary, lowercase=lowercase)
    return tokenizers.Tokenizer.from_str(made.to_str())


TOKENIZERS = {name: Tokenizer(_backend(name == "uncased")) for name in ("uncased", "cased")}
kinds = pytest.mark.parametrize("kind", TOKENIZERS)


@kinds
@PROPERTY
@given(texts=st.lists(TEXT, max_size=6))
def test_texts_get_the_backends_ids(kind: str, texts: list[str]) -> None:
    tokenizer = TOKENIZERS[kind]
    column = pa.array(texts, pa.string())
    assert tokenizer.chunks.texts(column).lists().to_pylist() == tokenizer.pieces_batch(texts)
    pieces, words = tokenizer.chunks.texts_and_words(column)
    wanted = tokenizer.pieces_and_words_batch(texts)
    assert pieces.lists().to_pylist() == [ids for ids, _ in wanted]
    assert words.lists().to_pylist() == [index for _, index in wanted]


@kinds
@PROPERTY
@given(rows=st.lists(st.lists(TEXT, max_size=6), max_size=4))
def test_words_get_the_backends_ids(kind: str, rows: list[list[str]]) -> None:
    tokenizer = TOKENIZERS[kind]
    pieces, words = tokenizer.chunks.words(pa.array(rows, pa.list_(pa.string())))
    wanted = tokenizer.pieces_of_words_batch(rows)
    assert pieces.lists().to_pylist() == [ids for ids, _ in wanted]
    assert words.lists().to_pylist() == [index for _, index in wanted]


@PROPERTY
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_rows_are_those_of_serving(pairs: list[tuple[str, str]], max_length: int) -> None:
    tokenizer = TOKENIZERS["uncased"]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    for pair in (True, False):
        texts = {"text_a": first, "text_b": second} if pair else {"text": first}
        batch = pa.RecordBatch.from_pydict({"id": first, **texts, "label": first})
        rows, counts = encode(Task(pair=pair, max_length=max_length), tokenizer, batch)
        wanted = tokenizer.encode_batch(first, second if pair else None, max_length)
        whole = tokenizer.encode_batch(first, second if pair else None, 1 << 20)
        assert rows["input_ids"].to_pylist() == [ids for ids, _ in wanted]
        assert rows["length"].to_pylist() == [len(ids) for ids, _ in wanted]
        assert counts["truncated"] == sum(len(ids) > max_length for ids, _ in whole)
        if pair:
            assert rows["type_ids"].to_pylist() == [types for _, types in wanted]


@given(
    first=st.lists(st.integers(0, 40), min_size=1, max_size=9),
    second=st.integers(0, 40),
    limit=st.integers(1, 50),
)
def test_longest_first_of_many_is_that_of_each(first: list[int], second: int, limit: int) -> None:
    others = np.full(len(first), second)
    kept = longest_first_batch(np.array(first), others, limit)
    pairs = list(zip(*(part.tolist() for part in kept), strict=True))
    assert pairs == [longest_first(size, second, limit) for size in first]


def test_a_full_table_is_emptied_and_the_ids_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MOST_CHUNKS", 5)
    tokenizer = Tokenizer(_backend())
    texts = [f"the {letter} runs {letter}able unaffable" for letter in string.ascii_lowercase]
    wanted = tokenizer.pieces_batch(texts)
    for size in (1, 3, 26):
        for start in range(0, len(texts), size):
            column = pa.array(texts[start : start + size])
            got = tokenizer.chunks.texts(column).lists().to_pylist()
            assert got == wanted[start : start + size]
            # What a batch itself needs always fits.
            assert len(tokenizer.chunks._numbers) <= max(5, 3 + 2 * size)


def test_long_chunks_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MOST_CHARACTERS", 1000)
    tokenizer = Tokenizer(_backend())
    for number in range(20):
        texts = [f"{number}{'x' * 400}"]
        got = tokenizer.chunks.texts(pa.array(texts)).lists().to_pylist()
        assert got == tokenizer.pieces_batch(texts)
        assert sum(map(len, tokenizer.chunks._numbers)) <= 1000 + 2 * 402


def test_threads_share_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MOST_CHUNKS", 40)
    tokenizer = Tokenizer(_backend())
    texts = [[f"the {a}{b} runs" for b in string.ascii_lowercase] for a in string.ascii_lowercase]
    wanted = [tokenizer.pieces_batch(part) for part in texts]

    def look_up(part: list[str]) -> Any:
        return tokenizer.chunks.texts(pa.array(part)).lists().to_pylist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look_up, texts * 4)) == wanted * 4


@pytest.mark.parametrize(
    "mark",
    [
        tokenizers.AddedToken("two words", normalized=False),
        tokenizers.AddedToken("<x>", rstrip=True, normalized=False),
        tokenizers.AddedToken("<x>", single_word=True, normalized=False),
        tokenizers.AddedToken("<x>", normalized=True),
        tokenizers.AddedToken("##x", normalized=False),
    ],
)
def test_other_marks_are_left_to_the_backend(mark: tokenizers.AddedToken) -> None:
    backend = _backend()
    backend.add_tokens([mark])
    tokenizer = Tokenizer(backend)
    texts = ["the two words <x>runs", " <X> the##x <x> ##x", "", "two  words"]
    pieces, words = tokenizer.chunks.texts_and_words(pa.array(texts))
    wanted = tokenizer.pieces_and_words_batch(texts)
    assert not tokenizer.chunks._spaces_part
    assert tokenizer.chunks.texts(pa.array(texts)).lists().to_pylist() == [ids for ids, _ in wanted]
    assert pieces.lists().to_pylist() == [ids for ids, _ in wanted]
    assert words.lists().to_pylist() == [index for _, index in wanted]


def test_slices_and_empty_columns() -> None:
    tokenizer = TOKENIZERS["uncased"]
    texts = ["the", "", "runs the", "   ", "un able"]
    sliced = pa.array(texts).slice(1, 3)
    got = tokenizer.chunks.texts(sliced).lists().to_pylist()
    assert got == tokenizer.pieces_batch(texts[1:4])
    rows = [["the"], [], ["runs", "the"]]
    pieces, words = tokenizer.chunks.words(pa.array(rows).slice(1))
    assert words.lists().to_pylist() == [[], [0, 1]]
    assert pieces.lengths.tolist() == [0, 2]
    nothing = pa.RecordBatch.from_pydict(
        {"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}
    )
    encoded, counts = encode_corpus(tokenizer, nothing)
    assert encoded.num_rows == counts["tokens"] == 0


def test_nulls_are_refused() -> None:
    tokenizer = TOKENIZERS["uncased"]
    with pytest.raises(DataError, match="must be a string. Received: null in 1 of 2 places"):
        tokenizer.chunks.texts(pa.array(["a", None]))
    with pytest.raises(DataError, match="must be a string"):
        tokenizer.chunks.words(pa.array([["a", None]]))


def test_chunks_are_tokenized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Chunks(_backend())
    asked: list[str] = []
    tokenize = table._tokenize
    monkeypatch.setattr(table, "_tokenize", lambda new: (asked.extend(new), tokenize(new))[1])
    for _ in range(2):
        table.texts(pa.array(["the un the", "runs the"]))
    assert sorted(asked) == ["runs", "the", "un"]


def test_ragged_rows_are_taken_cut_and_joined() -> None:
    rows = Ragged(np.arange(6, dtype=np.int32), ends(np.array([3, 0, 2, 1])))
    assert rows.take(np.array([2, 0, 1])).lists().to_pylist() == [[3, 4], [0, 1, 2], []]
    assert rows.cut(np.array([1, 0, 2, 0])).lists().to_pylist() == [[0], [], [3, 4], []]
    joined = join([9, rows, 8, rows]).lists().to_pylist()
    assert joined == [[9, 0, 1, 2, 8, 0, 1, 2], [9, 8], [9, 3, 4, 8, 3, 4], [9, 5, 8, 5]]
