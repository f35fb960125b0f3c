"""The quantize step's work: build candidate graphs, measure each on this machine, take the best.

Each candidate answers the validation rows, which gives its drop against the float32 graph; then all
are timed in rounds, in turn. What is chosen by that stands in `choosing`.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.compression import builders
from bertworks.compression.builders import Source
from bertworks.compression.candidates import Candidate, Limits
from bertworks.compression.choosing import FEW, TELLING, choose, settled, undecided
from bertworks.contracts.latency import Load
from bertworks.cpus import available_threads
from bertworks.deadline import Deadline
from bertworks.errors import BertworksError
from bertworks.evaluation.gating.drops import Drop, best_by_chance
from bertworks.progress import stage
from bertworks.runtime import engines
from bertworks.runtime.engines import Floats
from bertworks.runtime.inference import ROWS, PaddedBatch, Runner, TokenIds, batches
from bertworks.shortened import shortened
from bertworks.spec import Quantize
from bertworks.tasks.predictions import Predictions
from bertworks.timing import Product, latency_of, load_of, milliseconds
from bertworks.training.rows import LabelledRows

LOOKS = (FEW, 9, 18, 27)
"""After so many rounds the choice is looked at; what was settled needs no more."""
SECONDS = 120.0  # after so long no further rounds are begun, if there were enough to tell anything
ROUND_SECONDS = 5.0  # for the first rounds of timing
SURELY_TRIED = 2  # candidates, the baseline among them, that are tried even where no time is left
NO_TIME = "not tried: the run's minutes were over"
TIMED_ROWS = (128, 512)  # a round, at least and at most
SINGLE_ROWS = 24  # rows timed one at a time in each round
EVERY = 8  # rows alone between two products
Answers = Callable[[list[Floats]], Predictions]


@dataclass(frozen=True)
class TokenizedRows:
    """Token ids of labelled rows, with token types for pairs.

    Attributes:
        ids: A row's.
        types: Likewise; None: not pairs.
        company: How many of the rows, the last ones, are not asked when it serves, and not timed.
    """

    ids: Sequence[TokenIds]
    types: Sequence[TokenIds] | None = None
    company: int = 0

    @classmethod
    def of(cls, rows: LabelledRows) -> TokenizedRows:
        """What a graph takes of labelled rows."""
        types = None if rows.type_ids is None else list(rows.type_ids)
        return cls(list(rows.input_ids), types, rows.company)

    def first(self, count: int) -> TokenizedRows:
        """The first `count` rows."""
        return TokenizedRows(self.ids[:count], None if self.types is None else self.types[:count])


@dataclass(frozen=True)
class Scoring:
    """How answers are judged.

    Attributes:
        metric: The run's metric.
        answers: Truth and answers from the logits of the validation rows.
    """

    metric: str
    answers: Answers


@dataclass(frozen=True)
class Compressed:
    """Every candidate, one of them chosen, and how busy the machine was when they were timed.

    The candidates are in the order of the spec, after "onnxruntime-fp32", which is always measured.
    """

    candidates: list[Candidate]
    load: Load

    @property
    def chosen(self) -> Candidate:
        """The one that goes into the bundle."""
        return next(one for one in self.candidates if one.chosen)


def compress(
    source: Source,
    settings: Quantize,
    limits: Limits,
    calibration: TokenizedRows,
    validation: TokenizedRows,
    scoring: Scoring,
    folder: Path,
    until: Deadline | None = None,
) -> Compressed:
    """Builds, measures and chooses.

    Args:
        source: The model.
        settings: Which candidates, threads, what "fastest" means.
        limits: What the bundle will be held against.
        calibration: Training rows, for the activations' ranges.
        validation: Rows to score, in random order; at least one. The first 128 to 512 are timed.
        scoring: How the validation rows' logits are judged.
        folder: Where the candidates' graphs are built, a folder each.
        until: When it should be done: candidates after the second, and rounds of timing after the third,
            are left out where they do not fit.

    Raises:
        EnvironmentFault: Not even the float32 graph runs.
    """
    until = until or Deadline()
    names = list(dict.fromkeys([builders.BASELINE, *settings.candidates]))
    candidates = [Candidate(name, folder / name) for name in names]
    scorer = _Scorer(validation, scoring, limits.confidence)
    slowest = 0.0
    with stage("building candidates", total=len(candidates), unit="graphs") as progress:
        for place, candidate in enumerate(_in_order(candidates)):
            before = until.left
            if place >= SURELY_TRIED and before < ROUND_SECONDS + slowest:
                candidate.reason = NO_TIME
                continue
            _build(candidate, source, calibration, settings)
            scorer.score(candidate)
            slowest = max(slowest, before - until.left)
            progress.advance(1, candidate.name)
    rounds = _Rounds(candidates, validation, settings, limits, source.pad)
    load = rounds.run(until.left)
    choose(candidates, settings.prefer, settings.candidates)
    return Compressed(candidates, load)


def _build(
    candidate: Candidate, source: Source, calibration: TokenizedRows, settings: Quantize
) -> None:
    """Builds and loads; a failure is noted in the candidate and stops nothing."""
    candidate.folder.mkdir(parents=True)
    try:
        build = builders.BUILDERS[candidate.name]
        rows = batches(calibration.ids, calibration.types, size=16, pad=source.pad)
        candidate.engine = build(source, rows, candidate.folder)
        candidate.loaded = engines.load(candidate.folder, candidate.engine, settings.threads)
        candidate.runner = Runner(candidate.loaded, pad=source.pad)
        files = [file for file in candidate.folder.iterdir() if file.is_file()]
        candidate.size_mb = sum(file.stat().st_size for file in files) / 1e6
    except Exception as error:  # an engine may fail in any way; the others must still be tried
        _fail(candidate, error)


def _fail(candidate: Candidate, error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error  # no other candidate would fare better
    message = error.message if isinstance(error, BertworksError) else f"{error}"
    candidate.reason = shortened(f"{type(error).__name__}: {message}", 500)
    candidate.engine = candidate.loaded = candidate.runner = candidate.metric = None
    candidate.batch_ms, candidate.alone_ms = [], []


def _in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The baseline, those in int8, the others: should time run out, the most promising were tried."""
    return sorted(
        candidates, key=lambda one: (one.name != builders.BASELINE, "int8" not in one.name)
    )


class _Scorer:
    """Metric and drop of each on the same rows; a failure is noted, as when building.

    The first one that is scored is what the others are compared with.
    """

    def __init__(self, rows: TokenizedRows, scoring: Scoring, confidence: float) -> None:
        self.rows, self.scoring, self.confidence = rows, scoring, confidence
        self._baseline: Predictions | None = None
        self._lost = False

    def score(self, candidate: Candidate) -> None:
        """Scores one."""
        if candidate.runner is None or self._lost:
            return
        metric, confidence = self.scoring.metric, self.confidence
        try:  # scoring also warms the engine up
            candidate.logits = candidate.runner.logits(self.rows.ids, self.rows.types)
            answers = self.scoring.answers(candidate.logits)
            if self._baseline is None:
                self._baseline = answers
            candidate.metric, candidate.at_best = best_by_chance(answers, metric, confidence)
            candidate.drop = Drop.between(answers, self._baseline, metric, confidence)
        except Exception as error:  # see _build
            _fail(candidate, error)
        if self._baseline is None:
            self._lost = True  # nothing to compare with: `choose` says so


class _Rounds:
    """Times the candidates in turn, each round in another order, a fixed product between them."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        rows: TokenizedRows,
        settings: Quantize,
        limits: Limits,
        pad: int,
    ) -> None:
        self.candidates, self.settings, self.limits = candidates, settings, limits
        threads = settings.threads or available_threads()
        self.product = Product(threads)
        least, most = TIMED_ROWS
        rows = rows.first(len(rows.ids) - rows.company)
        self.batch = rows.first(min(most, max(least, 4 * ROWS * threads)))
        self.singles = _singles(batches(rows.ids, rows.types, size=1, pad=pad))
        self.times: dict[str, list[list[float]]] = {one.name: [] for one in candidates}
        self.products: list[float] = [milliseconds(self.product.run)]

    def run(self, left: float) -> Load:
        """Rounds until the choice is settled, there were enough of them, or time is over.

        Args:
            left: Seconds that the run has for them.
        """
        began, order = time.monotonic(), np.random.default_rng(0)
        running = [one for one in self.candidates if one.runner is not None]
        with stage("measuring candidates", total=LOOKS[-1], unit="rounds") as progress:
            for number in range(1, LOOKS[-1] + 1):
                for place in order.permutation(len(running)):
                    try:
                        self._time(running[place])
                    except Exception as error:  # see _build
                        _fail(running[place], error)
                running = [one for one in running if one.runner is not None]
                progress.advance(1)
                spent = time.monotonic() - began
                over = (spent > left and number >= FEW) or (spent > SECONDS and number >= TELLING)
                if over or number in LOOKS:
                    self._judge()
                    if over or settled(running, self.settings.prefer, self.settings.candidates):
                        break
                    running = undecided(running, self.settings.candidates)
        return load_of(self.products)

    def _time(self, candidate: Candidate) -> None:
        assert candidate.runner is not None
        assert candidate.loaded is not None
        self.products.append(milliseconds(self.product.run))
        spent = milliseconds(candidate.runner.logits, self.batch.ids, self.batch.types)
        alone = []
        for number, single in enumerate(self.singles):
            if number % EVERY == 0:
                self.products.append(milliseconds(self.product.run))
            alone.append(milliseconds(single.run, candidate.loaded))
        candidate.batch_ms.append(spent / len(self.batch.ids))
        candidate.alone_ms.append(float(np.median(alone)))
        self.times[candidate.name].append(alone)

    def _judge(self) -> None:
        load = load_of(self.products)
        lengths = [int(one.lengths[0]) for one in self.singles]
        for one in self.candidates:
            if self.times[one.name]:
                one.latency = latency_of(np.array(self.times[one.name]), lengths, load)
            one.judge(self.limits)


def _singles(rows: list[PaddedBatch]) -> list[PaddedBatch]:
    """Evenly spaced over the lengths, in the same mixed order for all."""
    places = np.unique(np.linspace(0, len(rows) - 1, SINGLE_ROWS).round().astype(int))
    return [rows[place] for place in np.random.default_rng(0).permutation(places)]


def take(candidate: Candidate, folder: Path) -> None:
    """Moves the chosen candidate's graph into a bundle that is being written."""
    for file in sorted(candidate.folder.iterdir()):
        shutil.move(file, folder / file.name)
