"""BPE over bytes, Unigram, and WordPiece with RoBERTa's marks: transformers' ids for every string."""

import json
from types import SimpleNamespace
from unittest import mock

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.spec import Task
from bertworks.text import boundaries
from bertworks.text.encode import encode, encode_corpus
from bertworks.text.marks import Template
from bertworks.text.tokenizer import Tokenizer
from tests.helpers.tokenizer_kinds import KINDS, made, written

PARTS = [
    " ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\x85", "\u2028", "\u200b", "\x1c", "▁",
    "<mask>", "<s>", "</s>", "<pad>", "<unk>", "<MASK>", "[UNK]", "[MASK]", "[SEP]", "<ma", "sk>",
    "the", "The", "runs", "film", "films", "日本", "の", "é", "e\u0301", "\u0301", "ß", "ﬁ", "İ",
    "👩‍👩‍👧", "\x00", "\ufffd", "𠀀", "ｆｕｌｌ", "a" * 101, "...", "don't", "'s", "##ing", "#", "\x1b",
    "\u202e", "\U0010ffff", "한국어", "हिन्दी", "\u1100\u1161", "\u0600", "\u0d4e", "¨", "ﱞ", "Ġ", "½",
]  # fmt: skip
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TEXT = UNICODE | st.lists(st.sampled_from(PARTS), max_size=24).map("".join)
PROPERTY = settings(deadline=None, max_examples=80)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory):
    """Ours, transformers', and transformers' for words."""
    folder = tmp_path_factory.mktemp("tokenizer")
    theirs = written(request.param, folder)
    spaced = made(request.param, add_prefix_space=True) if "bytes" in request.param else theirs
    return SimpleNamespace(
        kind=request.param, ours=Tokenizer.load(folder), theirs=theirs, of_words=spaced
    )


@PROPERTY
@given(texts=st.lists(TEXT, min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_ids_of_texts_are_transformers_ids(both, texts, max_length):
    wanted = both.theirs(texts, truncation=True, max_length=max_length)["input_ids"]
    got = both.ours.encode_batch(texts, max_length=max_length)
    assert [ids for ids, _ in got] == wanted
    assert all(types == [0] * len(ids) for ids, types in got)


@PROPERTY
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_ids_of_pairs_are_transformers_ids(both, pairs, max_length):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    wanted = both.theirs(first, second, truncation=True, max_length=max_length)["input_ids"]
    got = both.ours.encode_batch(first, second, max_length)
    assert [ids for ids, _ in got] == wanted
    assert all(types == [0] * len(ids) for ids, types in got)


@PROPERTY
@given(row=st.lists(TEXT, max_size=8), max_length=st.integers(8, 40))
def test_ids_of_words_are_transformers_ids(both, row, max_length):
    wanted = both.of_words([row], is_split_into_words=True, truncation=True, max_length=max_length)
    ids, words = both.ours.encode_words_batch([row], max_length)[0]
    assert ids == wanted["input_ids"][0]
    assert words == [-1 if word is None else word for word in wanted.word_ids(0)]


@PROPERTY
@given(texts=st.lists(TEXT, min_size=1, max_size=4), max_length=st.integers(8, 40))
def test_reading_part_by_part_gives_the_same_ids(both, texts, max_length):
    ours = both.ours
    whole = ours._pieces(texts)
    rows = [text.split(" ") for text in texts] + [[text] for text in texts]
    small = {"CHARACTERS_A_PIECE": 1, "SHORTEST_PART": 1, "TOGETHER": 20}
    wanted = [ours.assemble(ids, None, max_length) for ids in whole]
    pair = ours.assemble(whole[0], whole[-1], max_length)
    words = [ours.mark_words(*row, max_length) for row in ours._pieces_of_words(rows)]
    with mock.patch.multiple(boundaries, **small):
        assert ours.encode_batch(texts, max_length=max_length) == wanted
        assert ours.encode_batch(texts[:1], texts[-1:], max_length) == [pair]
        assert ours.encode_words_batch(rows, max_length) == words


@PROPERTY
@given(texts=st.lists(TEXT, min_size=1, max_size=5), max_length=st.integers(8, 40))
def test_columns_get_the_ids_of_rows(both, texts, max_length):
    ours, turned = both.ours, texts[::-1]
    one = pa.RecordBatch.from_pydict({"id": texts, "text": texts, "label": texts})
    rows, _ = encode(Task(max_length=max_length), ours, one)
    wanted = ours.encode_batch(texts, max_length=max_length)
    assert rows["input_ids"].to_pylist() == [ids for ids, _ in wanted]
    two = pa.RecordBatch.from_pydict(
        {"id": texts, "text_a": texts, "text_b": turned, "label": texts}
    )
    rows, counts = encode(Task(pair=True, max_length=max_length), ours, two)
    wanted = ours.encode_batch(texts, turned, max_length)
    whole = ours.encode_batch(texts, turned, 1 << 20)
    assert rows["input_ids"].to_pylist() == [ids for ids, _ in wanted]
    assert rows["type_ids"].to_pylist() == [types for _, types in wanted]
    assert counts["truncated"] == sum(len(ids) > max_length for ids, _ in whole)
    lists = [texts, turned]
    pieces, words = ours.chunks.words(pa.array(lists, pa.list_(pa.string())))
    expected = ours.pieces_of_words_batch(lists)
    assert pieces.lists().to_pylist() == [ids for ids, _ in expected]
    assert words.lists().to_pylist() == [index for _, index in expected]


@PROPERTY
@given(texts=st.lists(TEXT, min_size=1, max_size=5))
def test_a_corpus_is_numbered_word_by_word(both, texts):
    batch = pa.RecordBatch.from_pydict({"id": texts, "text": texts})
    rows, _ = encode_corpus(both.ours, batch)
    wanted = both.ours.pieces_and_words_batch(texts)
    assert rows["input_ids"].to_pylist() == [ids for ids, _ in wanted]
    assert rows["words"].to_pylist() == [words for _, words in wanted]
    for ids, words in wanted:
        assert len(ids) == len(words) and words == sorted(words)
        assert not words or set(words) == set(range(words[-1] + 1))


def test_words_are_what_a_reader_takes_for_words(both):
    ((ids, words),) = both.ours.pieces_and_words_batch(["the runs, films"])
    pieces = [both.ours.token(one).replace("▁", "Ġ").replace("##", "") for one in ids]
    joined = ["".join(pieces[at] for at in range(len(ids)) if words[at] == word)
              for word in range(max(words) + 1)]  # fmt: skip
    assert [word.strip("Ġ") for word in joined if word != "Ġ"] == ["the", "runs", ",", "films"]


def test_pieces_of_scripts_without_spaces_are_words_of_their_own():
    ours = Tokenizer(made("unigram").backend_tokenizer)
    ((ids, words),) = ours.pieces_and_words_batch(["日本の映画はとても良い"])
    assert len(set(words)) >= len(ids) - 1 > 2
    ours = Tokenizer(made("bytes").backend_tokenizer)
    ((ids, words),) = ours.pieces_and_words_batch(["é本日"])
    assert [ours.token(one) for one in ids] == ["Ã", "©", "æ", "ľ", "¬", "æĹ¥"]
    assert words == [0, 0, 0, 0, 0, 1]


def test_marks_and_template_are_the_files(both):
    special = both.ours.special
    theirs = both.theirs
    assert tuple(special) == (
        theirs.pad_token_id, theirs.unk_token_id, theirs.cls_token_id, theirs.sep_token_id,
        theirs.mask_token_id,
    )  # fmt: skip
    assert special.pad == 1
    assert both.ours.template == Template(seps=2, second_type=0)


def test_what_is_saved_is_read_alike_by_transformers(both, tmp_path):
    from transformers import AutoTokenizer

    both.ours.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    read = AutoTokenizer.from_pretrained(tmp_path)
    texts = ["the runs <mask> film", "日本 don't  e\u0301\n", "<s> the"]
    assert read(texts)["input_ids"] == both.theirs(texts)["input_ids"]
    assert read("a", "b") == both.theirs("a", "b")
    assert (read.pad_token_id, read.mask_token_id) == (1, both.theirs.mask_token_id)


@pytest.mark.parametrize("kind", ["bytes", "unigram", "unigram-e5", "mpnet"])
def test_no_more_is_tokenized_than_is_kept(kind):
    ours = Tokenizer(made(kind).backend_tokenizer)
    seen = []
    encoding = ours._encode

    def watched(rows, backend, *, word_ids):
        seen.extend(sum(map(len, row)) if isinstance(row, list) else len(row) for row in rows)
        return encoding(rows, backend, word_ids=word_ids)

    text = "the runs " * 100_000
    with mock.patch.object(ours, "_encode", watched):
        ours.encode_batch([text], max_length=128)
        ours.encode_batch([text], ["the end"], 128)
        ours.encode_words_batch([[text], text.split(" ")], 128)
    assert sum(seen) < 20_000


@pytest.mark.parametrize("content", ["a b", "x\ty"])
def test_a_mark_with_a_space_forbids_to_cut_there(content):
    for kind in ("bytes", "unigram", "unigram-e5"):
        backend = made(kind).backend_tokenizer
        assert boundaries.boundary(backend) is not None
        backend.add_tokens([tokenizers.AddedToken(content, normalized=False)])
        assert boundaries.boundary(backend) is None
