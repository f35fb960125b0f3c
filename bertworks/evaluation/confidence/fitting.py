"""A bundle's temperature and thresholds, from its own answers of the validation rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bertworks.contracts.confidence import Calibration
from bertworks.evaluation.confidence.measuring import calibration_error
from bertworks.evaluation.tokenized import answers_on_tokens
from bertworks.notices import Notice
from bertworks.runtime.confidence import scaled
from bertworks.spec import Confidence
from bertworks.spec.confidence import Abstain
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.measuring import softmax

COLDEST, HOTTEST = 0.05, 20.0
STEPS = 60  # halvings of the logarithm of that range: more than float64 can tell
FOLDS = 5
NEVER = math.nextafter(1.0, 2.0)  # more than any probability
FEW = 100  # rows; thresholds from fewer are told


def calibrated(
    handler: TaskHandler,
    targets: Any,
    logits: Sequence[np.ndarray],
    asked: Confidence,
    scope: np.ndarray | None = None,
) -> Calibration | None:
    """What a bundle keeps.

    Args:
        handler: The task with its labels.
        targets: Of validation rows, as `LabelledRows.truth`.
        logits: The bundle's own for these rows, as its graph gives them.
        asked: The spec's confidence, its `out_of_scope` filled in.
        scope: The rows' scope scores, (rows,), where `out_of_scope` is asked.

    Returns:
        None where the task has no probabilities.
    """
    rows, given = handler.on_tokens(targets, logits)
    choices = handler.choices(rows, given)
    if choices is None:
        return None
    found = Calibration(len(logits), asked=asked)
    if asked.calibrate:
        found = replace(found, temperature=kept_temperature(*choices))
    over = [scaled(np.asarray(row), found.temperature) for row in logits]
    answers = answers_on_tokens(handler, targets, over)
    sure = answers.confidence()
    right = handler.scores.badness(answers) == 0
    if asked.out_of_scope is not None and scope is not None:
        found = replace(found, in_scope_from=least_scope(scope, asked.out_of_scope))
        sure = np.where(scope < found.in_scope_from, -np.inf, sure)
    if asked.abstain is not None:
        found = replace(found, confident_from=least_sure(sure, right, asked.abstain))
    if asked.conformal is not None:
        wide, truth = choices
        chances = softmax(scaled(wide, found.temperature))[np.arange(len(truth)), truth]
        found = replace(found, set_from=least_in_set(chances, asked.conformal))
    return found


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature at which the truth is likeliest (Guo et al. 2017, section 4.2).

    The negative log-likelihood is convex in 1 / temperature, and its slope is halved down. The true
    labels count as Platt 1999, section 2.2 has them, a little less than sure: where all rows are right,
    the likeliest temperature would be 0.

    Args:
        logits: (rows, labels).
        truth: The true label of each row, (rows,).

    Returns:
        COLDEST to HOTTEST; 1 without rows, or with one label.
    """
    if not len(logits) or logits.shape[1] < 2:
        return 1.0
    wide = np.asarray(logits, np.float64)
    spared = 1.0 / (len(wide) + 2)
    wanted = (1.0 - spared) * wide[np.arange(len(wide)), truth] + spared * wide.mean(axis=1)
    low, high = -math.log(HOTTEST), -math.log(COLDEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        expected = (softmax(wide * math.exp(middle)) * wide).sum(axis=1)
        if float((expected - wanted).sum()) > 0:
            high = middle
        else:
            low = middle
    return math.exp(-(low + high) / 2)


def kept_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature, or 1 where it calibrates worse on rows that it was not fitted on.

    Each of `FOLDS` parts of the rows is asked with the temperature of the others. Where the expected
    calibration error of these answers is larger than that of the scores as they are, the rows do not
    tell a temperature.

    Args:
        logits: (rows, labels).
        truth: The true label of each row, (rows,).
    """
    found = temperature(logits, truth)
    if len(logits) < FOLDS or found == 1.0:
        return found
    wide, part = np.asarray(logits, np.float64), np.arange(len(logits)) % FOLDS
    held_out = np.empty_like(wide)
    for fold in range(FOLDS):
        rest = part != fold
        held_out[~rest] = wide[~rest] / temperature(wide[rest], truth[rest])
    worse = calibration_error((held_out, truth)) > calibration_error((wide, truth))
    return 1.0 if worse else found


def least_sure(sure: np.ndarray, right: np.ndarray, asked: Abstain) -> float:
    """From how sure on an answer is confident, 0 to NEVER.

    Args:
        sure: How sure each validation row's answer is; -inf where it never is confident.
        right: Whether it is right.
        asked: The precision, which as many answers as can be reach together, or the coverage, which at
            least that share of the rows has.
    """
    order = np.argsort(-sure, kind="stable")
    ranked = sure[order]
    if asked.coverage is not None:
        return float(max(ranked[math.ceil(round(asked.coverage * len(sure), 9)) - 1], 0.0))
    share = np.cumsum(right[order]) / np.arange(1, len(sure) + 1)
    ends = np.append(ranked[1:] < ranked[:-1], True)  # equally sure answers stay together
    good = np.flatnonzero(ends & (share >= (asked.precision or 0.0)) & np.isfinite(ranked))
    return float(ranked[good[-1]]) if len(good) else NEVER


def least_scope(scope: np.ndarray, refused: float) -> float:
    """The scope score below which are at most that share of the validation rows, as many as can be."""
    return float(np.sort(scope)[math.floor(round(refused * len(scope), 9))])


def scope_matrix(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a `runtime.confidence.Scope` is made of.

    The covariance about the labels' means is shrunk (Ledoit & Wolf 2004), so that it can be inverted
    where rows are few.

    Args:
        vectors: Of training rows, (rows, width).
        labels: The label of each, (rows,).

    Returns:
        float32, (width + labels that occur, width).
    """
    from sklearn.covariance import ledoit_wolf

    wide = np.asarray(vectors, np.float64)
    names, place = np.unique(labels, return_inverse=True)
    means = np.stack([wide[place == one].mean(axis=0) for one in range(len(names))])
    about = wide - means[place]
    covariance, _ = ledoit_wolf(about, assume_centered=True)
    least = 1e-6 * np.trace(covariance) / len(covariance) + 1e-12
    values, axes = np.linalg.eigh(covariance)
    plain = axes / np.sqrt(np.maximum(values, least))
    return np.concatenate([plain, means @ plain]).astype(np.float32)


def least_in_set(chances: np.ndarray, coverage: float) -> float:
    """The least score of a label in a set, so that the true label is in it for that share of new rows.

    Split conformal prediction by the true label's score (LAC, Sadinle et al. 2019): of n rows the
    ceil((n + 1) coverage)-th largest; 0, so that every label is in, where there are not as many.

    Args:
        chances: The score of the true label of each validation row.
        coverage: The wanted share.
    """
    rank = math.ceil(round((len(chances) + 1) * coverage, 9))
    return 0.0 if rank > len(chances) else float(np.sort(chances)[::-1][rank - 1])


def notices(known: Calibration | None) -> list[Notice]:
    """What a person should know of the thresholds."""
    if known is None:
        return []
    found = []
    asked = known.asked
    if asked.abstain is not None and known.confident_from == NEVER:
        found.append(
            Notice(
                f"No answer will be confident: on {known.rows:,} validation rows not even the surest "
                f"are right {asked.abstain.precision:.0%} of the time (confidence.abstain.precision).",
                "warning",
                known.rows,
            )
        )
    wanted = (known.confident_from, known.in_scope_from, known.set_from)
    if known.rows < FEW and any(least is not None for least in wanted):
        found.append(
            Notice(
                f"The thresholds of `confidence` come from {known.rows} validation rows: what they "
                "reach on others may be far from what was asked (data.validation and "
                "compress.quantize.measure_rows give more).",
                "warning",
                known.rows,
            )
        )
    if known.set_from == 0.0:
        found.append(
            Notice(
                f"Every label is in every set: {known.rows} validation rows are too few for "
                f"confidence.conformal: {asked.conformal:g}.",
                "warning",
                known.rows,
            )
        )
    return found
