"""A model that answers the same whatever it is asked; told, as its scores alone may look well."""

from __future__ import annotations

from typing import Any, Literal

from bertworks.notices import Notice
from bertworks.tasks.predictions import Predictions


def notices(answers: Predictions, kind: Literal["model", "bundle"]) -> list[Notice]:
    """A warning where all rows were given one answer though they have several.

    Args:
        answers: On the test rows.
        kind: Of what answered.
    """
    given, true = (_different(answers, one) for one in (answers.prediction, answers.truth))
    if len(given) != 1 or len(true) < 2:
        return []
    rows = f"{len(answers):,} test rows"
    who = f"All words of {rows}" if answers.handler.target.per_word else f"All {rows}"
    text = (
        f"{who} were answered with {given.pop()}, though {len(true):,} different answers are right."
    )
    advice = _of_training(answers) if kind == "model" else _of_compression()
    return [Notice(f"{text} {advice}", "warning", count=len(answers), more="errors.json")]


def _of_training(answers: Predictions) -> str:
    advice = "Train longer (finetune.epochs), or with another finetune.learning_rate"
    if "class_weights" in answers.task.kind.settings:
        advice += "; where most rows have one label, set finetune.class_weights: balanced"
    return f"{advice}."


def _of_compression() -> str:
    return (
        "Where the uncompressed model does so too, train longer (finetune.epochs); else compress less "
        "(compress.prune.speedup, compress.quantize.candidates)."
    )


def _different(answers: Predictions, values: Any) -> set[str]:
    """The answers that occur, in words; for tagging the tags."""
    each = (answers.named(values, row) for row in range(len(answers)))
    if answers.handler.target.per_word:
        return {str(tag) for tags in each for tag in tags}
    return {_said(one) for one in each}


def _said(answer: Any) -> str:
    if isinstance(answer, list):
        return " and ".join(map(repr, answer)) or "no label"
    return repr(answer)
