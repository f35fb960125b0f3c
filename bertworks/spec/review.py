"""What is looked at before an answer goes out: the spec's `serve.review`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bertworks.quantities import DNS_LABEL
from bertworks.spec.section import Section

Action = Literal["flag", "hold"]
_MANY = 64
"""Repeats of so many or more count as endless."""


class TextRule(Section):
    """A regular expression over the texts of a row."""

    name: str = Field(
        pattern=DNS_LABEL, description="Told as the reason; small letters, digits, -."
    )
    pattern: str = Field(min_length=1, max_length=1000, description="As Python's `re` has it.")
    action: Action = Field("hold", description="What becomes of the row's answer.")

    @field_validator("pattern")
    @classmethod
    def _is_safe(cls, pattern: str) -> str:
        try:
            parsed = parser.parse(pattern)
        except re.error as error:
            raise ValueError(f"`pattern` is no regular expression: {error}.") from None
        if _nested(parsed):
            raise ValueError(
                "`pattern` must not repeat what repeats itself, as in (a+)+, or refer back to a group: "
                f"a text can be made for which that takes hours. Received: {pattern[:60]!r}"
            )
        return pattern


class SecondAgent(Section):
    """An agent of one's own that looks at the same texts, for example for toxicity."""

    bundle: str = Field(min_length=1, description="Its bundle: a folder, as the server sees it.")
    hold: list[str] = Field([], description="Its labels for which an answer is held.")
    flag: list[str] = Field([], description="Its labels for which an answer is flagged.")
    minimum: float = Field(0.5, ge=0, le=1, description="Its score from which on its label counts.")

    @model_validator(mode="after")
    def _does_something(self) -> SecondAgent:
        if not self.hold and not self.flag:
            raise ValueError("name the labels of the second agent that count, in `hold` or `flag`.")
        both = sorted(set(self.hold) & set(self.flag))
        if both:
            raise ValueError(f"a label is held or flagged, not both. Received: {', '.join(both)}")
        return self


class Review(Section):
    """Rules for answers. A held answer goes out without its label; a flagged one says so."""

    hold_labels: list[str] = Field([], description="Answers with these labels are held.")
    flag_labels: list[str] = Field([], description="Answers with these labels are flagged.")
    minimum_confidence: float | None = Field(
        None, ge=0, le=1, description="Answers with a lower score are treated as `unsure` says."
    )
    unsure: Action = Field("hold", description="What becomes of answers below that.")
    texts: list[TextRule] = Field([], max_length=100, description="Rules for the texts.")
    mask_answers: bool = Field(
        False,
        description="Masks personal data in what answers repeat of the text (tagging, understanding).",
    )
    agent: SecondAgent | None = None

    @model_validator(mode="after")
    def _labels_are_clear(self) -> Review:
        both = sorted(set(self.hold_labels) & set(self.flag_labels))
        if both:
            raise ValueError(f"a label is held or flagged, not both. Received: {', '.join(both)}")
        names = [rule.name for rule in self.texts]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"a name is of one rule. Received twice: {', '.join(repeated)}")
        return self

    @property
    def decides(self) -> bool:
        """Whether an answer may be held or flagged."""
        return bool(
            self.hold_labels or self.flag_labels or self.texts or self.agent
            or self.minimum_confidence is not None
        )  # fmt: skip


def _nested(parsed: Any, inside: bool = False) -> bool:
    """Whether an endless repeat stands in another one, or a group is referred to."""
    for operator, argument in parsed:
        name = str(operator)
        if name in ("GROUPREF", "GROUPREF_EXISTS"):
            return True
        endless = name in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] >= _MANY
        if endless and inside:
            return True
        if any(_nested(part, inside or endless) for part in _parts(argument)):
            return True
    return False


def _parts(argument: Any) -> Iterator[Any]:
    """The parsed expressions in an operator's argument."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from _parts(one)
