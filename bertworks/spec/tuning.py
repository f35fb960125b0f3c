"""The search for the settings of fine-tuning: its budget, what is searched, and who goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from bertworks.spec.base import Base
from bertworks.spec.bases import known
from bertworks.spec.section import Section
from bertworks.spec.task import Fraction, Task
from bertworks.spec.training import Finetune

WHOLE = ("epochs", "batch_size", "layers", "max_length")
"""Searched settings that are whole numbers."""
ELSEWHERE: dict[str, tuple[type[Section], str]] = {
    "layers": (Base, "base.layers"),
    "max_length": (Task, "task.max_length"),
}
"""Searched settings that are none of the finetune section: whose they are, and their place."""


class Dimension(Section):
    """The values that a setting may take; what is unset is chosen by the task and the rows."""

    low: float | None = Field(None, description="Least value; None: by task and rows.")
    high: float | None = Field(None, description="Largest value; None: by task and rows.")
    values: list[float] | None = Field(
        None, min_length=1, description="These values alone, instead of `low` to `high`."
    )

    @model_validator(mode="after")
    def _ends_or_values(self) -> Dimension:
        if self.values is not None and (self.low is not None or self.high is not None):
            raise ValueError("takes `values`, or `low` and `high`, not both.")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(
                f"`low` must be less than `high`. Received: low={self.low:g}, high={self.high:g}"
            )
        return self

    @property
    def said(self) -> list[float]:
        """All numbers that were given."""
        return [*(end for end in (self.low, self.high) if end is not None), *(self.values or [])]


class Space(Section):
    """What is searched: settings of the finetune section, and what a trial starts from.

    null: as the spec says elsewhere.
    """

    learning_rate: Dimension | None = Field(Dimension(), description="On a logarithmic scale.")
    epochs: Dimension | None = Dimension()
    batch_size: Dimension | None = Dimension()
    layer_decay: Dimension | None = Field(
        Dimension(), description="Not searched with `base: scratch` unless it is given."
    )
    warmup: Dimension | None = Dimension()
    dropout: Dimension | None = Dimension()
    label_smoothing: Dimension | None = Field(
        Dimension(), description="Not searched where the task has none."
    )
    weight_decay: Dimension | None = Field(
        None, description="On a logarithmic scale; not searched unless it is given."
    )
    max_length: Dimension | None = Field(
        Dimension(),
        description="As task.max_length, at most so much. By itself half of it is tried where a fifth "
        "of the rows are longer than that.",
    )
    layers: Dimension | None = Field(
        Dimension(),
        description="As base.layers: the encoder's first ones. By itself half and three quarters of "
        "them are tried where the gates limit size or latency.",
    )
    base: list[str] | Literal["auto"] | None = Field(
        None,
        description="Encoders of the catalogue that are tried beside `base`, by name; `auto`: those for "
        "the language of the texts with as many layers or more. They must read the same tokens as "
        "`base`.",
    )

    @field_validator("base")
    @classmethod
    def _bases_are_known(cls, value: Any) -> Any:
        for name in value if isinstance(value, list) else ():
            known(name)
        return value

    def dimensions(self) -> Iterator[tuple[str, Dimension]]:
        """Setting and what it may be, of those that are searched."""
        for name in type(self).model_fields:
            if isinstance(found := getattr(self, name), Dimension):
                yield name, found

    @model_validator(mode="after")
    def _values_are_settings(self) -> Space:
        """What is searched must be what the finetune section takes: told before hours of work."""
        for name, dimension in self.dimensions():
            for value in dimension.said:
                exact: Any = int(value) if name in WHOLE and value.is_integer() else value
                section, place = ELSEWHERE.get(name, (Finetune, f"finetune.{name}"))
                try:
                    # How many layers there are, the base at hand says.
                    beside = {"uri": "any/base"} if section is Base else {}
                    section.model_validate({name: exact, **beside})
                except ValidationError as error:
                    message = error.errors(include_url=False)[0]["msg"].removeprefix(
                        "Value error, "
                    )
                    raise ValueError(
                        f"`{name}`: {value:g} is none that {place} may be: {message}"
                    ) from None
            if name == "weight_decay" and 0.0 in dimension.said and dimension.values is None:
                raise ValueError("`weight_decay`: `low` must be above 0 on a logarithmic scale.")
        return self


class Halving(Section):
    """Successive halving: an epoch is a rung, and trials that lag behind end there."""

    enabled: bool = Field(True, description="Off lets every trial run to its end.")
    factor: int = Field(
        2,
        ge=2,
        description="At a rung one trial in so many goes on; rungs lie so many times as far apart, each "
        "from the next.",
    )
    first_epoch: int = Field(1, ge=1, description="Epochs before the first rung.")


class Tune(Section):
    """A search for the settings of fine-tuning, by the metric on the validation split."""

    enabled: bool = Field(
        False,
        description="Off leaves no box in the DAG; on where `minutes` or `trials` is set, unless said.",
    )
    minutes: float | Literal["auto"] | None = Field(
        None,
        description="Budget of the search, in minutes; `auto`: by `share`. What comes out hangs on the "
        "clock.",
    )
    share: Fraction = Field(
        0.6,
        gt=0,
        description="With `minutes: auto`, the search's part of what the run's `minutes` leave beside "
        "the other steps: less where pruning needs more than the rest, all of it where pruning would "
        "take more than half.",
    )
    trials: int | None = Field(
        None, ge=1, description="Trials at most; the same seed gives the same ones."
    )
    seed: int = Field(42, ge=0, description="Of the search; all trials train with finetune.seed.")
    sampler: Literal["tpe", "random"] = Field(
        "tpe",
        description="How trials are drawn: by a tree-structured Parzen estimator, or at random.",
    )
    soup: int = Field(
        3,
        ge=1,
        le=10,
        description="Best trials whose weights are averaged where that is better; 1: none.",
    )
    finalists: int = Field(
        2,
        ge=1,
        le=5,
        description="Best models that are pruned and brought to int8 as the spec says: the one that is "
        "best then goes on. 1: the best one before.",
    )
    finalist_epochs: int = Field(
        1,
        ge=0,
        description="Epochs of distillation of each finalist, as compress.prune.epochs at most.",
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="Cross-validate: a trial's value is the mean over so many folds of the training "
        "rows, which is worth its time where rows are few. The best settings are then fitted on all of "
        "them.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="The trials in so many parts, each with seeds of its own: pods on a cluster; on "
        "this machine processes where it has two CPUs for each, else one after another.",
    )
    space: Space = Field(default_factory=Space)
    halving: Halving = Field(default_factory=Halving)

    @model_validator(mode="before")
    @classmethod
    def _a_budget_turns_it_on(cls, value: Any) -> Any:
        # Where nothing is asked for nothing is said, so that what is laid over it later is heard.
        asked = isinstance(value, dict) and {value.get("minutes"), value.get("trials")} != {None}
        return {"enabled": True, **value} if asked else value

    @field_validator("minutes", mode="before")
    @classmethod
    def _minutes_are_a_number_or_auto(cls, value: Any) -> Any:
        """One rule, one message: a union would give one for each of its types."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value in (None, "auto") or (number and 0 < value < math.inf):
            return value
        raise ValueError(f"must be a number above 0, or auto. Received: {value}")

    @model_validator(mode="after")
    def _a_search_ends(self) -> Tune:
        if self.enabled and self.minutes is None and self.trials is None:
            raise ValueError("needs a budget: `minutes`, `trials` or both (whichever ends first).")
        if self.trials is not None and self.trials < self.workers:
            raise ValueError(
                f"`workers` must have a trial each. Received: workers={self.workers}, "
                f"trials={self.trials}"
            )
        return self
