"""Learns the dialogue's policy with simulated users, in the environment that has what learns."""

from __future__ import annotations

import contextlib
import subprocess
from collections import deque
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.dialogue import TALK
from bertworks.dialogue import building, bundle
from bertworks.dialogue.learner import learner
from bertworks.dialogue.policies.graph import Graph
from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice
from bertworks.storage import artifacts
from bertworks.storage.checkpoints import Checkpoints
from components.contract import StepResult, StepSection

SAVES_MEMORY = "dialogue.learn.steps"
_SHOWN, _LINES = 600, 20


class Section(StepSection):
    """Nothing: the dialogue says how its policy is learned."""


def run(section: Section, *, dialogue: Path, learned: Path) -> StepResult:
    """Writes the dialogue with a policy that was learned.

    It is learned by a process of another Python (`bertworks.dialogue.learner`), which has torch and
    stable-baselines3; what it gives is a graph that needs neither. A step that is cut off goes on from
    its last checkpoint.

    Args:
        section: Empty.
        dialogue: Bundle artifact of the dialogue.
        learned: Where the dialogue with the policy goes.

    Raises:
        EnvironmentFault: There is no such Python, or the process ended without a policy.
    """
    talking = bundle.open_dialogue(dialogue)
    kept = Checkpoints.for_run({"step": "learn_policy"}, {"dialogue": talking.artifact.digest})
    with kept or contextlib.nullcontext():
        with artifacts.write(
            learned, kind=bundle.KIND, producer="learn_policy", metadata=bundle.METADATA,
            parents={"dialogue": talking.artifact},
        ) as out:  # fmt: skip
            bundle.copy_into(talking, out)
            (out / bundle.POLICY).unlink(missing_ok=True)
            _learn(talking.folder, out / bundle.POLICY, kept)
            said = talking.talk.section
            graph = Graph(out / bundle.POLICY, building.domain_of(said))
            policy = said.policy.model_copy(update={"graph": bundle.POLICY})
            text = said.model_copy(update={"policy": policy}).model_dump_json()
            TALK.write(out, replace(talking.talk, dialogue=text, learned=True))
        if kept:
            kept.remove()
    checks = graph.facts["checks"]
    best = max(checks, key=lambda one: sum(found["reward"] for found in one["found"]))["found"]
    success = sum(one["success"] for one in best) / len(best)
    numbers = {
        "turns_learned_from": graph.facts["kept"],
        "success": success,
        "turns": sum(one["turns"] for one in best) / len(best),
    }
    text = f"the policy after {graph.facts['kept']:,} turns was the best of {len(checks)} checks"
    return StepResult(numbers, notices=[Notice(text, count=len(checks))])


def _learn(dialogue: Path, policy: Path, kept: Checkpoints | None) -> None:
    """Has the policy written.

    The process ends when this one does, however that ends: its input is a pipe that closes then. It
    saves to the folder of the checkpoints alone: the drivers of buckets are here.
    """
    command = [
        *learner(), "-m", "bertworks.dialogue.learning.train", "--bundle", str(dialogue),
        "--out", str(policy), "--with-parent",
        *(["--checkpoints", str(kept.folder)] if kept else []),
    ]  # fmt: skip
    last: deque[str] = deque(maxlen=_LINES)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last.append(line)
            if kept:
                kept.follow()
        code = process.wait()
    if code or not policy.is_file():
        words = "".join(last).strip()[-_SHOWN:] or "it said nothing"
        raise EnvironmentFault(
            f"No policy was learned; the process ended with exit code {code}: {words}",
            "Mend what it says; an environment that lacks something is made anew by "
            "`rm -r .venv-dialogue; make .venv-dialogue/.done`.",
        )
