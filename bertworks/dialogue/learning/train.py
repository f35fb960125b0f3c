"""Learns a dialogue's policy and writes it as a graph.

make dialogue SPEC=examples/restaurant/dialogue.yaml
.venv-dialogue/bin/python -m bertworks.dialogue.learning.train SPEC --out policy.onnx
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bertworks.dialogue import building
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.learning.environment import World
from bertworks.dialogue.learning.network import layers
from bertworks.dialogue.learning.ppo import Check, Learned, Settings, learn
from bertworks.dialogue.policies import Softened, graph
from bertworks.dialogue.simulation.measuring import collect
from bertworks.dialogue.turns import Turns
from bertworks.errors import BertworksError
from bertworks.spec.dialogue import Dialogue, DialogueSpec
from bertworks.spec.file import load_as

_IMITATED = 1500
_ASTRAY = 0.2


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("spec", type=Path)
    parser.add_argument(
        "--out", type=Path, default=None, help=".bertworks/dialogue/NAME/policy.onnx"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    try:
        spec = load_as(DialogueSpec, options.spec, options.set)
        out = options.out or Path(".bertworks/dialogue") / spec.name / "policy.onnx"
        learned, facts = train(spec.dialogue, options.spec.resolve().parent, print)
        graph.write(out, layers(learned.learner), building.domain_of(spec.dialogue), facts)
    except BertworksError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"wrote {out}: the best of {len(learned.checks)} checks, at {learned.best.steps:,} turns")
    print(f"  talk with it: bertworks chat {options.spec} --policy {out}")


def train(spec: Dialogue, folder: Path, tell: Any = None) -> tuple[Learned, dict[str, Any]]:
    """Learns the policy of a spec.

    Args:
        spec: The section.
        folder: What its paths are relative to.
        tell: Takes lines on the way; None: nothing is told.

    Returns:
        What came of it, and how, as plain JSON.

    Raises:
        BertworksError: The knowledge base or the dialogues to imitate cannot be read.
    """
    began, used = time.monotonic(), time.process_time()
    tell = tell or (lambda line: None)
    knowledge = building.source_of(spec, folder).now()
    world = World(knowledge, building.errors_of(spec, folder), building.habits_of(spec))
    start = beginning(spec, folder, world, knowledge.domain)

    def told(check: Check) -> None:
        found = ", ".join(
            f"errors {errors.rate:.3g}: success {one.success:.3f} in {one.turns:.2f} turns"
            for errors, one in zip(world.errors, check.found, strict=True)
        )
        tell(f"{check.steps:>9,} turns learned from, {time.monotonic() - began:.0f} s: {found}")

    learned = learn(world, Settings(steps=spec.learn.steps), spec.learn.seed, start, told)
    if learned.cloned is not None:
        tell(
            f"imitated its start: the same action in {learned.cloned.accuracy:.3f} of "
            f"{learned.cloned.held_out:,} turns that were held out"
        )
    return learned, facts_of(spec, knowledge.digest, learned, began, used)


def facts_of(
    spec: Dialogue, digest: str, learned: Learned, began: float, used: float
) -> dict[str, Any]:
    """How a policy was learned."""
    return {
        "learn": spec.learn.model_dump(),
        "knowledge": digest,
        "cloned": asdict(learned.cloned) if learned.cloned else None,
        "checks": [asdict(one) for one in learned.checks],
        "kept": learned.best.steps,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
    }


def beginning(spec: Dialogue, folder: Path, world: World, domain: Domain) -> Turns | None:
    """What is imitated first: dialogues that were logged, or those of the rules.

    Rules are asked in places, too, where they would not have gone themselves.
    """
    if spec.learn.start == "nothing":
        return None
    if spec.learn.start != "rules":
        return Turns.load(folder / spec.learn.start, domain)
    rules = building.rules_of(spec)
    return collect(
        Softened(rules, _ASTRAY, spec.learn.seed), world.knowledge, _IMITATED, spec.learn.seed,
        world.errors, world.habits, label=rules,
    )  # fmt: skip


if __name__ == "__main__":
    main()
