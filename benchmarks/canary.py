"""How often a canary is wrong, and how soon it is right: `make bench-canary`.

Simulated requests, looked at after each one, with the defaults of the spec's `serve.canary`: a share of
0.1 goes to the challenger, of whose requests half are answered by the champion too. Seconds are
log-normal (spread 0.6), 2 requests in 1,000 fail, 5 % of rows are answered otherwise.

Beside it a test of fixed size that is looked at as often: two proportions, z above 1.645 (one-sided
5 %), after the first 20 requests of the challenger.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from statistics import median

import numpy as np

from bertworks.serving.upgrades.comparison import Comparison, Observed
from bertworks.spec.upgrades import Canary


@dataclass(frozen=True)
class Challenger:
    """What a challenger is like; the champion is like the defaults.

    Attributes:
        said: In words.
        failing: Share of requests that fail.
        factor: Seconds, times the champion's.
        tail: Share of requests that take ten times as long.
        otherwise: Share of rows that are answered otherwise.
        sure: Mean confidence.
    """

    said: str
    failing: float = 0.002
    factor: float = 1.0
    tail: float = 0.0
    otherwise: float = 0.05
    sure: float = 0.8


CHALLENGERS = (
    Challenger("alike"),
    Challenger("twice as fast, surer", factor=0.5, sure=0.9),
    Challenger("a quarter slower, 20 % otherwise: at the limits", factor=1.25, otherwise=0.2),
    Challenger("every request fails", failing=1.0),
    Challenger("5 % of requests fail", failing=0.052),
    Challenger("2 % of requests fail", failing=0.022),
    Challenger("half as slow again", factor=1.5),
    Challenger("twice as slow", factor=2.0),
    Challenger("15 % of requests ten times as slow", tail=0.15),
    Challenger("answers 40 % of rows otherwise", otherwise=0.4),
    Challenger("confidence lower by 0.2", sure=0.6),
)


def main() -> None:
    """Simulates, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="of each challenger")
    parser.add_argument("--requests", type=int, default=20_000, help="of a trial, at most")
    options = parser.parse_args()
    print(f"{options.trials} trials each, of {options.requests} requests at most; seeds 0, 1, …\n")
    print("| challenger | promoted | put back | open | its requests until then, median |")
    print("|---|---|---|---|---|")
    for one in CHALLENGERS:
        ends = [trial(one, seed, options.requests) for seed in range(options.trials)]
        said = [end for end, _ in ends]
        shares = [sum(end == value for end in said) / len(said) for value in (True, False, None)]
        needed = [count for end, count in ends if end is not None]
        middle = f"{median(needed):.0f}" if needed else "-"
        print(f"| {one.said} | {' | '.join(f'{share:.1%}' for share in shares)} | {middle} |")
    naive = sum(fixed(seed, options.requests) for seed in range(options.trials))
    print(f"\nlooked at as often, a test of fixed size puts back {naive / options.trials:.1%} of "
          "challengers that are alike (errors alone)")  # fmt: skip


def trial(one: Challenger, seed: int, requests: int) -> tuple[bool | None, int]:
    """Whether it was promoted (None: it was not clear), and its requests until then."""
    stream = np.random.default_rng(seed)
    rules = Canary()
    found = Comparison(rules)
    new = stream.random(requests) < rules.share
    slow = np.where(new, one.factor * np.where(stream.random(requests) < one.tail, 10, 1), 1)
    seconds = stream.lognormal(-4.5, 0.6, requests) * slow
    failed = stream.random(requests) < np.where(new, one.failing, 0.002)
    sure = np.where(new, one.sure, 0.8) + stream.uniform(-0.1, 0.1, requests)
    both = stream.random(requests) < rules.agreement_share
    alike = stream.random(requests) >= one.otherwise
    for place in range(requests):
        arm = "challenger" if new[place] else "champion"
        if failed[place]:
            found.add(arm, Observed(True))
        else:
            found.add(arm, Observed(False, float(seconds[place]), float(sure[place])))
            if new[place] and both[place]:
                found.add_pair(float(alike[place]))
        if verdict := found.verdict():
            return verdict.promote, found.requests["challenger"]
    return None, found.requests["challenger"]


def fixed(seed: int, requests: int) -> bool:
    """Whether a test of fixed size, looked at after each request, ever calls an equal one worse."""
    stream = np.random.default_rng(seed)
    new = stream.random(requests) < 0.1
    failed = stream.random(requests) < 0.02
    counts = new.cumsum(), (~new).cumsum()
    errors = (failed & new).cumsum(), (failed & ~new).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [error / count for error, count in zip(errors, counts, strict=True)]
        pooled = (errors[0] + errors[1]) / np.arange(1, requests + 1)
        spread = np.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1]))
        score = (rates[0] - rates[1]) / spread
    return bool((score[(counts[0] >= 20) & np.isfinite(score)] > 1.645).any())


if __name__ == "__main__":
    main()
