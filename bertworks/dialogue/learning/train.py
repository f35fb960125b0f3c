"""Learns a dialogue's policy and writes it as a graph.

make dialogue SPEC=examples/restaurant/dialogue.yaml
.venv-dialogue/bin/python -m bertworks.dialogue.learning.train SPEC --out policy.onnx
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bertworks.contracts.dialogue import TALK
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
    parser.add_argument("spec", type=Path, nargs="?")
    parser.add_argument(
        "--bundle", type=Path, help="Folder of a run's dialogue, instead of a spec."
    )
    parser.add_argument(
        "--out", type=Path, default=None, help=".bertworks/dialogue/NAME/policy.onnx"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="End when the input does, which the parent holds.",
    )
    options = parser.parse_args()
    if (options.spec is None) == (options.bundle is None):
        parser.error("give a spec or --bundle")
    if options.with_parent:
        threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        if options.bundle is not None:
            talk, folder = TALK.read(options.bundle), options.bundle
            name, section = talk.name, talk.section
        else:
            spec = load_as(DialogueSpec, options.spec, options.set)
            name, section, folder = spec.name, spec.dialogue, options.spec.resolve().parent
        out = options.out or Path(".bertworks/dialogue") / name / "policy.onnx"
        learned, facts = train(section, folder, print)
        graph.write(out, layers(learned.learner), building.domain_of(section), facts)
    except BertworksError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if options.spec is not None:
        best = f"the best of {len(learned.checks)} checks, at {learned.best.steps:,} turns"
        print(f"wrote {out}: {best}")
        print(f"  talk with it: bertworks chat {options.spec} --policy {out}")


def _end_with_input() -> None:
    # The descriptor itself: Python may not end while a thread holds the lock of sys.stdin.
    while os.read(0, 4096):
        pass
    os._exit(143)


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

    weigh = spec.learn.start not in ("rules", "nothing")
    settings = Settings(steps=spec.learn.steps)
    learned = learn(world, settings, spec.learn.seed, start, told, weigh=weigh)
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
