"""The quantize step's work: build candidate graphs, measure each on this machine, take the best.

The rule: the fastest candidate whose metric on validation rows is at most `max_drop` below that of
the float32 graph; `prefer` says whether batches, single rows or both count. The float32 graph is
measured always and wins when no other keeps within the limit.
"""

from __future__ import annotations

import errno
import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from bertworks import html
from bertworks.compression import builders, engines
from bertworks.compression.builders import Source
from bertworks.compression.engines import Engine, Floats
from bertworks.compression.inference import ROWS, Batch, Runner, TokenIds, batches
from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.progress import stage
from bertworks.spec import Quantize

ROUNDS = 5
TIMED_ROWS = 512
SINGLE_ROWS = 40  # rows timed one at a time in each round
Score = Callable[[list[Floats]], float]


@dataclass(frozen=True)
class Rows:
    """Token ids of labelled rows, with token types for pairs."""

    ids: Sequence[TokenIds]
    types: Sequence[TokenIds] | None = None

    def first(self, count: int) -> Rows:
        """The first `count` rows."""
        return Rows(self.ids[:count], None if self.types is None else self.types[:count])


@dataclass
class Candidate:
    """One graph on one engine, and what was measured of it.

    Attributes:
        name: As in the spec, for example "onnxruntime-int8".
        folder: Where its graph lies.
        engine: agent.json's "engine": name, file, options; None when it could not be built.
        metric: The task's metric on validation rows.
        rows_per_second: In length-sorted batches, as the agent runs them; median of the rounds.
        latency_ms: Median of one row at a time.
        p95_ms: 95th percentile of one row at a time.
        size_mb: Bytes of the graph, 10^6.
        chosen: Whether it goes into the bundle.
        reason: Why it was chosen or not; the error when it could not be built or run.
    """

    name: str
    folder: Path
    engine: dict[str, Any] | None = None
    metric: float | None = None
    rows_per_second: float | None = None
    latency_ms: float | None = None
    p95_ms: float | None = None
    size_mb: float | None = None
    chosen: bool = False
    reason: str = ""
    loaded: Engine | None = field(default=None, repr=False)
    runner: Runner | None = field(default=None, repr=False)

    def cost_ms(self, prefer: str) -> float:
        """Milliseconds that the choice goes by.

        A row in a batch ("throughput"), a row alone at the 95th percentile ("latency"), or the sum of
        the two: an engine that is fast in batches but stumbles over single rows serves badly.
        """
        batch = 1000 / self.rows_per_second if self.rows_per_second else math.inf
        single = self.p95_ms if self.p95_ms is not None else math.inf
        return {"throughput": batch, "latency": single, "balanced": batch + single}[prefer]

    def to_json(self) -> dict[str, Any]:
        """The entry in agent.json's "candidates"."""
        names = (
            "name", "metric", "rows_per_second", "latency_ms", "p95_ms", "size_mb", "chosen",
            "reason",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def compress(
    source: Source,
    settings: Quantize,
    calibration: Rows,
    validation: Rows,
    score: Score,
    folder: Path,
) -> list[Candidate]:
    """Builds, measures and chooses.

    Args:
        source: The model.
        settings: Which candidates, the largest drop, threads.
        calibration: Training rows, for the activations' ranges.
        validation: Rows to score, in random order; at least one. The first 512 are timed.
        score: The metric of the validation rows' logits; higher is better.
        folder: Where the candidates' graphs are built, a folder each.

    Returns:
        The candidates in the order of the spec, after "onnxruntime-fp32", which always takes part;
        exactly one is chosen.

    Raises:
        EnvironmentFault: Not even the float32 graph runs.
    """
    names = list(dict.fromkeys([builders.BASELINE, *settings.candidates]))
    candidates = [Candidate(name, folder / name) for name in names]
    with stage("building candidates", total=len(candidates), unit="graphs") as progress:
        for candidate in candidates:
            _build(candidate, source, calibration, settings)
            progress.advance(1, candidate.name)
    _measure(candidates, validation, score, source.pad)
    choose(candidates, settings.max_drop, settings.prefer)
    return candidates


def choose(candidates: Sequence[Candidate], max_drop: float, prefer: str = "balanced") -> Candidate:
    """Marks the fastest candidate within the limit, and writes down why for each.

    Args:
        candidates: Measured; the first is the float32 baseline.
        max_drop: Largest loss of the metric against the baseline.
        prefer: What "fastest" means; see `Candidate.cost_ms`.

    Returns:
        The chosen one.
    """
    baseline = candidates[0]
    if baseline.metric is None:
        raise EnvironmentFault(
            f"The float32 graph cannot be run: {baseline.reason}",
            "Check the installation of onnxruntime.",
        )
    kept = []
    for candidate in candidates:
        if candidate.metric is None or candidate.rows_per_second is None:
            continue
        drop = baseline.metric - candidate.metric
        # Rounding of the difference of two shares must not refuse a drop that equals the limit.
        if drop <= max_drop + 1e-9:
            kept.append(candidate)
        else:
            candidate.reason = f"metric falls by {drop:.4f}, more than {max_drop:g}"
    winner = min(kept, key=lambda candidate: candidate.cost_ms(prefer))
    for candidate in kept:
        candidate.reason = "slower than the chosen one"
    winner.chosen = True
    winner.reason = (
        "fastest within the limit"
        if len(kept) > 1
        else "no other candidate keeps the metric within the limit"
        if len(candidates) > 1
        else "the only candidate"
    )
    return winner


def page(candidates: Sequence[Candidate], metric: str, threads: int) -> str:
    """candidates.html: the table of all candidates and a chart of their speed."""
    headers = [
        "candidate", metric, "rows/s", "one row, ms", "p95, ms", "graph, MB", "", "reason",
    ]  # fmt: skip
    rows = [
        [
            one.name,
            _shown(one.metric, 4),
            _shown(one.rows_per_second, 0),
            *(_shown(value, 2) for value in (one.latency_ms, one.p95_ms, one.size_mb)),
            "chosen" if one.chosen else "",
            one.reason,
        ]
        for one in candidates
    ]
    timed = [one for one in candidates if one.rows_per_second is not None]
    chart = html.bar_chart(
        [one.name for one in timed], [one.rows_per_second or 0.0 for one in timed], "rows/s"
    )
    note = Markup("<p>{}</p>").format(
        f"Measured on validation rows with {threads} CPU threads: speed in batches of at most {ROWS} "
        f"rows sorted by length, one thread each, latency one row at a time; medians of {ROUNDS} "
        "interleaved rounds. The fastest candidate that keeps the metric within the limit is chosen."
    )
    table = html.table(headers, rows, numeric_columns=[1, 2, 3, 4, 5])
    return html.page("Quantization candidates", note + table + chart)


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _build(candidate: Candidate, source: Source, calibration: Rows, settings: Quantize) -> None:
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
    candidate.reason = f"{type(error).__name__}: {message}"[:500]
    candidate.engine = candidate.loaded = candidate.runner = candidate.metric = None


def _measure(candidates: Sequence[Candidate], rows: Rows, score: Score, pad: int) -> None:
    """Scores each candidate, then times them in turn, so that disturbances fall on all alike."""
    for candidate in candidates:
        if candidate.runner is not None:
            try:  # scoring also warms the engine up
                candidate.metric = score(candidate.runner.logits(rows.ids, rows.types))
            except Exception as error:  # see _build
                _fail(candidate, error)
    running = [one for one in candidates if one.runner is not None]
    timed = rows.first(TIMED_ROWS)
    single = _singles(batches(timed.ids, timed.types, size=1, pad=pad))
    throughput: dict[str, list[float]] = {one.name: [] for one in running}
    latency: dict[str, list[float]] = {one.name: [] for one in running}
    with stage("measuring candidates", total=ROUNDS * len(running), unit="rounds") as progress:
        for _ in range(ROUNDS):
            for candidate in running:
                runner, engine = candidate.runner, candidate.loaded
                assert runner is not None
                assert engine is not None
                seconds = _seconds(runner.logits, timed.ids, timed.types)
                throughput[candidate.name].append(len(timed.ids) / seconds)
                latency[candidate.name] += [_seconds(one.run, engine) for one in single]
                progress.advance(1, f"{candidate.name} {throughput[candidate.name][-1]:.0f} rows/s")
    for candidate in running:
        candidate.rows_per_second = statistics.median(throughput[candidate.name])
        candidate.latency_ms, candidate.p95_ms = (
            float(1e3 * value) for value in np.percentile(latency[candidate.name], [50, 95])
        )


def _singles(rows: list[Batch]) -> list[Batch]:
    """Evenly spaced over the lengths, in the same mixed order for all."""
    places = np.unique(np.linspace(0, len(rows) - 1, SINGLE_ROWS).round().astype(int))
    return [rows[place] for place in np.random.default_rng(0).permutation(places)]


def _seconds(work: Callable[..., object], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def take(candidate: Candidate, folder: Path) -> None:
    """Moves the chosen candidate's graph into a bundle that is being written."""
    for file in sorted(candidate.folder.iterdir()):
        shutil.move(file, folder / file.name)
