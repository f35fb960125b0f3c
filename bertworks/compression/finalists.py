"""The best models of a search, compressed as the agent will be: who is best then goes on.

A model that is better before pruning and int8 is not always better after them. Each finalist is pruned
and distilled for a few epochs, brought to int8 and asked for the validation rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bertworks.compression import builders
from bertworks.compression.builders import Source
from bertworks.compression.predicted import beyond, predict
from bertworks.compression.pruning.prune import ASKED, DISTILLED, prune
from bertworks.compression.pruning.shrink import Model
from bertworks.compression.quantization import TokenizedRows
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import Finalist
from bertworks.deadline import Deadline
from bertworks.progress import stage
from bertworks.runtime import engines
from bertworks.runtime.inference import Runner, batches
from bertworks.spec import Prune, Quantize
from bertworks.storage import temporary
from bertworks.storage.artifacts import Artifact
from bertworks.tasks.handler import TaskHandler
from bertworks.training.rows import LabelledRows, sample_rows

SHARE = 0.35
"""Of what is left of a run's minutes: the winner's own pruning and distillation come after it."""
START_SECONDS = 20.0
"""Of pruning and int8 on a quiet machine, beside what the rows take."""


@dataclass(frozen=True)
class Way:
    """How finalists are compressed and judged.

    Attributes:
        tokens: The rows.
        handler: The task.
        prune: The spec's section, its epochs those of a finalist.
        quantize: The spec's section.
        gates: `max_latency_ms` and `max_size_mb` of the gates; None: not asked.
    """

    tokens: Artifact
    handler: TaskHandler
    prune: Prune
    quantize: Quantize
    gates: dict[str, float | None]

    @property
    def candidate(self) -> str:
        """The form that finalists are compared in: int8 where the spec lists it."""
        listed = self.quantize.candidates
        return next((one for one in listed if one.endswith("int8")), listed[0])


def compressed(way: Way, full: Model, finalist: Finalist, until: Deadline) -> Finalist:
    """Prunes a finalist, brings it to int8, and asks it for the validation rows."""
    model = full
    if way.prune.enabled and way.prune.speedup > 1.0:
        model = prune(
            full, way.tokens, way.handler, way.prune, until=until, max_length=finalist.max_length
        ).model
    info, handler, settings = TOKENS.read(way.tokens), way.handler, way.quantize
    cut = info.task.long_text == "cut"
    source = Source(
        model.config, model.weights, handler.head(), handler.form.two_texts, finalist.max_length,
        info.special.pad,
    )  # fmt: skip

    def rows(split: str, count: int) -> LabelledRows:
        sample = sample_rows(way.tokens, split, count, settings.seed, handler.target_column)
        return sample.shortened(finalist.max_length, cut=cut)

    calibration = TokenizedRows.of(rows("train", settings.calibration_rows))
    validation = rows("validation", settings.measure_rows)
    asked = TokenizedRows.of(validation)
    with temporary.scratch() as folder:
        padded = batches(calibration.ids, calibration.types, size=16, pad=source.pad)
        engine = builders.BUILDERS[way.candidate](source, padded, folder)
        runner = Runner(engines.load(folder, engine, settings.threads), pad=source.pad)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        logits = runner.logits(asked.ids, asked.types)
    value = handler.metric(None, validation.truth, validation.combine(logits))
    predicted = predict(
        model.config, handler.head(), pair=source.pair, lengths=info.length_quantiles or [0.0] * 7,
        max_length=finalist.max_length,
    )  # fmt: skip
    why = beyond(
        replace(predicted, size_mb=size), way.gates["max_latency_ms"], way.gates["max_size_mb"]
    )
    return replace(finalist, compressed=value, size_mb=round(size, 3), note=why)


def choose(
    way: Way,
    finalists: Sequence[Finalist],
    load: Callable[[Finalist], Model],
    until: Deadline,
    rate: float,
    known: Sequence[Finalist] = (),
    keep: Callable[[Sequence[Finalist]], None] = lambda found: None,
) -> list[Finalist]:
    """Every finalist with what it is worth compressed, the one that goes on first.

    Args:
        way: How.
        finalists: By their value before, the best first.
        load: A finalist's model.
        until: When it should be done; finalists for which no time is left keep their places.
        rate: Tokens a second at which they were trained, by which the time is told; 0: not known.
        known: What an earlier try of the same choice found out.
        keep: Told of what is known after each.
    """
    earlier = {one.trials[0]: one for one in known}
    pruned = way.prune.enabled and way.prune.speedup > 1.0
    share = until.earlier((1 - SHARE) * until.left) if pruned else until
    found: list[Finalist] = []
    slowest = _expected(way, rate)
    with stage("compressing finalists", total=len(finalists), unit="models") as progress:
        for place, finalist in enumerate(finalists):
            done = earlier.get(finalist.trials[0])
            # One alone would be compared with nothing; and without the best one none of the others is
            # compared with it.
            needed = slowest * (2 if place == 0 else 1)
            passed_over = bool(found) and found[0].compressed is None
            if done is None and (passed_over or share.left < needed):
                done = replace(finalist, note="not compressed: no time was left")
            if done is None:
                before = share.left
                done = compressed(way, load(finalist), finalist, share)
                slowest = max(before - share.left, 0.0) if before < float("inf") else 0.0
            found.append(done)
            keep(found)
            progress.advance(1)
    return sorted(found, key=_Rank(way.handler, found).of)


def _expected(way: Way, rate: float) -> float:
    """Seconds that a finalist takes, before one was timed."""
    tokens = TOKENS.read(way.tokens)
    lengths = tokens.length_quantiles
    epoch = tokens.rows.get("train", 0) * (lengths[2] if lengths else 0.0) / rate if rate else 0.0
    if not way.prune.enabled or way.prune.speedup <= 1.0:
        return START_SECONDS / 2
    return START_SECONDS + (ASKED + DISTILLED * way.prune.epochs) * epoch


class _Rank:
    """Those within the limits first, the best compressed one before the others."""

    def __init__(self, handler: TaskHandler, all_of_them: Sequence[Finalist]) -> None:
        self._handler, self._all = handler, list(all_of_them)

    def of(self, one: Finalist) -> tuple[bool, int, int]:
        """Its rank; what was not compressed comes after what was, as it stood before."""
        place = self._all.index(one)
        if one.compressed is None:
            return False, len(self._all), place
        better = sum(
            other.compressed is not None
            and self._handler.is_better(None, other.compressed, one.compressed)
            for other in self._all
        )
        return bool(one.note), better, place
