"""Policies of a dialogue with simulated users: learned, rules and chance, over seeds; and their answers.

    make bench-dialogue                          # examples/restaurant/dialogue.yaml, seeds 1 to 5
    make bench-dialogue ARGS="--seeds 1 2 --dialogues 500 --answers 1000"
    make bench-dialogue ARGS=--seeds             # the answers of the rules and of chance alone
    make bench-dialogue ARGS="--texts turns/1"   # in words, heard by that agent: dialogue_texts.py

Each seed learns a policy anew: other users, other first weights. All are then asked as the graph that
serves, by the same users, none of whom any policy learned from. Success is a goal that was met, true to
the knowledge base. Answers are those of all policies at the highest rate of errors, each read back by a
check that knows nothing of templates.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dialogue_texts import Asked, result
from benchmarks.harness.results import Result, Row
from benchmarks.harness.sides import REPOSITORY
from bertworks.dialogue import building
from bertworks.dialogue.answers import faults
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.off_policy import judge
from bertworks.dialogue.policies import Chance, Policy, Softened
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.simulation.episode import Episode
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import Measured, collect, measure
from bertworks.spec.dialogue import Dialogue, DialogueSpec
from bertworks.spec.file import load_as
from pipelines.cli.asking import bundle_of

SPEC = "examples/restaurant/dialogue.yaml"
RATES = (0.0, 0.1, 0.2, 0.3)
EXPLORE = 0.2
USERS = 9_000_000
"""Their seed; learning has small ones, and the checks on the way those from 7,000,000 on."""
SUCCESS, MINUTES = 0.93, 30.0
LEARNER = REPOSITORY / ".venv-dialogue/bin/python"


@dataclass(frozen=True)
class Learning:
    """How one seed's policy was learned.

    Attributes:
        file: Its graph.
        minutes: By the clock.
        cpu_minutes: Of all threads together.
    """

    file: Path
    minutes: float
    cpu_minutes: float


def main() -> None:
    """Learns with each seed, measures, and writes the result."""
    options = _options()
    spec = load_as(DialogueSpec, options.spec).dialogue
    folder = Path(options.spec).resolve().parent
    knowledge = building.source_of(spec, folder).now()
    if options.texts is not None:
        texts(spec, folder, options)
        return
    if not options.seeds:
        print(answers(spec, knowledge, [], options.answers))
        return
    learned = [learn(options, seed) for seed in options.seeds]
    domain = building.domain_of(spec)
    graphs = [Graph(one.file, domain) for one in learned]
    rows = [*_learning(learned)]
    for rate in RATES:
        rows += compared(spec, knowledge, graphs, rate, options.dialogues)
    rows += offline(spec, knowledge, graphs, options.dialogues)
    rows.append(answers(spec, knowledge, graphs, options.answers))
    Result(
        "dialogue",
        "Dialogues at act level",
        "make bench-dialogue",
        f"{options.spec}: {len(knowledge)} {domain.entity}s; {options.dialogues} simulated users for "
        f"each policy and rate of errors, seeds {', '.join(map(str, options.seeds))}",
        rows,
        seed=options.seeds[0],
    ).save()


def texts(spec: Dialogue, folder: Path, options: argparse.Namespace) -> None:
    """Measures in words, with the policies of the seeds."""
    domain = building.domain_of(spec)
    graphs = [Graph(learn(options, seed).file, domain) for seed in options.seeds]
    bundle = bundle_of(options.texts, options.root)
    asked = Asked(spec, folder, bundle, options.talks, USERS, Path(options.spec))
    result(asked, graphs, options.spec, options.seeds).save()


def learn(options: argparse.Namespace, seed: int) -> Learning:
    """One seed's policy; one that is there already is not learned again."""
    file = Path(options.out) / f"seed-{seed}.onnx"
    record = file.with_suffix(".json")
    if not record.exists():
        command = [str(options.python), "-m", "bertworks.dialogue.learning.train", options.spec]
        command += ["--out", str(file), "--set", f"dialogue.learn.seed={seed}"]
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr)
        if done.returncode:
            raise SystemExit(f"error: seed {seed} could not be learned")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = {"minutes": (time.monotonic() - began) / 60, "cpu_minutes": used / 60}
        record.write_text(json.dumps(found), encoding="utf-8")
    return Learning(file, **json.loads(record.read_text("utf-8")))


def compared(
    spec: Dialogue, knowledge: Knowledge, graphs: Sequence[Graph], rate: float, dialogues: int
) -> list[Row]:
    """Success and turns at one rate of errors, beside the rules."""
    users = (knowledge, dialogues, USERS, Errors(rate), building.habits_of(spec))
    rules, chance = (measure(one, *users) for one in (building.rules_of(spec), Chance(1)))
    own = [measure(one, *users) for one in graphs]
    print(f"errors {rate:g}: rules {rules}\n  chance {chance}", file=sys.stderr)
    for one in own:
        print(f"  learned {one}", file=sys.stderr, flush=True)
    return [
        _row(own, rules, chance, "success", f"success at {rate:.0%} errors", rate),
        _row(own, rules, chance, "turns", f"turns at {rate:.0%} errors", rate),
    ]


def _row(
    own: Sequence[Measured], rules: Measured, chance: Measured, name: str, what: str, rate: float
) -> Row:
    values = [float(getattr(one, name)) for one in own]
    asked = SUCCESS if name == "success" and rate == 0.1 else None
    limit = rules.turns if name == "turns" else asked
    return Row(
        what,
        "",
        "" if name == "success" else "turns",
        statistics.median(values),
        goal=limit,
        at_most=name == "turns",
        rounds=len(values),
        quality={
            "least": min(values),
            "greatest": max(values),
            "rules": float(getattr(rules, name)),
            "chance": float(getattr(chance, name)),
        },
    )


def _learning(learned: Sequence[Learning]) -> list[Row]:
    minutes = [one.minutes for one in learned]
    cpu = [one.cpu_minutes for one in learned]
    return [
        Row(
            "learning", "", "min", statistics.median(minutes), goal=MINUTES, at_most=True,
            rounds=len(minutes), quality={"slowest": max(minutes), "of a CPU": statistics.median(cpu)},
        )
    ]  # fmt: skip


def offline(
    spec: Dialogue, knowledge: Knowledge, graphs: Sequence[Graph], dialogues: int
) -> list[Row]:
    """What logs of the rules, a fifth of their turns by chance, say of each learned policy."""
    habits = building.habits_of(spec)
    rules = Softened(building.rules_of(spec), EXPLORE, 1)
    turns = collect(rules, knowledge, dialogues, USERS + 500, [Errors(0.1)], habits)
    found = [judge(turns, one.taken) for one in graphs]
    users = (knowledge, dialogues, USERS, Errors(0.1), habits)
    truth = [measure(one, *users).reward for one in graphs]
    for one, true in zip(found, truth, strict=True):
        print(f"offline: {one}\n  truth {true:.3f}", file=sys.stderr, flush=True)
    held = [one.low <= true <= one.high for one, true in zip(found, truth, strict=True)]
    gaps = [abs(one.value - true) for one, true in zip(found, truth, strict=True)]
    quality = {
        "truth": statistics.median(truth),
        "greatest difference": max(gaps),
        "intervals that hold the truth": sum(held),
        "half an interval": statistics.median([(one.high - one.low) / 2 for one in found]),
        "the rules with chance": found[0].logged,
        "found better": sum(one.better for one in found),
    }
    what = f"offline estimate of a dialogue's reward, from {dialogues:,} of the rules"
    value = statistics.median([one.value for one in found])
    return [Row(what, "", "", value, rounds=len(found), quality=quality)]


def answers(spec: Dialogue, knowledge: Knowledge, graphs: Sequence[Policy], dialogues: int) -> Row:
    """Answers that say what is not in the knowledge base, or not what they should."""
    said, wrong, plain = 0, 0, 0
    saying = building.answers_of(spec, knowledge)

    def watch(episode: Episode, action: str) -> None:
        nonlocal said, wrong, plain
        acts = episode.situation.acts(action)
        answer = saying.say(acts, knowledge, episode.turns)
        found = faults(answer.text, acts, knowledge)
        if found:
            print(f"wrong: {answer.text!r}: {found}", file=sys.stderr)
        said, wrong, plain = said + 1, wrong + bool(found), plain + bool(answer.refused)

    policies: list[Policy] = [building.rules_of(spec), Chance(1), *graphs]
    habits = building.habits_of(spec)
    for number, policy in enumerate(policies):
        share = dialogues // len(policies) + (number < dialogues % len(policies))
        measure(policy, knowledge, share, USERS + 1 + number, Errors(RATES[-1]), habits, watch)
    return Row(
        f"answers with a value that is not in the knowledge base, of {dialogues:,} dialogues", "",
        "answers", wrong, goal=0, at_most=True,
        quality={"answers": said, "templates left for plainer words": plain},
    )  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--dialogues", type=int, default=2000, help="Of each policy and rate.")
    parser.add_argument(
        "--answers", type=int, default=10_000, help="Dialogues whose answers are read."
    )
    parser.add_argument(
        "--texts", metavar="AGENT", help="Measure in words: a folder, or NAME in the model store."
    )
    parser.add_argument("--talks", type=int, default=500, help="In words, of each policy and rate.")
    parser.add_argument("--root", help="Where the model store is.")
    parser.add_argument(
        "--out", default=".bertworks/bench-dialogue", help="Where policies are kept."
    )
    parser.add_argument("--python", default=LEARNER, help="Of the environment that learns.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
