"""Which words an answer hangs on: each is left out in turn, and the agent is asked again.

Erasure as in Li et al. 2016, "Understanding Neural Networks through Representation Erasure", section 3:
the effect of a word is how much less sure the answer is without it. It needs the bundle alone, whatever
engine runs it, and explains the very graph that answers; `make bench-explanations` measures how well.

What a text's answer costs once, its explanation costs once a part: so parts are words in short texts,
and runs of words in long ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from bertworks.errors import DataError
from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer
from bertworks.text import words

MOST_PARTS = 64
"""Parts of a row, at most: how often more the agent is asked than for its answer."""
CERTAIN = 1e-9
"""Probabilities are kept so far from 0 and 1, that their log-odds are finite."""

Ask = Callable[[Sequence[Row]], Sequence[Answer]]


@dataclass(frozen=True)
class Part:
    """A word, or a run of words.

    Attributes:
        text: Which of the row's texts: 0, or in a pair 1.
        start: Its first character, in code points.
        end: One past its last.
    """

    text: int
    start: int
    end: int


@dataclass(frozen=True)
class Effect(Part):
    """A part, and what it does.

    Attributes:
        effect: How much of what is explained goes without it: above 0 it speaks for the answer, below
            0 against it.
    """

    effect: float


@dataclass(frozen=True)
class Explanation:
    """Which words an answer hangs on.

    Attributes:
        target: What is explained: a label, "score" for a number, or the type of an entity.
        value: Of the whole row: the label's probability, the number, or the entity's score.
        unit: Of the effects: "log-odds" or "score".
        parts: In the order of the text; of tagging without the words of the entity where it has one.
        asked: How often the agent was asked.
    """

    target: str
    value: float
    unit: str
    parts: list[Effect]
    asked: int


@dataclass(frozen=True)
class Wanted:
    """What to explain.

    Attributes:
        label: A label, or the intent; None: the one that is answered (of several the likeliest).
        entity: Tagging: its place among the row's entities.
        most: Parts, at most.
    """

    label: str | None = None
    entity: int = 0
    most: int = MOST_PARTS


@dataclass(frozen=True)
class Variant:
    """A row without one of its parts.

    Attributes:
        part: What was left out.
        row: What is left.
        strength: How strong what is explained still is, from the answer to `row`.
    """

    part: Part
    row: Row
    strength: Callable[[Answer], float]


@dataclass(frozen=True)
class Occlusion:
    """One row's explanation on its way: `variants` are to be asked, `explained` takes their answers.

    Attributes:
        target: See `Explanation`; so are `value` and `unit`.
        value: See `Explanation`.
        unit: See `Explanation`.
        before: How strong what is explained is in the whole row.
        variants: The row without each part.
    """

    target: str
    value: float
    unit: str
    before: float
    variants: list[Variant]

    @classmethod
    def of(cls, row: Row, answer: Answer, wanted: Wanted) -> Occlusion:
        """What to ask to explain a row's answer.

        Raises:
            DataError: There is no such label or entity.
        """
        if "tags" not in answer:
            return _of_value(row, answer, wanted)
        if isinstance(row, tuple):  # a turn, and what was said before it
            return _in_context(cls.of(row[0], answer, wanted), row[1])
        if "intent" in answer and (wanted.label is not None or not answer["entities"]):
            return _of_intent(row, answer, wanted)
        return _of_entity(row, answer, wanted)

    @property
    def rows(self) -> list[Row]:
        """What is to be asked."""
        return [variant.row for variant in self.variants]

    def explained(self, answers: Sequence[Answer]) -> Explanation:
        """The explanation, from the answers to `rows`."""
        effects = [
            Effect(one.part.text, one.part.start, one.part.end, self.before - one.strength(answer))
            for one, answer in zip(self.variants, answers, strict=True)
        ]
        return Explanation(self.target, self.value, self.unit, effects, len(answers) + 1)


def explain(ask: Ask, rows: Sequence[Row], wanted: Wanted | None = None) -> list[Explanation]:
    """Explains each row's answer.

    Args:
        ask: What answers rows, for example `Agent.predict`.
        rows: Rows as the agent's task takes them.
        wanted: What to explain.

    Raises:
        DataError: A row has no such label or entity.
    """
    known = wanted or Wanted()
    plans = [Occlusion.of(row, answer, known) for row, answer in zip(rows, ask(rows), strict=True)]
    found = iter(ask([row for plan in plans for row in plan.rows]))
    return [plan.explained([next(found) for _ in plan.variants]) for plan in plans]


def _of_value(row: Row, answer: Answer, wanted: Wanted) -> Occlusion:
    """A label's probability as log-odds, or a number."""
    strength = _number
    target, unit = "score", "score"
    scores = answer.get("scores")
    if documents := answer.get("documents"):
        scores = {one["id"]: one["score"] for one in documents}
        target = _chosen(wanted, scores, documents[0]["id"], "the documents that are found")
        strength = partial(_near, target)
    elif scores is not None:
        likeliest = answer.get("label") or max(scores, key=scores.__getitem__)
        target = _chosen(wanted, scores, likeliest, "the agent's labels")
        strength, unit = partial(_sure_of, target), "log-odds"
    texts = [row] if isinstance(row, str) else list(row)
    variants = [
        Variant(part, _without(row, texts, part), strength) for part in _parts(texts, wanted.most)
    ]
    value = answer["score"] if scores is None else scores[target]
    return Occlusion(target, float(value), unit, strength(answer), variants)


def _chosen(wanted: Wanted, scores: Mapping[str, float], usual: str, what: str) -> str:
    """The label that is to be explained, among those that have a score."""
    target = wanted.label or usual
    if target not in scores:
        known = ", ".join(map(repr, list(scores)[:20])) + (", ..." if len(scores) > 20 else "")
        raise DataError(
            f"`label` must be one of {what}: {known}. Received: {target!r:.80}",
            "Leave it out to explain what is answered.",
        )
    return target


def _in_context(plan: Occlusion, context: str) -> Occlusion:
    """A turn's explanation, its variants asked with what was said before it."""
    variants = [
        dataclasses.replace(one, row=cast("Row", (one.row, context))) for one in plan.variants
    ]
    return dataclasses.replace(plan, variants=variants)


def _of_intent(row: Row, answer: Answer, wanted: Wanted) -> Occlusion:
    """How sure the intent is that is answered; an answer has the score of that alone."""
    if wanted.label not in (None, answer["intent"]):
        raise DataError(
            f"`label` must be the intent that is answered, {answer['intent']!r}. "
            f"Received: {wanted.label!r:.80}",
            "Leave it out, or name that intent.",
        )
    strength = partial(_sure_intent, answer["intent"])
    texts = [row] if isinstance(row, str) else list(row)
    variants = [
        Variant(part, _without(row, texts, part), strength) for part in _parts(texts, wanted.most)
    ]
    value = float(answer["intent_score"])
    return Occlusion(answer["intent"], value, "log-odds", strength(answer), variants)


def _of_entity(row: Row, answer: Answer, wanted: Wanted) -> Occlusion:
    """How sure the tags of an entity are, of those of its words that are left."""
    entities, tokens, tags = answer["entities"], answer["tokens"], answer["tags"]
    if not 0 <= wanted.entity < len(entities):
        raise DataError(
            f"`entity` must be the place of one of the row's {len(entities)} entities, from 0. "
            f"Received: {wanted.entity}",
            "Ask for the row's answer first, and name one of its entities.",
        )
    entity = entities[wanted.entity]
    placed = list(_placed(row if isinstance(row, str) else " ".join(row), tokens))
    inside = [
        at for at, (start, _) in enumerate(placed) if entity["start"] <= start < entity["end"]
    ]
    variants = []
    for run in _runs(range(len(placed)), wanted.most):
        left = [word for word in inside if word not in run]
        if left:
            kept = [word for word in range(len(placed)) if word not in run]
            places = {kept.index(word): tags[word] for word in left}
            part = Part(0, placed[run[0]][0], placed[run[-1]][1])
            variants.append(
                Variant(part, [tokens[word] for word in kept], partial(_sure_at, places))
            )
    whole = {word: tags[word] for word in inside}
    return Occlusion(
        entity["type"], float(entity["score"]), "log-odds", _sure_at(whole, answer), variants
    )


def _number(answer: Answer) -> float:
    return float(answer["score"])


def _near(document: str, answer: Answer) -> float:
    """How near a document is; of one that is found no more, as near as the last that is."""
    scores = {one["id"]: float(one["score"]) for one in answer["documents"]}
    return scores.get(document, min(scores.values(), default=0.0))


def _sure_of(label: str, answer: Answer) -> float:
    return _log_odds(answer["scores"][label])


def _sure_intent(intent: str, answer: Answer) -> float:
    """Where another intent is answered, at most the rest is left for this one."""
    score = answer["intent_score"]
    return _log_odds(score if answer["intent"] == intent else 1.0 - score)


def _sure_at(tags: dict[int, str], answer: Answer) -> float:
    """The least sure of some words' tags.

    An answer has the score of the best tag alone: where a word is given another one than before, at
    most the rest is left for that before.
    """
    return min(
        _log_odds(score if answer["tags"][place] == tag else 1.0 - score)
        for place, tag in tags.items()
        for score in [answer["scores"][place]]
    )


def _log_odds(chance: float) -> float:
    kept = min(max(chance, CERTAIN), 1.0 - CERTAIN)
    return math.log(kept / (1.0 - kept))


def _parts(texts: Sequence[str], most: int) -> list[Part]:
    """The words of all texts, or where they are more than `most` runs of equally many."""
    found = [
        Part(number, word.start, word.end)
        for number, text in enumerate(texts)
        for word in words.split(text)
    ]
    runs = []
    for run in _runs(range(len(found)), most):
        for number in range(len(texts)):  # a run does not go from one text into the next
            inside = [found[place] for place in run if found[place].text == number]
            if inside:
                runs.append(Part(number, inside[0].start, inside[-1].end))
    return runs


def _runs(places: range, most: int) -> Iterator[range]:
    """Places in at most `most` runs, as equal as can be; the last may be shorter."""
    size = max(-(-len(places) // most), 1)
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _without(row: Row, texts: Sequence[str], part: Part) -> Row:
    """The row without a part; the space before it goes too."""
    text = texts[part.text]
    left = text[: part.start].rstrip(" ") + text[part.end :]
    return left if isinstance(row, str) else [*texts[: part.text], left, *texts[part.text + 1 :]]


def _placed(text: str, tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where an answer's words stand in the text, which they are parts of, in its order."""
    end = 0
    for token in tokens:
        start = text.index(token, end)
        end = start + len(token)
        yield start, end
