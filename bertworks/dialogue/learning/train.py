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
from functools import partial
from pathlib import Path
from typing import Any

from bertworks.contracts.dialogue import TALK
from bertworks.dialogue import building
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.learning.environment import World
from bertworks.dialogue.learning.network import layers
from bertworks.dialogue.learning.ppo import Learned, Settings, learn
from bertworks.dialogue.learning.standing import Check
from bertworks.dialogue.policies import Softened, graph
from bertworks.dialogue.simulation.measuring import collect
from bertworks.dialogue.turns import Turns
from bertworks.errors import BertworksError
from bertworks.spec.dialogue import Dialogue, DialogueSpec
from bertworks.spec.file import load_as
from bertworks.storage.checkpoints import Checkpoints

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
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FOLDER",
        help="Go on from what lies there, and save to it; it is for whoever starts this to lock it.",
    )
    options = parser.parse_args()
    if (options.spec is None) == (options.bundle is None):
        parser.error("give a spec or --bundle")
    if options.with_parent:
        threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        kept = Checkpoints(options.checkpoints) if options.checkpoints else None
        if options.bundle is not None:
            talk, folder = TALK.read(options.bundle), options.bundle
            name, section = talk.name, talk.section
        else:
            spec = load_as(DialogueSpec, options.spec, options.set)
            name, section, folder = spec.name, spec.dialogue, options.spec.resolve().parent
        out = options.out or Path(".bertworks/dialogue") / name / "policy.onnx"
        learned, facts = train(section, folder, print, kept)
        if kept is not None:
            kept.flush()
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


def train(
    spec: Dialogue, folder: Path, tell: Any = None, kept: Checkpoints | None = None
) -> tuple[Learned, dict[str, Any]]:
    """Learns the policy of a spec.

    Args:
        spec: The section.
        folder: What its paths are relative to.
        tell: Takes lines on the way; None: nothing is told.
        kept: Where to go on from and to save to, locked by whoever made it; None saves nothing.

    Returns:
        What came of it, and how, as plain JSON.

    Raises:
        BertworksError: The knowledge base or the dialogues to imitate cannot be read.
    """
    began = time.monotonic()
    tell = tell or (lambda line: None)
    knowledge = building.source_of(spec, folder).now()
    world = World(knowledge, building.errors_of(spec, folder), building.habits_of(spec))
    start = None
    if spec.learn.start != "nothing":
        start = partial(beginning, spec, folder, world, knowledge.domain)

    def told(check: Check) -> None:
        found = ", ".join(
            f"errors {errors.rate:.3g}: success {one.success:.3f} in {one.turns:.2f} turns"
            for errors, one in zip(world.errors, check.found, strict=True)
        )
        tell(f"{check.steps:>9,} turns learned from, {time.monotonic() - began:.0f} s: {found}")

    weigh = spec.learn.start not in ("rules", "nothing")
    settings = Settings(steps=spec.learn.steps)
    learned = learn(world, settings, spec.learn.seed, start, told, weigh=weigh, checkpoints=kept)
    if learned.cloned is not None and learned.cloned.accuracy is not None:
        tell(
            f"imitated its start: the same action in {learned.cloned.accuracy:.3f} of "
            f"{learned.cloned.held_out:,} turns that were held out"
        )
    return learned, facts_of(spec, knowledge.digest, learned)


def facts_of(spec: Dialogue, digest: str, learned: Learned) -> dict[str, Any]:
    """How a policy was learned; nothing of the clock, so that the same is the same to the byte."""
    return {
        "learn": spec.learn.model_dump(),
        "knowledge": digest,
        "cloned": asdict(learned.cloned) if learned.cloned else None,
        "checks": [asdict(one) for one in learned.checks],
        "kept": learned.best.steps,
    }


def beginning(spec: Dialogue, folder: Path, world: World, domain: Domain) -> Turns:
    """What is imitated first: dialogues that were logged, or those of the rules.

    Rules are asked in places, too, where they would not have gone themselves.
    """
    if spec.learn.start != "rules":
        return Turns.load(folder / spec.learn.start, domain)
    rules = building.rules_of(spec)
    return collect(
        Softened(rules, _ASTRAY, spec.learn.seed), world.knowledge, _IMITATED, spec.learn.seed,
        world.errors, world.habits, label=rules,
    )  # fmt: skip


if __name__ == "__main__":
    main()
