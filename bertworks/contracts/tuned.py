"""How a search for settings went: its trials, and beside them how long they took."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from bertworks.contracts.files import OMIT, File

OWN = "own"
"""What a search calls the spec's own base."""
Ended = Literal["complete", "halved", "minutes", "diverged", "limits"]


@dataclass(frozen=True)
class Chosen:
    """Settings that a trial had; those that were not searched are left out.

    Attributes:
        learning_rate: As finetune.learning_rate, and so the others.
        epochs: Passes over the training rows at most.
        batch_size: Rows an optimizer step.
        layer_decay: Learning-rate factor from each layer to the one below.
        warmup: Share of all steps.
        dropout: Of the encoder.
        label_smoothing: Share of the target that all labels have.
        weight_decay: Of matrices.
        max_length: Tokens that are read at once.
        layers: Of the encoder, its first ones.
        base: Name of the encoder.
    """

    learning_rate: float | None = field(default=None, metadata=OMIT)
    epochs: int | None = field(default=None, metadata=OMIT)
    batch_size: int | None = field(default=None, metadata=OMIT)
    layer_decay: float | None = field(default=None, metadata=OMIT)
    warmup: float | None = field(default=None, metadata=OMIT)
    dropout: float | None = field(default=None, metadata=OMIT)
    label_smoothing: float | None = field(default=None, metadata=OMIT)
    weight_decay: float | None = field(default=None, metadata=OMIT)
    max_length: int | None = field(default=None, metadata=OMIT)
    layers: int | None = field(default=None, metadata=OMIT)
    base: str | None = field(default=None, metadata=OMIT)

    def given(self) -> dict[str, float | str]:
        """Setting to value, of those that were searched."""
        return {
            one.name: value
            for one in dataclasses.fields(self)
            if (value := getattr(self, one.name)) is not None
        }

    def numbers(self) -> dict[str, float]:
        """Those of them that are numbers."""
        return {name: one for name, one in self.given().items() if not isinstance(one, str)}

    def said(self) -> str:
        """In words."""
        return ", ".join(
            f"{name} {value}" if isinstance(value, str) else f"{name} {value:g}"
            for name, value in self.given().items()
        )

    def of_finetune(self) -> dict[str, float]:
        """Those that are settings of the finetune section."""
        return {
            name: one
            for name, one in self.numbers().items()
            if name not in ("max_length", "layers")
        }


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: From 0; trial 0 has the finetune section's own settings.
        settings: What it trained with.
        rungs: After each epoch, the best value of the metric on validation so far; with folds after
            each of these, the mean so far.
        value: Of the epoch whose model was kept: the best one, or the last one where that one was better
            by no more than chance; null where it diverged before the first one ended.
        ended: "complete"; "halved": it lagged behind at a rung; "minutes": the budget was over;
            "diverged": its loss was no number; "limits": it was not begun, as its model cannot fit the
            limits on size and latency.
        error: With folds the standard error of the mean over them; left out without.
    """

    number: int
    settings: Chosen
    rungs: list[float]
    value: float | None
    ended: Ended
    error: float | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Finalist:
    """One of the best models, before the choice among them.

    Attributes:
        trials: Whose weights' mean it is, the best first.
        value: On validation, as trained.
        max_length: Tokens that it reads at once.
        compressed: On validation, pruned and as the int8 graph; null where that was not tried.
        size_mb: Of that graph, 10^6 bytes.
        note: Why it was not tried, or what limit it cannot meet.
    """

    trials: list[int]
    value: float
    max_length: int
    compressed: float | None = None
    size_mb: float | None = None
    note: str = ""

    @property
    def folder(self) -> str:
        """Where in the artifact its model is, unless it is the winner."""
        return f"finalists/{self.trials[0]}"


@dataclass(frozen=True)
class Choice:
    """What a choice among finalists has found out so far."""

    finalists: list[Finalist] = field(default_factory=list)


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
        ended: What ended the search: "trials", "minutes", or "converged": more would not have helped.
        searched: Each setting with what it could be, in words.
        finalists: The best models, the winner first; all but that one stand in folders of their own.
        folds: Of the training rows, over which trials were cross-validated; left out: they were not.
    """

    metric: str
    best: int
    settings: Chosen
    value: float
    averaged: list[int]
    trials: list[Trial]
    importance: dict[str, float]
    ended: Literal["trials", "minutes", "converged"]
    searched: list[str] = field(default_factory=list)
    finalists: list[Finalist] = field(default_factory=list)
    folds: int | None = field(default=None, metadata=OMIT)

    @property
    def own_trial(self) -> Trial | None:
        """The trial with the finetune section's own settings; None where it diverged.

        Where it ended before all their epochs, a later trial may have them, or less of them.
        """
        first = self.trials[0]
        if first.value is None:
            return None
        most = first.settings.epochs or 0
        again = [
            one
            for one in self.trials[1:]
            if dataclasses.replace(one.settings, epochs=most) == first.settings
            and (one.settings.epochs or 0) <= most
            and one.value is not None
            and one.ended != "halved"
        ]
        return again[-1] if again and first.ended == "minutes" else first

    @property
    def own(self) -> float | None:
        """The value of the finetune section's own settings; None where they diverged."""
        return None if self.own_trial is None else self.own_trial.value

    @property
    def own_said(self) -> str:
        """The same in words, with the epochs where time was over before their end."""
        one = self.own_trial
        if one is None:
            return "diverged"
        cut = one.ended == "minutes" and len(one.rungs) < (one.settings.epochs or 0)
        epochs = f" (after {len(one.rungs)} of {one.settings.epochs} epochs)" if cut else ""
        return f"{one.value:.4f}{epochs}"


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
