"""From a spec's `dialogue` section to the parts that talk."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bertworks.dialogue import satisfaction
from bertworks.dialogue.agent import DialogueAgent, Source
from bertworks.dialogue.answers import Answers, Templates
from bertworks.dialogue.answers.words import read_values
from bertworks.dialogue.backed import Backed
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.hearing import Answering, Hearing, Learned
from bertworks.dialogue.knowledge import ENDINGS, Followed, Knowledge, read
from bertworks.dialogue.knowledge import words as said_words
from bertworks.dialogue.matching import Found, Matching
from bertworks.dialogue.policies import Policy, Rules, Softened
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.policies.rules import DEFAULT, Rule, idle
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Habits
from bertworks.dialogue.understanding import Keywords, Understanding
from bertworks.errors import SpecError
from bertworks.spec.dialogue import Dialogue
from bertworks.spec.task import Task

if TYPE_CHECKING:
    from bertworks.dialogue.simulation.speaking import Speaker


class TrainedAgent(Answering, Protocol):
    """A loaded agent: `bertworks.runtime.agent.Agent`."""

    @property
    def task(self) -> Task: ...


@dataclass(frozen=True)
class Fetched:
    """A knowledge base that was fetched, and does not change.

    Attributes:
        knowledge: It.
        fault: Always "".
    """

    knowledge: Knowledge
    fault: str = ""

    def now(self) -> Knowledge:
        """It."""
        return self.knowledge


def domain_of(spec: Dialogue) -> Domain:
    """The slots of a dialogue.

    Raises:
        SpecError: A column's name cannot be one.
    """
    try:
        return Domain(spec.key, tuple(spec.ask), tuple(spec.tell), spec.entity)
    except ValueError as error:
        raise SpecError(f"dialogue: {error}.", "Mend `key`, `ask` and `tell`.") from None


def source_of(spec: Dialogue, folder: Path) -> Source:
    """The knowledge base: followed where it is a file here, else fetched.

    Args:
        spec: The section.
        folder: What local paths are relative to.

    Raises:
        SourceError: It cannot be fetched, or is no single file.
        DataError: It cannot be read.
    """
    from bertworks.data.sources.fetch import fetch_one
    from bertworks.data.sources.uri import parse

    asked, domain = spec.knowledge, domain_of(spec)
    location = parse(asked.uri)
    where = "dialogue.knowledge.uri"
    with fetch_one(asked.uri, asked.sha256, folder, where, ENDINGS) as file:
        if location.kind == "local" and not location.inner and asked.sha256 is None:
            return Followed(file.path, domain, asked.table, asked.uri)
        return Fetched(read(file.path, domain, asked.table, file.name))


def answers_of(spec: Dialogue, knowledge: Knowledge) -> Answers:
    """The templates, and what slots are called in them.

    Raises:
        SpecError: See `Templates`; or a label that is a value of the knowledge base.
    """
    labels = {
        name: slot.label
        for name, slot in (*spec.ask.items(), *spec.tell.items())
        if slot.label is not None
    }
    for name, label in labels.items():
        if said := read_values(label, knowledge).values:
            raise SpecError(
                f"dialogue: the label {label!r} of {name} says {said[0][1]!r}, which is a "
                f"{said[0][0]} of the knowledge base.",
                "Choose another label.",
            )
    own = {
        form: [texts] if isinstance(texts, str) else texts for form, texts in spec.answers.items()
    }
    domain = domain_of(spec)
    return Answers(Templates(own, domain, knowledge), domain, labels)


def rules_of(spec: Dialogue) -> Rules:
    """The rules.

    Raises:
        SpecError: One never decides anything.
    """
    rules = [Rule(one.when, one.do, one.limit) for one in spec.policy.rules]
    if (found := idle(rules)) is not None:
        where = f"dialogue.policy.rules.{found.place} ({rules[found.place].name})"
        raise SpecError(f"{where} {found.why}.", found.fix)
    return Rules(rules or DEFAULT)


def policy_of(spec: Dialogue, folder: Path, graph: Path | None = None) -> Policy:
    """Who chooses: a learned graph where there is one, else the rules.

    Args:
        spec: The section.
        folder: What `policy.graph` is relative to.
        graph: Instead of `policy.graph`.

    Raises:
        ArtifactError: The graph is missing, or was learned for other slots.
    """
    if graph is None and spec.policy.graph is not None:
        graph = folder / spec.policy.graph
    policy: Policy = Graph(graph, domain_of(spec)) if graph is not None else rules_of(spec)
    share = spec.policy.explore
    return Softened(policy, share, secrets.randbits(32)) if share else policy


def keywords_of(spec: Dialogue) -> Keywords:
    """The understanding that needs no training.

    Raises:
        SpecError: A phrase has no words, so that nobody is understood by it.
    """
    slots = {**spec.ask, **spec.tell}
    for where, phrases in _phrases(spec):
        for phrase in phrases:
            if not said_words(phrase):
                raise SpecError(
                    f"{where}: nobody is understood by {phrase!r:.80}, which has no letter or digit.",
                    "Write it in words, or take it out.",
                )
    words = {
        name: [*slot.words, *([slot.label] if slot.label else [])] for name, slot in slots.items()
    }
    orders = {name: slot.order for name, slot in spec.ask.items() if slot.order}
    return Keywords(domain_of(spec), words, _other_words(spec), spec.words, orders)


def _phrases(spec: Dialogue) -> Iterator[tuple[str, Sequence[str]]]:
    """All phrases that are listened for, with the setting that they stand in."""
    for intent, phrases in spec.words.items():
        yield f"dialogue.words.{intent}", phrases
    for use, slots in (("ask", spec.ask), ("tell", spec.tell)):
        for name, slot in slots.items():
            yield f"dialogue.{use}.{name}.words", slot.words
            for value, phrases in slot.values.items():
                yield f"dialogue.{use}.{name}.values.{value}", phrases


def understanding_of(spec: Dialogue, agent: TrainedAgent, name: str) -> Learned:
    """A trained understanding.

    Args:
        spec: The section.
        agent: A loaded agent of task `understanding`.
        name: For the trace.

    Raises:
        SpecError: The agent is of another task.
    """
    kind = agent.task.kind.name
    if kind != "understanding":
        raise SpecError(
            f"The agent {name} is of task {kind}; what understands turns is of task understanding.",
            "Name another bundle, or none: then lists of words understand.",
        )
    return Learned(
        agent,
        name,
        domain_of(spec),
        _other_words(spec),
        context=agent.task.context,
        keywords=keywords_of(spec),
    )


def speaker_of(spec: Dialogue, folder: Path) -> Speaker:
    """The words of simulated users: utterances that understanding was not trained on.

    Args:
        spec: The section.
        folder: What `learn.utterances` is relative to.

    Raises:
        SpecError: No utterances are named.
        DataError: They say too little.
        SourceError: They cannot be fetched.
    """
    if spec.learn.utterances is None:
        raise SpecError(
            "dialogue.learn.utterances names no file: simulated users have no words.",
            "Name a setting of masked utterances, as examples/restaurant/utterances.yaml.",
        )
    # What reads rows needs packages that the environment which learns policies does not have.
    from bertworks.data.sources.fetch import check_one
    from bertworks.data.utterances.making import held_out
    from bertworks.dialogue.simulation.speaking import Speaker

    check_one(spec.learn.utterances, folder, "dialogue.learn.utterances", (".yaml", ".yml"))
    domain = domain_of(spec)
    setting, utterances = held_out(folder / spec.learn.utterances, spec.learn.utterances)
    return Speaker(utterances, Hearing(domain, _other_words(spec)), domain, setting.variants)


def _other_words(spec: Dialogue) -> dict[str, dict[str, list[str]]]:
    """Slot to value to other words for it."""
    return {name: slot.values for name, slot in (*spec.ask.items(), *spec.tell.items())}


def backed_of(spec: Dialogue, agent: TrainedAgent, name: str) -> Backed:
    """A trained understanding, backed by the knowledge base's values and lists of words.

    Arguments and errors are those of `understanding_of`.
    """
    return Backed(understanding_of(spec, agent, name), keywords_of(spec))


def matching_of(agent: TrainedAgent, name: str) -> Found:
    """What finds documents for questions that the flow does not know.

    Args:
        agent: A loaded agent of task `matching`, with its documents.
        name: For the trace.

    Raises:
        SpecError: The agent is of another task.
    """
    kind = agent.task.kind.name
    if kind != "matching":
        raise SpecError(
            f"The agent {name} is of task {kind}; what finds documents is of task matching.",
            "Name another bundle, or none: then nothing answers what is not understood.",
        )
    return Found(agent, name)


def phrases_of(spec: Dialogue) -> dict[str, Sequence[str]]:
    """What praises and complains."""
    own = spec.satisfaction.model_dump(exclude_none=True)
    return {**satisfaction.ENGLISH, **own}


def habits_of(spec: Dialogue) -> Habits:
    """How simulated users are."""
    return Habits(**spec.learn.users.model_dump())


def errors_of(spec: Dialogue, folder: Path) -> tuple[Errors, ...]:
    """How simulated users are misunderstood: at each rate, and as was measured.

    Raises:
        DataError: What was measured cannot be read.
    """
    rates = [Errors(rate) for rate in spec.learn.errors]
    if spec.learn.measured is not None:
        rates.append(Errors.load(folder / spec.learn.measured))
    return tuple(rates)


def agent_of(
    spec: Dialogue,
    folder: Path,
    understanding: Understanding | None = None,
    policy: Policy | None = None,
    matching: Matching | None = None,
) -> DialogueAgent:
    """All parts together.

    Args:
        spec: The section.
        folder: What its paths are relative to.
        understanding: From texts to acts; None: `Keywords`.
        policy: Who chooses; None: as the spec says, see `policy_of`.
        matching: Answers what is not understood; None: nothing does.

    Raises:
        BertworksError: See the other functions here.
    """
    source = source_of(spec, folder)
    return DialogueAgent(
        domain_of(spec),
        source,
        understanding or keywords_of(spec),
        policy or policy_of(spec, folder),
        answers_of(spec, source.now()),
        matching,
    )
