"""How satisfied a user was, by what they said, where nobody told the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bertworks.dialogue.knowledge import words
from bertworks.dialogue.trace import Trace

ENGLISH: Mapping[str, tuple[str, ...]] = {
    "good": (
        "perfect", "excellent", "very helpful", "that helped", "that helps", "great help",
        "just what i wanted", "exactly what i wanted", "wonderful",
    ),
    "bad": (
        "useless", "not helpful", "no help", "terrible", "ridiculous", "waste of time", "stupid",
        "that is not what i asked", "that's not what i asked", "i already told you", "i already said",
        "a human", "a real person",
    ),
}  # fmt: skip
"""Phrases that praise or complain."""

_WISHES = ("inform", "deny", "request")


def repeats(traces: Sequence[Trace]) -> list[bool]:
    """Whether the user said again in each turn what they had said in the turn before.

    A question, a wish, or words as a whole: the answer in between was of no use to them.
    """
    return [False, *(_again(a, b) for a, b in zip(traces, traces[1:], strict=False))][: len(traces)]


def said_so(traces: Sequence[Trace], phrases: Mapping[str, Sequence[str]]) -> float | None:
    """How satisfied the user's own words say they were.

    Args:
        traces: The dialogue's turns, in order.
        phrases: See `ENGLISH`.

    Returns:
        0 where they complained in any turn, 1 where they praised in the last one; None: neither.
    """
    told = [words(one.text) for one in traces if one.text]
    if any(_has(text, phrases.get("bad", ())) for text in told):
        return 0.0
    return 1.0 if told and _has(told[-1], phrases.get("good", ())) else None


def _again(before: Trace, now: Trace) -> bool:
    said = {one.act for one in now.understood if one.act.intent in _WISHES}
    same = said == {one.act for one in before.understood if one.act.intent in _WISHES}
    text = words(now.text or "")
    return bool(said and same) or bool(text and text == words(before.text or ""))


def _has(text: Sequence[str], phrases: Sequence[str]) -> bool:
    line = f" {' '.join(text)} "
    return any(f" {' '.join(words(one))} " in line for one in phrases)
