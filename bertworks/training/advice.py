"""What a training run's course says about the settings: told as notices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bertworks.notices import Level, Notice
from bertworks.spec import Finetune, Pretrain
from bertworks.training.loop import State

SPLITS = ("validation", "validation, averaged")


def of_finetuning(
    state: State, settings: Finetune, metric: str, epochs: int, rows: int
) -> list[Notice]:
    """Notices about the number of epochs.

    Args:
        state: Where the run ended.
        settings: The spec's section.
        metric: Which validation metric chose the epoch.
        epochs: How many were planned.
        rows: Validation rows.
    """
    values = _best_of_each_epoch(state)
    notices = []
    if state.stopped == "minutes" or (state.epochs and not state.stopped):
        notices.append(
            Notice(
                f"Fine-tuning ended after {len(values)} of {epochs} epochs: more would not have "
                f"fitted into finetune.minutes: {settings.minutes:g}. Raise it to train longer.",
                "warning",
            )
        )
    elif values and state.best_epoch == len(values) and state.best == state.highest:
        shown = ", ".join(f"{value:.3f}" for value in values)
        course = f"{metric} by epoch: {shown}"
        text = (
            f"The only epoch may be too few ({course})."
            if len(values) == 1
            else f"The last of {len(values)} epochs was the best ({course})."
        )
        advice = f" More may be better: set finetune.epochs: {2 * len(values)}."
        notices.append(Notice(text + advice, _level(values, rows)))
    return notices


def of_pretraining(
    measures: Mapping[str, float], settings: Pretrain, steps: int, commonest: float, masked: int
) -> list[Notice]:
    """A notice where pretraining taught nothing that can be measured.

    Args:
        measures: The held-out measures before and after.
        settings: The spec's section.
        steps: Optimizer steps taken.
        commonest: Share of the held-out masked tokens that the commonest token has: what an encoder
            reaches that knows no more than which token that is.
        masked: Held-out masked tokens.
    """
    before, after = measures["masked_accuracy_before"], measures["masked_accuracy_after"]
    noise = 2 * standard_error(after, masked, 1 / masked)
    longer = "Give more text (corpus.sources) or train longer (pretrain.steps, pretrain.epochs)"
    taught = f"masked accuracy on held-out text {before:.3f} before, {after:.3f} after"
    if after <= commonest + noise:
        return [
            Notice(
                f"Pretraining did nothing in {steps:,} steps: {taught}; always answering the commonest "
                f"token gives {commonest:.3f}. {longer}, or start from a pretrained base (base.uri).",
                "warning",
                count=steps,
            )
        ]
    if after <= before + noise:
        return [
            Notice(
                f"Pretraining changed nothing that can be measured in {steps:,} steps: {taught} "
                f"({masked:,} tokens). {longer}, or set pretrain.enabled: false.",
                "warning",
                count=steps,
            )
        ]
    return []


def standard_error(share: float, rows: int, least: float = 0.0) -> float:
    """Of a share of some rows.

    Args:
        share: It, 0 to 1.
        rows: How many.
        least: Of the variance of one row.
    """
    return math.sqrt(max(share * (1 - share), least) / rows)


def _best_of_each_epoch(state: State) -> list[float]:
    """The value of the weights that each epoch would have given, whatever is better in the metric."""
    found: dict[float, list[float]] = {}
    for point in state.points:
        if point.split in SPLITS:
            found.setdefault(point.epoch, []).append(point.value)
    # The better of both is nearer to the run's best value.
    best = state.best if state.best is not None else math.nan
    return [min(values, key=lambda value: abs(value - best)) for values in found.values()]


def _level(values: list[float], rows: int) -> Level:
    """A warning where the last epoch's gain is more than the standard error of a share of the rows.

    One epoch alone, which the spec must have asked for, shows no gain.
    """
    last = values[-1]
    noise = standard_error(last, rows, 1 / rows) if 0 <= last <= 1 else 0.0
    gain = max((abs(last - value) for value in values[-2:-1]), default=0.0)
    return "warning" if gain > noise else "note"
