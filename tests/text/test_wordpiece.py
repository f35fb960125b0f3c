"""The vocabulary trainer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertworks.errors import DataError
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.wordpiece import count_words, train

TEXTS = [
    "The unhappy runner was running, and the happy runners ran.",
    "Unhappiness! Runners' happiness? 日本語と中文。",
    "Crème brûlée — naïve café",
] * 3


def test_marks_come_first() -> None:
    assert tuple(Tokenizer(train(TEXTS, 200, True)).special) == (0, 1, 2, 3, 4)


def test_training_text_has_no_unknown_tokens() -> None:
    tokenizer = Tokenizer(train(TEXTS, 400, True))
    assert all(tokenizer.special.unk not in ids for ids in tokenizer.pieces_batch(TEXTS))


def test_frequent_words_become_pieces() -> None:
    backend = train(["running runner"] * 50, 60, True)
    assert backend.token_to_id("running") is not None
    assert backend.encode("running", add_special_tokens=False).tokens == ["running"]


def test_pieces_are_found_inside_words_only() -> None:
    """Letters that never begin a word still make pieces."""
    backend = train(["xabab yabab zabab"] * 50, 40, True)
    assert backend.encode("xabab", add_special_tokens=False).tokens == ["xabab"]
    tokens = backend.encode("xababab", add_special_tokens=False).tokens
    assert "[UNK]" not in tokens and tokens[-1].startswith("##")


@pytest.mark.parametrize("size", [40, 60, 100])
def test_the_size_is_a_limit(size: int) -> None:
    assert train(TEXTS, size, True).get_vocab_size() <= size


def test_case_is_kept_when_asked() -> None:
    assert train(TEXTS, 400, False).token_to_id("T") is not None
    assert train(TEXTS, 400, True).token_to_id("T") is None
    assert "##é" in train(TEXTS, 400, False).get_vocab()
    assert "##é" not in train(TEXTS, 400, True).get_vocab()


def test_chinese_characters_are_words() -> None:
    backend = train(TEXTS, 400, True)
    assert backend.encode("中文日本", add_special_tokens=False).tokens == ["中", "文", "日", "本"]


def test_rare_characters_give_way() -> None:
    texts = ["a b c d"] * 9 + [chr(0x4E00 + number) for number in range(500)]
    backend = train(texts, 50, True)
    assert backend.get_vocab_size() <= 50
    assert all(backend.token_to_id(letter) is not None for letter in "abcd")


def test_words_are_counted_as_bert_splits_them() -> None:
    backend = train(TEXTS, 100, True)
    assert count_words(["Don't, DON'T"], backend.normalizer) == {"don": 2, "'": 2, "t": 2, ",": 1}


def test_no_text_is_refused() -> None:
    with pytest.raises(DataError, match="hold no text"):
        train(["", " \x00 "], 100, True)


def test_every_process_gives_the_same_vocabulary() -> None:
    code = (
        "from bertworks.text.wordpiece import train\n"
        "import hashlib, itertools\n"
        "texts = [' '.join(p) for p in itertools.permutations(['running', 'runs', 'gnu', 'sun'])]\n"
        "print(hashlib.sha256(train(texts, 45, True).to_str().encode()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(4)
    }
    assert len(runs) == 1
