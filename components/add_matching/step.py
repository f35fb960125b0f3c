"""Puts the agent that finds documents into the dialogue, and counts which questions reach it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.dialogue import TALK
from bertworks.contracts.index import INDEX
from bertworks.dialogue import building, bundle
from bertworks.dialogue.acts import not_understood
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import LONGEST, Understanding
from bertworks.evaluation.data import read_split
from bertworks.notices import Notice
from bertworks.progress import stage
from bertworks.runtime.agent import Agent
from bertworks.spec.dialogue import MATCHING
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from components.contract import StepResult, StepSection

TAKEN, NONE, RIGHT, WRONG = "taken_by_the_flow", "not_answered", "right", "another_document"
"""What may become of a question."""


class Section(StepSection):
    """Nothing: the dialogue says how it is spoken."""


def run(
    section: Section, *, dialogue: Path, matching: Path, examples: Path, matched: Path
) -> StepResult:
    """Writes the dialogue with the agent and its documents in it.

    Each of the agent's test questions is said to the dialogue as its first turn: what the flow takes for
    something of its own never reaches the documents.

    Args:
        section: Empty.
        dialogue: Bundle artifact of the dialogue.
        matching: Bundle artifact of an agent of task matching, compressed, as its gate let it pass.
        examples: Examples artifact of its run.
        matched: Where the dialogue with it goes.

    Raises:
        SpecError: The agent is of another task.
    """
    talking = bundle.open_dialogue(dialogue)
    packed, rows = open_artifact(matching, "bundle"), open_artifact(examples, "examples")
    found = building.matching_of(Agent.load(packed.path), "matching")
    test = read_split(rows, "test", ["text", "documents"])
    questions, truths = test.get("text", []), test.get("documents", [])
    said = talking.talk.section
    knowledge = building.source_of(said, talking.folder).now()
    heard = _understanding(talking)
    counts = dict.fromkeys((TAKEN, NONE, RIGHT, WRONG), 0)
    with stage("asking what the flow may not know", len(questions), "questions") as work:
        for text, truth in zip(questions, truths, strict=True):
            if not not_understood(heard.understand(text[:LONGEST], State(), knowledge)):
                ending = TAKEN
            elif (quote := found.find(text[:LONGEST])) is None:
                ending = NONE
            else:
                ending = RIGHT if quote.document in truth else WRONG
            counts[ending] += 1
            work.advance()
    parents = {"dialogue": talking.artifact, "matching": packed, "examples": rows}
    with artifacts.write(
        matched, kind=bundle.KIND, producer="add_matching", metadata=bundle.METADATA,
        parents=parents,
    ) as out:  # fmt: skip
        bundle.copy_into(talking, out)
        shutil.copytree(packed.path, out / MATCHING)
        TALK.write(out, replace(talking.talk, matching=packed.digest))
    documents, asked = INDEX.read(packed).documents, len(questions)
    reached = asked - counts[TAKEN]
    text = (
        f"{documents:,} documents answer what the flow does not know: of {asked:,} test questions "
        f"{reached:,} reach them, and {counts[RIGHT]:,} get their own document, {counts[WRONG]:,} "
        f"another one, {counts[NONE]:,} none"
    )
    notices = [Notice(text, count=documents)]
    if counts[TAKEN]:
        told = f"{counts[TAKEN]:,} of {asked:,} test questions are taken for turns of the flow"
        notices.append(Notice(told, "warning", counts[TAKEN]))
    return StepResult({"documents": documents, "questions": asked, **counts}, notices=notices)


def _understanding(talking: bundle.Bundle) -> Understanding:
    """What hears first."""
    said = talking.talk.section
    if talking.understanding is None:
        return building.keywords_of(said)
    return building.backed_of(said, Agent.load(talking.understanding), "understanding")
