"""The search against the default settings and against random ones, with equal minutes.

    make bench-tune ARGS="--minutes 10 --seeds 1 2 3"     # of the last run's rows and base
    make bench-tune ARGS="--run 20261126-1 --root .bertworks/mrpc"

Each side starts from the same tokens and base: the finetune section as it is; random settings of the
same space, each trained to its end; the search (estimator, halving and soup). The seed is that of the
search and of training. A side's model is scored on the validation rows, by which it was chosen, and on
the test rows, which none has seen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.results import Result, Row, machine
from benchmarks.training_runs import Trained, find_run
from bertworks.spec import Finetune, Task, Tune
from bertworks.storage import temporary

SEARCHES: dict[str, dict[str, Any]] = {
    "random settings": {"sampler": "random", "halving": {"enabled": False}, "soup": 1},
    "search": {},
}


@dataclass(frozen=True)
class Outcome:
    """What a side came to with one seed.

    Attributes:
        validation, test: The metric.
        seconds: The whole side.
        trials: Trainings, those that were ended early included.
    """

    validation: float
    test: float
    seconds: float
    trials: int


def main() -> None:
    """Runs every side with every seed, in turn, and prints the table."""
    options = _options()
    given = find_run(options.root, options.run)
    task, metric = Task.model_validate(given.spec["task"]), given.spec["gates"].get("metric")
    found: dict[str, list[Outcome]] = {"default settings": []}
    for seed in options.seeds:
        found["default settings"].append(side(given, task, metric, None, seed))
        for name, settings in SEARCHES.items():
            tune = Tune.model_validate({"minutes": options.minutes, "seed": seed, **settings})
            found.setdefault(name, []).append(side(given, task, metric, tune, seed))
        for name, outcomes in found.items():
            print(f"seed {seed}, {name}: {outcomes[-1]}", file=sys.stderr, flush=True)
    named = metric or task.kind.metric
    print(table(found, given.id, named, options.minutes, options.seeds).markdown())


def side(given: Trained, task: Task, metric: str | None, tune: Tune | None, seed: int) -> Outcome:
    """Trains one side's model and scores it; without a search by the finetune section as it is."""
    from components.finetune import step as finetune_step
    from components.tune import step as tune_step

    finetune = Finetune.model_validate({**given.spec["finetune"], "seed": seed})
    inputs = {"tokens": given.places["tokens"], "initial": given.places["base"]}
    began = time.monotonic()
    with temporary.scratch() as folder:
        if tune is None:
            section = finetune_step.Section(task=task, finetune=finetune, metric=metric)
            result = finetune_step.run(section, **inputs, model=folder / "model")
        else:
            wanted = tune_step.Section(task=task, finetune=finetune, tune=tune, metric=metric)
            result = tune_step.run(wanted, **inputs, tuned=folder / "model")
        seconds = time.monotonic() - began
        trials = int(result.metrics.get("trials") or 1)
        scores = {
            split: score(folder / "model", given.places["tokens"], split, task, metric)
            for split in ("validation", "test")
        }
    return Outcome(scores["validation"], scores["test"], seconds, trials)


def score(model: Path, tokens: Path, split: str, task: Task, metric: str | None) -> float:
    """The metric of a model on a split of the tokens."""
    from bertworks.contracts.tokens import TOKENS
    from bertworks.models.model import build
    from bertworks.models.weights import load_folder
    from bertworks.tasks import for_task
    from bertworks.training.objectives.labelled import Predictor
    from bertworks.training.rows import read_rows

    info = TOKENS.read(tokens)
    handler = for_task(task, info.labels, info.score, metric)
    config, weights, _ = load_folder(model)
    rows = read_rows(tokens / split, handler.target_column).windowed(info.max_length)
    logits = Predictor(build(config, handler.head(), weights)).logits(rows, info.special.pad)
    return handler.metric(metric, rows.truth, rows.combine(logits))


def table(
    found: Mapping[str, Sequence[Outcome]],
    run: str,
    metric: str,
    minutes: float,
    seeds: Sequence[int],
) -> Result:
    """Medians over the seeds; the search beside both peers."""
    own = found["search"]
    rows = [
        Row(
            what=f"{split}, {metric}",
            peer=peer,
            unit="",
            own=statistics.median(getattr(one, split) for one in own),
            peer_value=statistics.median(getattr(one, split) for one in found[peer]),
            rounds=len(own),
            note=_note(own, found[peer]),
        )
        for peer in found
        if peer != "search"
        for split in ("validation", "test")
    ]
    return Result(
        name="tune",
        title="search",
        command=f"make bench-tune ARGS='--minutes {minutes:g}'",
        data=f"run {run}",
        rows=rows,
        seed=seeds[0],
        machine=machine(),
    )


def _note(own: Sequence[Outcome], other: Sequence[Outcome]) -> str:
    def said(outcomes: Sequence[Outcome]) -> str:
        trials = statistics.median(one.trials for one in outcomes)
        return f"{trials:g} trials in {statistics.median(one.seconds for one in outcomes):.0f} s"

    return f"{said(own)}; the peer: {said(other)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the run; default: as bertworks has it")
    parser.add_argument("--run", default="latest", help="whose tokens and base are used")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    return parser.parse_args()


if __name__ == "__main__":
    main()
