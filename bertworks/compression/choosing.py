"""Which candidate goes into the bundle.

First what the spec's limits and gates will ask; among those that fit the fastest, by paired rounds;
where the rounds do not tell two apart, the smaller.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from bertworks.compression.candidates import OWN_DROP, Candidate, names
from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice
from bertworks.spec.task_kinds import lower_is_better

MARGIN = 1.02  # times as fast; less is no reason for a larger bundle
LEVEL = 0.01  # of the test that tells two candidates apart
TELLING = 7  # rounds: with fewer the test can tell nothing at that level, as 2**-6 is above it
FAR, FEW = 2.0, 3  # who takes so many times as long in each of so many rounds needs no test


def choose(
    candidates: Sequence[Candidate], prefer: str = "balanced", listed: Collection[str] | None = None
) -> Candidate:
    """Marks one candidate as chosen, and writes down why for each.

    The float32 baseline wins over others that fit only where the spec lists it and the rounds tell it
    faster. Where none fits every limit, the nearest to the gates is taken among those within
    compress.quantize.max_drop.

    Args:
        candidates: Measured and judged; the first is the float32 baseline.
        prefer: What "fastest" means; see `Candidate.cost_ms`.
        listed: The names in the spec; None: all.

    Raises:
        EnvironmentFault: The float32 graph does not run.
    """
    if not candidates[0].ran:
        raise EnvironmentFault(
            f"The float32 graph cannot be run: {candidates[0].reason}",
            "Check the installation of onnxruntime.",
        )
    ran = [one for one in candidates if one.ran]
    fit = contenders(candidates, listed)
    winner = fastest(fit, prefer) if fit else _nearest(ran)
    winner.chosen = True
    for one in ran:
        one.reason = _why_not(one, winner, prefer, one in fit)
    winner.reason = _why(winner, fit, ran, prefer)
    return winner


def contenders(
    candidates: Sequence[Candidate], listed: Collection[str] | None = None
) -> list[Candidate]:
    """Those that meet every limit; the baseline only where it is listed, or alone."""
    fit = [one for one in candidates if one.ran and not one.broken]
    others = [one for one in fit if listed is None or one.name in listed]
    return others or fit


def fastest(fit: Sequence[Candidate], prefer: str) -> Candidate:
    """The smallest of those than which no other is told faster."""
    front = [one for one in fit if not any(is_faster(other, one, prefer) for other in fit)]
    return min(front or fit, key=lambda one: (one.size_mb or math.inf, fit.index(one)))


def is_faster(one: Candidate, other: Candidate, prefer: str) -> bool:
    """Whether the rounds that both ran tell `one` faster than `other`.

    A one-sided Wilcoxon signed-rank test (Wilcoxon 1945) of the logarithms of each round's ratio: the
    rounds are interleaved, so what disturbs the machine falls on both alike, and a few disturbed
    rounds do not decide. What lies far apart in each of the first rounds needs no test.
    """
    from scipy.stats import wilcoxon

    if one is other:
        return False
    times = ratios(other, one, prefer)
    if len(times) >= FEW and times.min() > FAR:
        return True
    gains = np.log(times) - math.log(MARGIN)
    if len(gains) < 2 or not gains.any():
        return False
    return bool(wilcoxon(gains, alternative="greater").pvalue < LEVEL)


def ratios(slow: Candidate, fast: Candidate, prefer: str) -> np.ndarray:
    """How many times as long `slow` took as `fast`, one a round that both ran."""
    first, second = slow.cost_ms(prefer), fast.cost_ms(prefer)
    rounds = min(len(first), len(second))
    return np.asarray(first[:rounds] / second[:rounds])


def settled(
    candidates: Sequence[Candidate], prefer: str, listed: Collection[str] | None = None
) -> bool:
    """Whether more rounds can change nothing: one is told faster than all others that fit.

    Where a latency could not be told, or the machine was busy when it broke its limit, they can.
    """
    if any(_in_doubt(one) for one in candidates):
        return False
    fit = contenders(candidates, listed)
    if not fit:
        return True
    best = fastest(fit, prefer)
    return all(one is best or is_faster(best, one, prefer) for one in fit)


def undecided(
    candidates: Sequence[Candidate], listed: Collection[str] | None = None
) -> list[Candidate]:
    """Those that more rounds may let win: that no limit rules out which needs no clock."""
    fit = contenders(candidates, listed)
    return [one for one in candidates if one in fit or _in_doubt(one)]


def _in_doubt(one: Candidate) -> bool:
    """Whether all that stands against it is a latency that was measured on a busy machine."""
    against = [check for check in one.checks if not check.met]
    busy = one.latency is not None and one.latency.load.busy
    return busy and [check.setting for check in against] == ["gates.max_latency_ms"]


def notices(candidates: Sequence[Candidate]) -> list[Notice]:
    """What a person should know of the choice: who, why, and what no gate can be told."""
    chosen = next(one for one in candidates if one.chosen)
    found = [Notice(f"{chosen.name} was chosen: {chosen.reason}; {_measured(chosen)}.", more=PAGE)]
    if chosen.broken:
        broken = "; ".join(f"{check.setting}: {check.said}" for check in chosen.broken)
        left = [one for one in candidates if one is not chosen and one.ran and one.broken]
        others = "".join(f" {one.name} was left out: {one.reason}." for one in left)
        found.append(
            Notice(
                f"No candidate meets every limit: the gates will refuse {chosen.name} ({broken})."
                f"{others} {_relief(candidates)}, or list other candidates in "
                "compress.quantize.candidates.",
                "warning",
                more=PAGE,
            )
        )
    else:
        left = [one for one in candidates if one.ran and one.broken]
        found += [Notice(f"{one.name} was left out: {one.reason}.", more=PAGE) for one in left]
    failed = [one for one in candidates if not one.ran]
    if failed:
        said = "; ".join(f"{one.name}: {one.reason}" for one in failed)
        found.append(
            Notice(f"Could not be built or run here: {said}", "warning", len(failed), PAGE)
        )
    return found + _cannot_tell(chosen)


PAGE = "candidates.html of the bundle"


def _cannot_tell(chosen: Candidate) -> list[Notice]:
    found = []
    for check in chosen.checks:
        drop = chosen.drop
        if check.setting == OWN_DROP and drop is not None and check.limit < drop.resolution:
            found.append(
                Notice(
                    f"{OWN_DROP} is {check.limit:g}, but {drop.rows} validation rows tell only drops of "
                    f"about {drop.resolution:.4f} from chance: smaller ones may pass unseen. More rows "
                    "tell more: compress.quantize.measure_rows, data.validation.",
                    count=drop.rows,
                )
            )
        if check.met is None:
            found.append(Notice(f"{check.setting} could not be judged: {check.said}.", "warning"))
    return found


def _relief(candidates: Sequence[Candidate]) -> str:
    """What would let a candidate pass, each setting once: most are raised, a minimum is lowered."""
    raised: dict[str, None] = {}
    lowered: dict[str, None] = {}
    for one in candidates:
        for check in one.broken:
            # Where less of the metric is better, `minimum` is the most that it may be.
            least = one.drop is not None and not lower_is_better(one.drop.metric)
            kind = lowered if check.setting == "gates.minimum" and least else raised
            kind[check.setting] = None
    verbs = {"raise": raised, "lower": lowered}
    told = " or ".join(f"{verb} {' or '.join(names)}" for verb, names in verbs.items() if names)
    return told[0].upper() + told[1:]


def _nearest(ran: Sequence[Candidate]) -> Candidate:
    """The least beyond the gates' limits, of those within the step's own; the baseline always is."""
    accurate = [one for one in ran if all(check.setting != OWN_DROP for check in one.broken)]
    return min(accurate, key=lambda one: (max(check.excess for check in one.broken), one.size_mb))


def _why_not(one: Candidate, winner: Candidate, prefer: str, fits: bool) -> str:
    if one.broken:
        return "; ".join(check.said for check in one.broken)
    if not fits:
        return "for comparison only: compress.quantize.candidates does not list it"
    times = ratios(one, winner, prefer)
    slower = (
        f"{np.median(times):.2f} times the chosen one's time, longer in {int((times > 1).sum())}"
    )
    slower += f" of {len(times)} rounds"
    if is_faster(winner, one, prefer):
        return f"slower: {slower}"
    return f"larger, and the rounds do not tell it faster: {slower}"


def _why(winner: Candidate, fit: list[Candidate], ran: list[Candidate], prefer: str) -> str:
    if not fit:
        if len(ran) == 1:
            return "the only one that could be run; " + "; ".join(c.said for c in winner.broken)
        return "none meets every limit, this one is nearest; " + "; ".join(
            check.said for check in winner.broken
        )
    others = [one for one in fit if one is not winner]
    if not others:
        return "the only candidate" if len(ran) == 1 else "the only one that meets every limit"
    alike = [one for one in others if not is_faster(winner, one, prefer)]
    rounds = len(winner.batch_ms)
    if not alike:
        return f"fastest of {len(fit)} that meet every limit, in {rounds} paired rounds"
    return f"smallest; {rounds} paired rounds do not tell {names(alike)} faster"


def _measured(one: Candidate) -> str:
    """Size and accuracy against float32, in words."""
    drop = "" if one.drop is None else f", {one.drop} against float32"
    return f"{one.size_mb or 0:.1f} MB{drop}"
