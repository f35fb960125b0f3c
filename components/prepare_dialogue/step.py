"""Reads the knowledge base, checks all that the spec says against it, and makes a dialogue by rules."""

from __future__ import annotations

import shutil
from pathlib import Path

from bertworks.contracts.dialogue import TALK, Talk
from bertworks.dialogue import building, bundle
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.turns import Turns
from bertworks.notices import Notice
from bertworks.spec.dialogue import Dialogue, KnowledgeFile
from bertworks.storage import artifacts
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Parts of the spec.

    Attributes:
        dialogue: The section of that name, as JSON in a text: the order of its keys is that of asking.
        spec_folder: What its relative paths start from.
    """

    name: str
    description: str = ""
    dialogue: str
    spec_folder: str = "."


def run(section: Section, *, dialogue: Path) -> StepResult:
    """Writes a dialogue that talks by rules, or by the graph that the spec names.

    What is wrong with templates, rules, values and files is said here, before anything is trained.

    Args:
        section: name, description, dialogue, spec_folder.
        dialogue: Where the bundle goes.

    Raises:
        SourceError: The knowledge base cannot be fetched.
        DataError: It cannot be read; or a file that the spec names cannot.
        SpecError: A template or a label does not fit it; or a template, a rule or a phrase does nothing.
        ArtifactError: The graph that the spec names is of other slots.
    """
    said = Dialogue.model_validate_json(section.dialogue)
    folder = Path(section.spec_folder)
    knowledge = building.source_of(said, folder).now()
    building.answers_of(said, knowledge)
    building.rules_of(said)
    building.keywords_of(said)
    domain = building.domain_of(said)
    with artifacts.write(
        dialogue, kind=bundle.KIND, producer="prepare_dialogue", metadata=bundle.METADATA
    ) as out:
        bundle.write_knowledge(knowledge, out)
        policy, learn = said.policy, said.learn
        if learn.enabled:
            policy = policy.model_copy(update={"graph": None})
        elif policy.graph is not None:
            Graph(folder / policy.graph, domain)
            shutil.copyfile(folder / policy.graph, out / bundle.POLICY)
            policy = policy.model_copy(update={"graph": bundle.POLICY})
        if learn.start not in ("rules", "nothing"):
            Turns.load(folder / learn.start, domain)
            shutil.copyfile(folder / learn.start, out / bundle.START)
            learn = learn.model_copy(update={"start": bundle.START})
        learn = learn.model_copy(update={"utterances": None})  # for benchmarks, beside the spec
        if learn.measured is not None:
            building.errors_of(said, folder)
            shutil.copyfile(folder / learn.measured, out / bundle.ERRORS)
            learn = learn.model_copy(update={"measured": bundle.ERRORS})
        kept = said.model_copy(
            update={
                "knowledge": KnowledgeFile(uri=bundle.KNOWLEDGE),
                "policy": policy,
                "learn": learn,
            }
        )
        text = kept.model_dump_json()
        TALK.write(out, Talk(section.name, section.description, text, knowledge.digest))
    values = {f"values_of_{slot}": float(len(knowledge.values(slot))) for slot in domain.informable}
    count = len(knowledge)
    text = f"the dialogue finds one of {count:,} in {said.knowledge.uri}, by {', '.join(said.ask)}"
    return StepResult({"entities": count, **values}, notices=[Notice(text, count=count)])
