"""Puts the understanding that this run trained into the dialogue, and measures how it errs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.dialogue import TALK
from bertworks.dialogue import building, bundle
from bertworks.dialogue.confusions import COLUMNS, heard_turns
from bertworks.dialogue.simulation.errors import KINDS, measured
from bertworks.evaluation.data import read_split
from bertworks.notices import Notice
from bertworks.runtime.agent import Agent
from bertworks.spec.dialogue import UNDERSTANDING
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Nothing: the dialogue says how it is spoken."""


def run(
    section: Section, *, dialogue: Path, understanding: Path, examples: Path, heard: Path
) -> StepResult:
    """Writes the dialogue with the understanding in it, and with its errors for simulated users.

    Each labelled turn of the test rows is a text that the agent is asked; its acts are compared with
    those of the labels.

    Args:
        section: Empty.
        dialogue: Bundle artifact of the dialogue.
        understanding: Bundle artifact of an agent of task understanding, compressed, as its gate let it
            pass.
        examples: Examples artifact of its run.
        heard: Where the dialogue with both goes.

    Raises:
        SpecError: The agent is of another task.
        DataError: The examples are not of task understanding.
    """
    talking = bundle.open_dialogue(dialogue)
    packed, rows = open_artifact(understanding, "bundle"), open_artifact(examples, "examples")
    agent = Agent.load(packed.path)
    said = talking.talk.section
    hearing = building.understanding_of(said, agent, "understanding")
    test = read_split(rows, "test", [*COLUMNS])
    turns = list(heard_turns(agent, hearing, test))
    errors = measured(turns)
    parents = {"dialogue": talking.artifact, "understanding": packed, "examples": rows}
    with artifacts.write(
        heard,
        kind=bundle.KIND,
        producer="measure_understanding",
        metadata=bundle.METADATA,
        parents=parents,
    ) as out:
        bundle.copy_into(talking, out)
        shutil.copytree(packed.path, out / UNDERSTANDING)
        errors.save(out / bundle.ERRORS)
        learn = said.learn.model_copy(update={"measured": bundle.ERRORS})
        text = said.model_copy(update={"learn": learn}).model_dump_json()
        TALK.write(out, replace(talking.talk, dialogue=text, understanding=packed.digest))
    acts = sum(len(spoken) for spoken, _ in turns)
    text = f"{errors.rate:.1%} of {acts:,} acts in {len(turns):,} test turns were misunderstood"
    numbers = {"turns": len(turns), "acts": acts, "misunderstood": errors.rate}
    kinds = {kind: getattr(errors, kind) for kind in KINDS}
    return StepResult(numbers | kinds, notices=[Notice(text, count=acts)])
