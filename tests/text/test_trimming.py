"""Trimmed vocabularies: what is kept, and that kept pieces come out as before."""

import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from bertworks.text import trimming
from bertworks.text.tokenizer import Tokenizer

ENGLISH = ["a warm, clever and moving film", "the plot is thin; the cast saves it", "dull and slow"]
GERMAN = ["ein warmer und kluger Film", "die Handlung ist dünn, das Ensemble rettet sie"]
CHINESE = ["这部电影很感人", "剧情单薄,演员不错", "又长又无聊"]
RUSSIAN = ["тёплый и умный фильм", "сюжет слабый, актёры спасают"]
EVERY = [*ENGLISH, *GERMAN, *CHINESE, *RUSSIAN]


def unigram():
    """Words, their halves and characters, each less likely than the one before (no trainer's luck)."""
    words = sorted({word for text in EVERY for word in text.split()})
    halves = sorted({half for word in words for half in (word[:3], word[3:]) if len(half) > 1})
    characters = sorted({one for word in words for one in word})
    pieces = dict.fromkeys(["▁", *(f"▁{word}" for word in words), *halves, *characters, "qqq"])
    marks = [(mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")]
    scored = [(piece, -2.0 - place / 20) for place, piece in enumerate(pieces)]
    backend = tokenizers.Tokenizer(models.Unigram([*marks, *scored], unk_id=3))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )  # fmt: skip
    return json.loads(backend.to_str())


def wordpiece():
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=marks, show_progress=False)
    backend.train_from_iterator(EVERY * 3, trainer)
    backend.post_processor = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    return json.loads(backend.to_str())


WHOLE = {"Unigram": unigram(), "WordPiece": wordpiece()}
UNKNOWN = {"Unigram": "<unk>", "WordPiece": "[UNK]"}
KINDS = pytest.mark.parametrize("kind", WHOLE)


def cut(kind, texts, filled=0):
    kept = trimming.needed_ids(WHOLE[kind], texts, filled)
    return kept, trimming.trimmed(WHOLE[kind], kept)


def pieces(content, text):
    return tokenizers.Tokenizer.from_str(json.dumps(content)).encode(text).tokens


def knows_not(content, text):
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    return backend.token_to_id(UNKNOWN[content["model"]["type"]]) in backend.encode(text).ids


def entries(content):
    return {*tokenizers.Tokenizer.from_str(json.dumps(content)).get_vocab()}


@KINDS
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, [*GERMAN, *RUSSIAN]])
def test_the_texts_it_was_cut_for_are_split_as_before(kind, texts):
    kept, small = cut(kind, texts)
    assert len(kept) < trimming.size_of(WHOLE[kind])
    for text in texts:
        assert pieces(small, text) == pieces(WHOLE[kind], text)


@KINDS
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_text_whose_pieces_were_all_kept_is_split_as_before(kind, data):
    """Words of all the languages and characters of any, in any order, by a cut for some of the texts."""
    texts = data.draw(st.lists(st.sampled_from(EVERY), min_size=1, max_size=4, unique=True))
    words = sorted({word for text in EVERY for word in text.split()})
    some = st.one_of(st.sampled_from(words), st.text(max_size=4))
    text = data.draw(st.lists(some, max_size=8).map(" ".join))
    kept, small = cut(kind, texts)
    whole = tokenizers.Tokenizer.from_str(json.dumps(WHOLE[kind])).encode(text)
    if not {*whole.ids} <= {*kept}:
        return
    if kind == "WordPiece" and "[UNK]" in whole.tokens:
        return  # a word that the larger one gives up on may be known with fewer pieces
    own = tokenizers.Tokenizer.from_str(json.dumps(small)).encode(text)
    assert own.tokens == whole.tokens
    assert [kept[number] for number in own.ids] == whole.ids  # the rows of the embeddings agree


@KINDS
def test_characters_of_the_texts_scripts_are_kept_and_others_not(kind):
    _, small = cut(kind, CHINESE)
    every = {one for text in CHINESE for one in text} - {","}
    marked = {"", "▁", "##"}
    here = entries(small)
    for one in every & {piece for piece in entries(WHOLE[kind]) if len(piece) == 1}:
        assert one in here
    assert not {mark + one for mark in marked for one in "фждй"} & here


@KINDS
def test_other_pieces_of_the_scripts_fill_it_up(kind):
    _, least = cut(kind, ENGLISH)
    _, filled = cut(kind, ENGLISH, 10_000)
    more = entries(filled) - entries(least)
    assert more
    assert all(
        trimming.script_of(one) in ("", "LATIN", "COMBINING") for piece in more for one in piece
    )


@KINDS
def test_marks_are_numbered_anew_wherever_they_stand(kind):
    _, small = cut(kind, ENGLISH)
    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(small)))
    whole = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(WHOLE[kind])))
    assert tokenizer.template == whole.template
    for mark, old in zip(tokenizer.special, whole.special, strict=True):
        assert tokenizer.token(mark) == whole.token(old)
    assert tokenizer.vocab_size == len(entries(small))


@KINDS
def test_what_it_costs_is_counted(kind):
    _, small = cut(kind, ENGLISH)
    words = {"film": 3, "сюжет": 2, "☃": 1, "warmer": 4}
    found = trimming.split_longer(WHOLE[kind], small, words)
    old, new = (len(pieces(content, "warmer")) for content in (WHOLE[kind], small))
    assert not knows_not(WHOLE[kind], "сюжет")
    assert knows_not(small, "сюжет")
    assert found.words == 10
    assert found.unknown == 2  # not the snowman, which was unknown before
    assert found.longer == (4 if new > old else 0)


def test_a_clause_without_spaces_counts_as_its_pieces_not_as_one_word():
    """In 500 Chinese rows a fifth of the clauses has some piece that trimming left out, of ten each."""
    whole = unigram()
    small = json.loads(json.dumps(whole))
    small["model"]["vocab"] = [one for one in whole["model"]["vocab"] if one[0] != "这部电"]
    clause, other = "这部电又长又", "又长又"
    assert pieces(whole, clause)[1:-1] == ["▁", "这部电", "又长又"]
    assert len(pieces(small, clause)) > len(pieces(whole, clause))
    found = trimming.split_longer(whole, small, {clause: 4, other: 1})
    assert found == trimming.Splitting(words=3 * 4 + 2, unknown=0, longer=4)


def test_scripts_are_told_by_share():
    letters = {"a": 990, "б": 5, "中": 5, "1": 10**6}
    assert trimming.common_scripts(letters) == {"", "LATIN"}
    assert trimming.common_scripts({**letters, "中": 50}) == {"", "LATIN", "CJK"}
