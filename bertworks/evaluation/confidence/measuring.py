"""How sure a bundle's answers are, and how right: on validation, which chose it, and on test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bertworks.contracts.confidence import (
    Calibration,
    Kept,
    MeasuredConfidence,
    OutOfScope,
    OutsideSource,
    SplitConfidence,
)
from bertworks.evaluation.calibration import by_chance
from bertworks.evaluation.data import Columns, test_rows
from bertworks.evaluation.predictions import decode
from bertworks.notices import Notice
from bertworks.runtime.agent import Agent
from bertworks.runtime.confidence import marks
from bertworks.runtime.loading import Asked, ask, read
from bertworks.spec import Clean
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import measuring as task_measuring
from bertworks.tasks.handler import Choices
from bertworks.tasks.measuring import mean_auc, softmax

POINTS = 50
"""Of the risk-coverage curve, at most."""


def measured(
    agent: Agent,
    asked: Asked,
    examples: Artifact,
    tokens: Artifact,
    outside: Columns,
    cleaned: Clean | None,
) -> MeasuredConfidence | None:
    """What confidence.json holds.

    Args:
        agent: The loaded bundle.
        asked: The test rows, and the bundle's logits of them.
        examples: Examples artifact, of which the validation rows are asked.
        tokens: Tokens artifact of the same examples.
        outside: The texts that are out of scope, see `data.outside_rows`.
        cleaned: What the rows were cleaned by.

    Returns:
        None where it keeps no calibration (older bundles), or its task has no probabilities.
    """
    known = agent.info.calibration
    if known is None:
        return None
    rows = test_rows(agent.task, examples, tokens, "validation")
    splits = {"validation": ask(agent, rows, cleaned), "test": asked}
    found = {name: _of_split(agent, known, one) for name, one in splits.items()}
    told = None
    if outside["text"] and known.in_scope_from is not None:
        there = read(agent, agent.encode(outside["text"], cleaned=cleaned)).scope
        here = asked.read.scope
        assert there is not None and here is not None  # the bundle has a threshold for them
        told = out_of_scope(there, here, known.in_scope_from, outside["source"])
    return MeasuredConfidence(known.temperature, found, told)


def _of_split(agent: Agent, known: Calibration, asked: Asked) -> SplitConfidence:
    answers = decode(agent.task, agent.labels, asked.rows, asked.logits, agent.info.score)
    choices = agent.handler.choices(asked.rows, asked.logits)
    assert choices is not None  # the bundle has a calibration
    wide, truth = choices
    sure = answers.confidence()
    right = agent.handler.scores.badness(answers) == 0
    said = marks(known, sure, asked.read)
    confident = said.confident
    return SplitConfidence(
        rows=len(answers),
        error_before=calibration_error((wide * known.temperature, truth)),
        error=calibration_error(choices),
        chance=by_chance(softmax(wide).max(axis=1)),
        accuracy=float(right.mean()),
        curve=curve(sure, right),
        coverage=_share(confident),
        confident_accuracy=None if confident is None else _share(right[confident]),
        refused=_share(said.out_of_scope),
        set_coverage=None if said.sets is None else _share(_held(said.sets, asked.rows)),
        set_size=None if said.sets is None else float(said.sets.sum(axis=1).mean()),
    )


def calibration_error(choices: Choices) -> float:
    """The expected calibration error of the likeliest labels (Guo et al. 2017, section 2)."""
    logits, truth = choices
    right = logits.argmax(axis=1) == truth
    gaps = task_measuring.calibration_gaps(softmax(logits).max(axis=1), right.astype(float))
    return float(task_measuring.calibration_error(gaps, np.ones((1, len(gaps))))[0])


def curve(sure: np.ndarray, right: np.ndarray) -> list[Kept]:
    """The risk-coverage curve (El-Yaniv & Wiener 2010): accuracy of the surest rows, of ever more."""
    if not len(sure):
        return []
    order = np.argsort(-sure, kind="stable")
    counts = np.unique(np.linspace(1, len(sure), min(POINTS, len(sure))).round().astype(int))
    shares = np.cumsum(right[order])[counts - 1] / counts
    return [Kept(int(n) / len(sure), float(share)) for n, share in zip(counts, shares, strict=True)]


def out_of_scope(
    outside: np.ndarray, inside: np.ndarray, least: float, sources: Sequence[str] = ()
) -> OutOfScope:
    """How well scope scores tell texts that are out of scope.

    Args:
        outside: Their scope scores.
        inside: Those of the test rows.
        least: The bundle's threshold.
        sources: Where each of the texts is from; none: it is not told by source.
    """
    scores = -np.concatenate([outside, inside])[:, None]
    is_outside = np.arange(len(scores))[:, None] < len(outside)
    area = mean_auc(scores, is_outside.astype(float), range(1))(np.ones((1, len(scores))))[0]
    found = outside < least
    names = np.asarray(sources)
    each = [
        OutsideSource(name, int((names == name).sum()), float(found[names == name].mean()))
        for name in dict.fromkeys(sources)
    ]
    return OutOfScope(len(outside), float(found.mean()), float(area), each)


def values(found: MeasuredConfidence | None) -> Iterator[tuple[str, float | None]]:
    """What the step tells of it, by name; on the test rows."""
    if found is None:
        return
    test = found.splits["test"]
    yield "temperature", found.temperature
    yield "calibration_error", test.error
    yield "calibration_error_before", test.error_before
    yield "coverage", test.coverage
    yield "confident_accuracy", test.confident_accuracy
    yield "in_scope_refused", test.refused
    if found.out_of_scope is not None:
        yield "out_of_scope_recall", found.out_of_scope.recall
        yield "out_of_scope_auroc", found.out_of_scope.auroc
    yield "set_coverage", test.set_coverage
    yield "set_size", test.set_size


def notices(found: MeasuredConfidence | None, outside: int) -> list[Notice]:
    """What the console tells of it, and that rows which are out of scope were not measured.

    Args:
        found: As from `measured`.
        outside: How many texts of the examples are out of scope.
    """
    told = [] if found is None else [Notice(_told(found), count=found.splits["test"].rows)]
    if outside and (found is None or found.out_of_scope is None):
        text = "the bundle keeps no threshold for them, so that none is told"
        told.append(Notice(f"{outside:,} texts are out of scope: {text}", "warning", outside))
    return told


def _told(found: MeasuredConfidence) -> str:
    validation, test = found.splits["validation"], found.splits["test"]
    text = (
        f"calibration error {test.error:.3f} on {test.rows:,} test rows ({test.error_before:.3f} "
        f"without the temperature of {found.temperature:.3f}; on validation {validation.error:.3f}, "
        f"{validation.error_before:.3f})"
    )
    if test.coverage is not None:
        right = test.confident_accuracy
        of_these = "" if right is None else f", {right:.1%} of these right"
        text += f"; confident: {test.coverage:.1%} of the test rows{of_these}"
    if test.refused is not None:
        text += f"; taken for out of scope: {test.refused:.1%} of them"
    if found.out_of_scope is not None:
        text += (
            f", {found.out_of_scope.recall:.1%} of the {found.out_of_scope.rows:,} texts that are"
        )
    if test.set_coverage is not None:
        text += (
            f"; sets of {test.set_size:.1f} labels hold the true one for {test.set_coverage:.1%}"
        )
    return text


def _share(which: np.ndarray | None) -> float | None:
    return None if which is None or not len(which) else float(which.mean())


def _held(sets: np.ndarray, rows: Columns) -> np.ndarray:
    """Whether each row's set holds its true label; a label that is not known is in none."""
    truth = np.asarray(rows["truth"], np.int64)
    return np.where(truth >= 0, sets[np.arange(len(truth)), truth], False)
