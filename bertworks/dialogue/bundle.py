"""A dialogue as an artifact: all that it talks with lies in one folder.

    dialogue.json    the spec's section; its paths are files of this folder
    knowledge.json   the knowledge base as it was
    understanding/   the bundle of the agent that understands turns, if there is one
    matching/        the bundle of the agent that finds documents for other questions, if there is one
    errors.json      how that errs, for simulated users
    policy.onnx      the learned policy, if there is one
    start.npz        dialogues that the policy imitates first, if the spec names some

The steps of a run write it one after another, each whole: what one has made, the next adds to.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.dialogue import TALK, Talk
from bertworks.dialogue.knowledge import Knowledge
from bertworks.errors import ArtifactError
from bertworks.spec.dialogue import MATCHING, UNDERSTANDING
from bertworks.storage.artifacts import MANIFEST, Artifact, open_artifact

KIND = "bundle"
METADATA = {"task": "dialogue"}
"""What tells the model store that a bundle is no single agent's."""
KNOWLEDGE, ERRORS, POLICY, START = "knowledge.json", "errors.json", "policy.onnx", "start.npz"


@dataclass(frozen=True)
class Bundle:
    """An opened dialogue.

    Attributes:
        artifact: Its folder.
        talk: What dialogue.json says.
    """

    artifact: Artifact
    talk: Talk

    @property
    def folder(self) -> Path:
        """What the paths of `talk.section` are relative to."""
        return self.artifact.path

    @property
    def understanding(self) -> Path | None:
        """The bundle of the agent that understands turns; None where lists of words do."""
        return self.folder / UNDERSTANDING if self.talk.understanding is not None else None

    @property
    def matching(self) -> Path | None:
        """The bundle of the agent that finds documents; None: nothing answers other questions."""
        return self.folder / MATCHING if self.talk.matching is not None else None


def holds_dialogue(folder: Path) -> bool:
    """Whether a bundle's folder is a dialogue's."""
    return (folder / TALK.name).is_file()


def open_dialogue(folder: Path) -> Bundle:
    """Opens a dialogue, and checks that it is whole.

    Raises:
        ArtifactError: It is missing, damaged, or the bundle of a single agent.
    """
    artifact = open_artifact(folder, KIND)
    if not holds_dialogue(folder):
        raise ArtifactError(
            f"{folder} is the bundle of an agent that does not talk: it has no {TALK.name}.",
            "Name a dialogue, as `bertworks run` registers one of a spec with a `dialogue` section.",
        )
    return Bundle(artifact, TALK.read(artifact))


def copy_into(bundle: Bundle, folder: Path) -> None:
    """Copies all that a dialogue holds, but for what tells what it is: `TALK.write` follows."""
    for file in bundle.folder.iterdir():
        if file.name in (MANIFEST, TALK.name):
            continue
        if file.is_dir():
            shutil.copytree(file, folder / file.name)
        else:
            shutil.copyfile(file, folder / file.name)


def write_knowledge(knowledge: Knowledge, folder: Path) -> None:
    """Writes a knowledge base's entities; read again, they have the same digest."""
    text = json.dumps(list(map(dict, knowledge.entities)), ensure_ascii=False, indent=1)
    (folder / KNOWLEDGE).write_text(text + "\n", encoding="utf-8")
