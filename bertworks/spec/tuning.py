"""The search for the settings of fine-tuning: its budget, what is searched, and who goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from bertworks.spec.section import Section
from bertworks.spec.training import Finetune

WHOLE = ("epochs", "batch_size")
"""Searched settings that are whole numbers."""


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
    """The settings of the finetune section that are searched; null: as that section says."""

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

    def dimensions(self) -> Iterator[tuple[str, Dimension]]:
        """Setting and what it may be, of those that are searched."""
        for name in type(self).model_fields:
            if (found := getattr(self, name)) is not None:
                yield name, found

    @model_validator(mode="after")
    def _values_are_settings(self) -> Space:
        """What is searched must be what the finetune section takes: told before hours of work."""
        for name, dimension in self.dimensions():
            for value in dimension.said:
                exact: Any = int(value) if name in WHOLE and value.is_integer() else value
                try:
                    Finetune.model_validate({name: exact})
                except ValidationError as error:
                    message = error.errors(include_url=False)[0]["msg"].removeprefix(
                        "Value error, "
                    )
                    raise ValueError(
                        f"`{name}`: {value:g} is none that finetune.{name} may be: {message}"
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
    minutes: float | None = Field(
        None,
        gt=0,
        description="Budget of the search; ends at an epoch's end. The result then hangs on the clock.",
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
    space: Space = Field(default_factory=Space)
    halving: Halving = Field(default_factory=Halving)

    @model_validator(mode="before")
    @classmethod
    def _a_budget_turns_it_on(cls, value: Any) -> Any:
        # Where nothing is asked for nothing is said, so that what is laid over it later is heard.
        asked = isinstance(value, dict) and {value.get("minutes"), value.get("trials")} != {None}
        return {"enabled": True, **value} if asked else value

    @model_validator(mode="after")
    def _a_search_ends(self) -> Tune:
        if self.enabled and self.minutes is None and self.trials is None:
            raise ValueError("needs a budget: `minutes`, `trials` or both (whichever ends first).")
        return self
