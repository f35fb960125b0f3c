"""Fine-tuning to the same validation accuracy, against transformers' Trainer: `make bench-finetune`.

All sides start from the same checkpoint and take the same rows of a run, in batches of 32. They train
in turn, an eighth of an epoch each, and are evaluated on the validation split after each turn, until
all of them have reached the target. The clock counts training steps, with the making of their batches
and of their graphs; it does not count tokenization (all sides have it done ahead) nor evaluation.

Padding to 128 in float32 would alone take ten minutes to the target. So that side takes a few steps a
turn, and its time is its median seconds a step times the steps that the same training took with
dynamic padding in bfloat16: padding changes the batches' width, not which rows they hold or the result.
"""

from __future__ import annotations

import argparse
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import Side, peer_python
from benchmarks.training_runs import Course, Trained, find_run, race, say

OWN = "bertworks"
EXAMPLE = "Trainer, example settings: padded to 128, fp32"
DYNAMIC = "Trainer, dynamic padding, bf16"
GROUPED = "Trainer, dynamic padding, bf16, grouped by length"
PEERS = {
    EXAMPLE: ("--padding", "max_length"),
    DYNAMIC: ("--bf16",),
    GROUPED: ("--bf16", "--grouped"),
}
GOALS = {EXAMPLE: 4.0, DYNAMIC: 1.3, GROUPED: 1.3}


def main() -> None:
    """Measures and saves."""
    options = _options()
    run = find_run(options.root, options.run)
    races: list[dict[str, Course]] = []
    for seed in range(options.seed, options.seed + options.seeds):
        say(f"seed {seed}: {', '.join((OWN, *PEERS))}")
        with ExitStack() as stack:
            sides = {s.name: stack.enter_context(s) for s in _sides(run, options, seed)}
            timed = {sides.pop(EXAMPLE): options.example_steps}
            turns = list(sides.values())
            races.append(race(turns, options.target, options.steps, options.rounds, timed))
    Result(
        name="finetune",
        title="Fine-tuning to the same validation accuracy",
        command="make bench-finetune",
        data=f"the sentiment example's rows and checkpoint (run {run.id}), batches of 32",
        rows=rows_of(races, options.target, options.peer_learning_rate),
        curves={
            "Validation accuracy over training": {
                name: course.curve() for name, course in races[0].items() if course.values
            }
        },
        axes=("seconds of training", "validation accuracy"),
        seed=options.seed,
    ).save(*([options.out] if options.out else []))


def rows_of(races: list[dict[str, Course]], target: float, peer_rate: float) -> list[Row]:
    """Time to the target and training rate, against each peer.

    Args:
        races: A race a seed.
        target: Validation accuracy.
        peer_rate: The peers' learning rate, for the note.
    """
    return [row for name in PEERS for row in _rows(name, races, target, peer_rate)]


def _rows(
    name: str, races: list[dict[str, Course]], target: float, peer_rate: float
) -> tuple[Row, Row]:
    own = [_until(race[OWN], target) for race in races]
    if name == EXAMPLE:
        same = [_until(race[DYNAMIC], target) for race in races]
        other = [
            (found.steps * race[EXAMPLE].step_seconds, found.steps, found.accuracy)
            for race, found in zip(races, same, strict=True)
        ]
        how = "its steps to the target are those of dynamic padding, its seconds a step measured"
    else:
        other = [_until(race[name], target) for race in races]
        how = "measured whole"
    medians = [
        [statistics.median(found[n] for found in side) for n in (1, 2)] for side in (own, other)
    ]
    until = compare(
        f"fine-tune to validation accuracy {target:g}",
        name,
        "s",
        [found[0] for found in own],
        [found[0] for found in other],
        goal=GOALS[name],
        quality={
            "steps": medians[0][0],
            "peer steps": medians[1][0],
            "accuracy": medians[0][1],
            "peer accuracy": medians[1][1],
        },
        note=f"evaluation not counted; the spec's settings, peer's learning rate {peer_rate:g}; {how}",
    )
    pairs = [pair for race in races for pair in zip(race[OWN].rates, race[name].rates, strict=True)]
    rate = compare(
        "training rate, real tokens",
        name,
        "tokens/s",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        higher_is_better=True,
    )
    return until, rate


class Until(NamedTuple):
    """The first evaluation at or above the target."""

    seconds: float
    steps: int
    accuracy: float


def _until(course: Course, target: float) -> Until:
    rounds = course.reached(target)
    assert rounds is not None
    return Until(
        sum(course.seconds[:rounds]), sum(course.steps[:rounds]), course.values[rounds - 1]
    )


def _sides(run: Trained, options: argparse.Namespace, seed: int) -> list[Side]:
    script = "benchmarks/peers/trainer_finetune.py"
    places = run.places["examples"], run.places["base"]
    settings = run.spec["finetune"]
    common = ("--epochs", settings["epochs"], "--batch-size", settings["batch_size"])
    rate = ("--learning-rate", options.peer_learning_rate)
    return [
        run.own_side(OWN, "finetune", seed=seed),
        *(
            Side(name, peer_python(), script, *places, *common, *rate, "--seed", seed, *more)
            for name, more in PEERS.items()
        ),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="latest", help="whose rows and checkpoint (latest)")
    parser.add_argument("--root", help="the folder of runs (.bertworks)")
    parser.add_argument("--target", type=float, default=0.82, help="validation accuracy (0.82)")
    parser.add_argument(
        "--steps", type=int, default=27, help="of a turn (27: an eighth of an epoch)"
    )
    parser.add_argument("--example-steps", type=int, default=3, help="of its turn (3)")
    parser.add_argument("--rounds", type=int, default=23, help="turns at most (23: three epochs)")
    parser.add_argument("--seeds", type=int, default=1, help="whole trainings a side (1)")
    parser.add_argument("--seed", type=int, default=42, help="the first (42)")
    parser.add_argument(
        "--peer-learning-rate", type=float, default=5e-5, help="2e-5, 5e-5 (the default), 1e-4 …"
    )
    parser.add_argument("--out", type=Path, help="another folder for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
