"""How a search for settings went: its trials, and beside them how long they took."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from bertworks.contracts.files import OMIT, File

Ended = Literal["complete", "halved", "minutes", "diverged"]


@dataclass(frozen=True)
class Chosen:
    """Settings of the finetune section that a trial had; those that were not searched are left out.

    Attributes:
        learning_rate: As finetune.learning_rate, and so the others.
        epochs: Passes over the training rows at most.
        batch_size: Rows an optimizer step.
        layer_decay: Learning-rate factor from each layer to the one below.
        warmup: Share of all steps.
        dropout: Of the encoder.
        label_smoothing: Share of the target that all labels have.
        weight_decay: Of matrices.
    """

    learning_rate: float | None = field(default=None, metadata=OMIT)
    epochs: int | None = field(default=None, metadata=OMIT)
    batch_size: int | None = field(default=None, metadata=OMIT)
    layer_decay: float | None = field(default=None, metadata=OMIT)
    warmup: float | None = field(default=None, metadata=OMIT)
    dropout: float | None = field(default=None, metadata=OMIT)
    label_smoothing: float | None = field(default=None, metadata=OMIT)
    weight_decay: float | None = field(default=None, metadata=OMIT)

    def given(self) -> dict[str, float]:
        """Setting to value, of those that were searched."""
        return {
            one.name: value
            for one in dataclasses.fields(self)
            if (value := getattr(self, one.name)) is not None
        }


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: From 0; trial 0 has the finetune section's own settings.
        settings: What it trained with.
        rungs: After each epoch, the best value of the metric on validation so far.
        value: The best of all its epochs; null where it diverged before the first one ended.
        ended: "complete"; "halved": it lagged behind at a rung; "minutes": the budget was over;
            "diverged": its loss was no number.
    """

    number: int
    settings: Chosen
    rungs: list[float]
    value: float | None
    ended: Ended


@dataclass(frozen=True)
class Tuned:
    """tuned.json: the search and its winner, whose model stands beside it.

    Attributes:
        metric: What the trials were compared by, on validation.
        best: The winner's number.
        settings: The winner's.
        value: Of the model on validation.
        averaged: Trials whose weights' mean the model is: the winner, and others where that is better.
        trials: All of them, by number.
        importance: Setting to its share of the variance of the trials' values (fANOVA, Hutter et al.
            2014), from the largest; empty where too few trials ran to their end.
        ended: What ended the search: "trials" or "minutes".
    """

    metric: str
    best: int
    settings: Chosen
    value: float
    averaged: list[int]
    trials: list[Trial]
    importance: dict[str, float]
    ended: Literal["trials", "minutes"]


@dataclass(frozen=True)
class SearchTimes:
    """search_times.json: what the clock said of a search.

    Attributes:
        seconds: Of the whole search, those of earlier attempts of the same run included.
        trials: Seconds of each trial, by number.
    """

    seconds: float
    trials: list[float]


TUNED: File[Tuned] = File("tuned.json", Tuned)
SEARCH_TIMES: File[SearchTimes] = File("search_times.json", SearchTimes)
