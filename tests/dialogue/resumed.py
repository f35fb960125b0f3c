"""Learns a small policy, to be killed on the way: SPEC OUT."""

import contextlib
import sys
from pathlib import Path

from bertworks.dialogue import building
from bertworks.dialogue.learning import train
from bertworks.dialogue.learning.environment import World
from bertworks.dialogue.learning.network import layers
from bertworks.dialogue.learning.ppo import Settings, learn
from bertworks.dialogue.policies import Chance, graph
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import collect
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from bertworks.storage.checkpoints import Checkpoints

SETTINGS = Settings(
    steps=1536, environments=4, rollout=64, batch=32, epochs=6, checks=3, dialogues=20
)


def main(file: Path, out: Path) -> None:
    spec = load_as(DialogueSpec, file).dialogue
    knowledge = building.source_of(spec, file.parent).now()
    # By chance it begins badly: what counts in the end is what it learned.
    world, astray = World(knowledge, [Errors(0.1)]), Chance(1)
    kept = Checkpoints.for_run({"test": str(file)}, {})
    with kept or contextlib.nullcontext():
        found = learn(
            world, SETTINGS, 5, lambda: collect(astray, knowledge, 60, 5, world.errors),
            checkpoints=kept,
        )  # fmt: skip
        facts = train.facts_of(spec, knowledge.digest, found)
        graph.write(out, layers(found.learner), knowledge.domain, facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
