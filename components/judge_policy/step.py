"""Judges the dialogue's policy: with simulated users beside the rules, and by kept dialogues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bertworks.contracts.decision import Interval
from bertworks.contracts.dialogue import JUDGEMENT, Judgement, Offline, Serving, Talk, WithUsers
from bertworks.contracts.metrics import METRICS, Metric
from bertworks.dialogue import building, bundle
from bertworks.dialogue.actions import names
from bertworks.dialogue.answers import faults
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.logs import kept_in, turns_of
from bertworks.dialogue.off_policy import judge
from bertworks.dialogue.policies import Policy
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.sessions import SqliteStore
from bertworks.dialogue.simulation.episode import Episode
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import Ended, each, summed
from bertworks.errors import DataError
from bertworks.evaluation.bootstrap import estimate
from bertworks.notices import Notice
from bertworks.pages.dialogue import judgement_page
from bertworks.progress import Stage, stage
from bertworks.spec.dialogue import Dialogue, JudgePolicy
from bertworks.storage import artifacts
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection

RESAMPLES = 1000
PAGE = "view.html"


class Section(StepSection):
    """Parts of the spec.

    Attributes:
        judge: The section of that name.
        sessions: Where dialogues of the policy that talked are kept, as the step sees it.
        store: In a retraining, URI or path of the model store: the dialogue that serves has the same
            users.
    """

    judge: JudgePolicy
    sessions: str | None = None
    store: str | None = None


def run(section: Section, *, dialogue: Path, judged: Path) -> StepResult:
    """Writes what the policy comes to, and what its answers say.

    Args:
        section: judge, sessions, and in a retraining store.
        dialogue: Bundle artifact of the dialogue.
        judged: Where the metrics artifact goes.

    Raises:
        EnvironmentFault: The kept dialogues cannot be read.
        ArtifactError: The dialogue that serves is damaged.
    """
    talking = bundle.open_dialogue(dialogue)
    said, asked, notices = talking.talk.section, section.judge, list[Notice]()
    knowledge = building.source_of(said, talking.folder).now()
    learned = said.policy.graph is not None
    offline = None
    if learned and section.sessions is not None:
        kept, name = Path(section.sessions), talking.talk.name
        offline = _offline(kept, name, said, talking.folder, knowledge, notices)
    serving, theirs = None, None
    if section.store is not None:
        serving, theirs = _serving(section.store, talking)
    found = _with_users(said, talking.folder, knowledge, asked, serving, theirs)
    result = replace(found, learned=learned, offline=offline)
    metrics = [
        Metric(name, value, slice=f"errors={one.errors}" if one else "", rows=rows)
        for one, rows in [(None, asked.dialogues * len(result.users)), *_rows(result)]
        for name, value in _of(one or result).items()
    ]
    with artifacts.write(
        judged, kind="metrics", producer="judge_policy", parents={"agent": talking.artifact},
        metadata={"metric": "success"},
    ) as out:  # fmt: skip
        JUDGEMENT.write(out, result)
        METRICS.write(out, metrics)
        (out / PAGE).write_text(judgement_page(talking.talk.name, result), encoding="utf-8")
    if result.untrue:
        text = f"{result.untrue} of {result.answers:,} answers said what they should not"
        notices.append(Notice(text, "warning", result.untrue))
    if not learned:
        notices.append(Notice("rules choose: no policy was learned (dialogue.learn.enabled)"))
    numbers: dict[str, float | None] = {**_of(result), "untrue_answers": result.untrue}
    if offline is not None:
        numbers |= {"offline_gain": offline.gain, "offline_gain_low": offline.gain_low}
    return StepResult(numbers, html=PAGE, notices=notices)


def _rows(result: Judgement) -> list[tuple[WithUsers, int]]:
    return [(one, result.dialogues) for one in result.users]


def _of(found: Judgement | WithUsers) -> dict[str, float]:
    return {"success": found.success, "turns": found.turns, "reward": found.reward}


def _settled(said: Dialogue, folder: Path) -> Policy:
    """The policy; what is tried out by chance while it serves is not what is judged."""
    policy = said.policy.model_copy(update={"explore": 0.0})
    return building.policy_of(said.model_copy(update={"policy": policy}), folder)


def _serving(store: str, talking: bundle.Bundle) -> tuple[Serving | None, Policy | None]:
    """The dialogue that serves, and its policy where that can be compared."""
    name = talking.talk.name
    champion = Store(store).champion(name)
    if champion is None:
        return None, None
    if champion.digest == talking.artifact.digest:
        return Serving(champion.number, champion.digest, True), None
    other = bundle.open_dialogue(Store(store).fetch(name, champion.number).path)
    own, theirs = talking.talk.section, other.talk.section
    alike = _but_for_policy(talking.talk) == _but_for_policy(other.talk)
    found = Serving(champion.number, champion.digest, alike)
    if names(building.domain_of(own)) != names(building.domain_of(theirs)):
        return found, None
    return found, _settled(theirs, other.folder)


def _but_for_policy(talk: Talk) -> object:
    said = talk.section.model_dump(exclude={"policy", "learn"})
    return said, talk.knowledge, talk.understanding, talk.matching


def _with_users(
    said: Dialogue,
    folder: Path,
    knowledge: Knowledge,
    asked: JudgePolicy,
    serving: Serving | None = None,
    other: Policy | None = None,
) -> Judgement:
    """The policy beside the rules, with the same users; and how true its answers were.

    And beside the policy that serves, where it is to be replaced.
    """
    rules, saying = building.rules_of(said), building.answers_of(said, knowledge)
    policy = _settled(said, folder)
    habits, rates = building.habits_of(said), building.errors_of(said, folder)
    count, wrong = 0, 0

    def watch(episode: Episode, action: str) -> None:
        nonlocal count, wrong
        acts = episode.situation.acts(action)
        answer = saying.say(acts, knowledge, episode.turns)
        count, wrong = count + 1, wrong + bool(faults(answer.text, acts, knowledge))

    users, gains, before = [], [], []
    with stage("dialogues with simulated users", len(rates) * asked.dialogues, "dialogues") as work:
        for number, errors in enumerate(rates):
            measured = said.learn.measured is not None and number == len(rates) - 1
            name = "measured" if measured else f"{errors.rate:g}"
            given = (knowledge, asked.dialogues, asked.seed + number, errors, habits)
            own = list(_counted(each(policy, *given, watch), work))
            theirs = list(each(rules, *given))
            gains.append(_above(own, theirs, "reward"))
            users.append(_beside(name, errors, own, theirs))
            if other is not None:
                before.append((own, list(each(other, *given))))
    gain = _interval(gains, asked.seed)
    if serving is not None and before:
        success = np.mean([[one.success for one in theirs] for _, theirs in before])
        serving = replace(
            serving,
            success=float(success),
            gain=_interval([_above(*both, "reward") for both in before], asked.seed),
            more=_interval([_above(*both, "success") for both in before], asked.seed),
        )
    assert gain.low is not None and gain.high is not None
    return Judgement(
        False, asked.dialogues, users, gain.value, gain.low, gain.high, count, wrong,
        serving=serving,
    )  # fmt: skip


def _above(own: Sequence[Ended], theirs: Sequence[Ended], field: str) -> list[float]:
    pairs = zip(own, theirs, strict=True)
    return [float(getattr(a, field)) - float(getattr(b, field)) for a, b in pairs]


def _interval(gains: Sequence[Sequence[float]], seed: int) -> Interval:
    """The mean of (rates, dialogues), and its 95 % interval.

    The users of a rate are drawn apart from those of the others: one row is one of each.
    """
    mean = np.array(gains).mean(axis=0)
    count = len(mean)
    found = estimate(lambda weights: {"": weights @ mean / count}, count, RESAMPLES, seed)[""]
    return Interval(found.value, found.low, found.high)


def _counted(dialogues: Iterator[Ended], work: Stage) -> Iterator[Ended]:
    for one in dialogues:
        work.advance()
        yield one


def _beside(name: str, errors: Errors, own: Sequence[Ended], rules: Sequence[Ended]) -> WithUsers:
    mine, theirs = summed(own), summed(rules)
    return WithUsers(
        name, errors.rate, mine.success, mine.turns, mine.reward, theirs.success, theirs.turns,
        theirs.reward, mine.endings,
    )  # fmt: skip


def _offline(
    sessions: Path,
    name: str,
    said: Dialogue,
    folder: Path,
    knowledge: Knowledge,
    notices: list[Notice],
) -> Offline:
    """What the kept dialogues say; where they say too little, why."""
    if not sessions.is_file():
        return Offline(False, f"no dialogues are kept in {sessions.name} yet", 0)
    store = SqliteStore(sessions, said.sessions.minutes * 60, dialogue=name)
    over, going_on = kept_in(store, building.phrases_of(said))
    if going_on:
        text = f"{going_on} dialogues of the last hour may still go on, and judge nothing"
        notices.append(Notice(text, count=going_on))
    if not over:
        return Offline(False, f"no dialogues are kept in {sessions.name} yet", 0)
    try:
        turns, told = turns_of(over, knowledge)
        notices += told
        graph = Graph(folder / bundle.POLICY, knowledge.domain)
        found = judge(turns, graph.taken)
    except DataError as error:
        return Offline(False, error.message, len(over))
    return Offline(
        found.told, found.reason, found.dialogues, found.effective, found.logged, found.value,
        found.gain, found.gain_low, found.gain_high,
    )  # fmt: skip
