"""Tokenizing that stops when it has enough gives the ids of tokenizing all and cutting."""

import sys
from pathlib import Path
from unittest import mock

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.text import boundaries
from bertworks.text.tokenizer import Tokenizer

sys.path.insert(0, str(Path(__file__).parent))
from test_chunks import PARTS, TOKENIZERS, UNICODE, _backend

MARKED = [
    *PARTS,
    ".",
    "[",
    "]",
    "中",
    "国",
    "\ud800",
    "豈",
    "\u3099",
    "=\u0338",
    "a.b",
    "-",
    "\t中",
]
TEXT = UNICODE | st.lists(st.sampled_from(MARKED), max_size=60).map("".join)
PROPERTY = settings(deadline=None, max_examples=100)
kinds = pytest.mark.parametrize("kind", TOKENIZERS)


def small_parts():
    """So small that nearly every text is read in many parts."""
    return mock.patch.multiple(boundaries, CHARACTERS_A_PIECE=1, SHORTEST_PART=1, TOGETHER=20)


@kinds
@PROPERTY
@given(texts=st.lists(TEXT, max_size=5), max_length=st.integers(3, 30))
def test_texts(kind, texts, max_length):
    tokenizer = TOKENIZERS[kind]
    wanted = [tokenizer.assemble(ids, None, max_length) for ids in tokenizer._pieces(texts)]
    with small_parts():
        assert tokenizer.encode_batch(texts, None, max_length) == wanted


@kinds
@PROPERTY
@given(pairs=st.lists(st.tuples(TEXT, TEXT), max_size=4), max_length=st.integers(4, 24))
def test_pairs(kind, pairs, max_length):
    tokenizer = TOKENIZERS[kind]
    firsts, seconds = [a for a, _ in pairs], [b for _, b in pairs]
    whole = list(zip(tokenizer._pieces(firsts), tokenizer._pieces(seconds), strict=True))
    wanted = [tokenizer.assemble(first, second, max_length) for first, second in whole]
    with small_parts():
        assert tokenizer.encode_batch(firsts, seconds, max_length) == wanted
        some = tokenizer.pieces_of_pairs(firsts, seconds, max_length - 3)
    for (first, second), (one, other) in zip(whole, some, strict=True):
        more = len(first) + len(second) > max_length - 3
        assert more == (len(one) + len(other) > max_length - 3)


@kinds
@PROPERTY
@given(rows=st.lists(st.lists(TEXT, max_size=6), max_size=4), max_length=st.integers(3, 30))
def test_words(kind, rows, max_length):
    tokenizer = TOKENIZERS[kind]
    wanted = [
        tokenizer.mark_words(ids, words, max_length)
        for ids, words in tokenizer._pieces_of_words(rows)
    ]
    with small_parts():
        assert tokenizer.encode_words_batch(rows, max_length) == wanted


@pytest.mark.parametrize("first", [0, 5, 12, 13, 14, 30, 31, 100])
@pytest.mark.parametrize("second", [0, 5, 12, 13, 14, 30, 31, 100])
def test_pairs_of_every_length(first, second):
    tokenizer = TOKENIZERS["uncased"]
    texts = "the " * first, "runs. " * (second // 2)
    pieces = tokenizer._pieces(texts)
    for max_length in (28, 29):
        with small_parts():
            (found,) = tokenizer.encode_batch([texts[0]], [texts[1]], max_length)
        assert found == tokenizer.assemble(pieces[0], pieces[1], max_length)


@pytest.mark.parametrize("text", ["the runs " * 100_000, "日本" * 200_000, "a.b," * 100_000])
def test_no_more_is_tokenized_than_is_kept(text):
    tokenizer = Tokenizer(_backend())
    seen = []

    def encode(texts):
        seen.extend(map(len, texts))
        return tokenizer._pieces(texts)

    def encode_words(rows):
        seen.extend(len(word) for row in rows for word in row)
        return tokenizer._pieces_of_words(rows)

    prefixes = boundaries.Prefixes(boundaries.boundary(_backend()), encode, encode_words)
    prefixes.of_texts([text], 126)
    prefixes.of_pairs([text], ["the end"], 125)
    prefixes.of_pairs([text], [text], 126)
    prefixes.of_words([[text], text.split(" "), list(text)], 126)
    assert sum(seen) < 20_000


def test_texts_are_handed_over_some_at_a_time():
    seen = []

    def encode(texts):
        seen.append(sum(map(len, texts)))
        return [[1] for _ in texts]

    prefixes = boundaries.Prefixes(None, encode, lambda rows: [])
    prefixes.of_texts(["a" * 100_000] * 40, 126)
    assert sum(seen) == 4_000_000 and max(seen) <= boundaries.TOGETHER


def test_another_tokenizers_texts_are_taken_whole():
    backend = _backend()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    assert boundaries.boundary(backend) is None
    backend = _backend()
    backend.add_tokens([tokenizers.AddedToken("a.b c", normalized=False)])
    assert boundaries.boundary(backend) is None
    backend = _backend()
    backend.add_tokens([tokenizers.AddedToken("a.b", normalized=False)])
    assert not boundaries.boundary(backend).match(".")
