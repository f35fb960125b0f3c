"""Dialogues in words: a trained understanding hears simulated users, and answers are texts.

    make bench-dialogue ARGS="--texts turns/latest"

Users say utterances that the understanding was not trained on (the test part of
`dialogue.learn.utterances`), with values of the knowledge base, of which a third of the open ones stands
in no training row. Answers are read back by a check that knows nothing of templates; a dialogue with an
untrue one counts as failed.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.harness.results import Result, Row
from benchmarks.serving.servers import Server
from bertworks.dialogue import building
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.policies import Chance, Policy
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.talking import UNTRUE, Misheard, Talks, talks
from bertworks.dialogue.understanding import Understanding
from bertworks.runtime.agent import Agent
from bertworks.spec.dialogue import Dialogue

ADDED = (0.0, 0.1)
SUCCESS, FALL, MILLISECONDS = 0.80, 0.08, 15.0
SHOWN = 12


@dataclass(frozen=True)
class Asked:
    """What is measured.

    Attributes:
        spec: The section.
        folder: What its paths are relative to.
        agent: The bundle that understands.
        dialogues: With each policy, and each rate of added errors.
        seed: Of the users.
        file: The spec.
    """

    spec: Dialogue
    folder: Path
    agent: Path
    dialogues: int
    seed: int
    file: Path


def result(asked: Asked, graphs: Sequence[Graph], shown: str, seeds: Sequence[int]) -> Result:
    """The table.

    Args:
        asked: See there.
        graphs: Learned policies, one a seed.
        shown: The spec's name.
        seeds: Of the policies.
    """
    loaded, name = Agent.load(asked.agent), asked.agent.name
    trained = building.backed_of(asked.spec, loaded, name)
    alone = building.understanding_of(asked.spec, loaded, name)
    keywords = building.keywords_of(asked.spec)
    rules = building.rules_of(asked.spec)
    talk = _talking(asked)
    own = {rate: [talk(trained, one, rate) for one in graphs] for rate in ADDED}
    by_rules = {rate: talk(trained, rules, rate) for rate in ADDED}
    others = {
        "by chance": talk(trained, Chance(1), 0.0),
        "trained alone, rules": talk(alone, rules, 0.0),
        "keywords, rules": talk(keywords, rules, 0.0),
    }
    learned = f"policies of seeds {', '.join(map(str, seeds))}" if seeds else "by the rules"
    return Result(
        "dialogue-texts",
        "Dialogues in words, end to end",
        f'make bench-dialogue ARGS="{" ".join(["--texts AGENT --seeds", *map(str, seeds)])} '
        f'--talks {asked.dialogues}"',
        f"{shown}, {asked.agent.name}; {asked.dialogues} simulated users for each policy and rate of "
        f"added errors, {learned}; utterances and a third of the open values are of no training row",
        [*_rows(own, by_rules, others), _served(asked, by_rules[0.0])],
        seed=asked.seed,
    )


def _talking(asked: Asked) -> Callable[[Understanding, Policy, float], Talks]:
    spec = asked.spec
    source = building.source_of(spec, asked.folder)
    answers = building.answers_of(spec, source.now())
    speaker = building.speaker_of(spec, asked.folder)
    habits = building.habits_of(spec)

    def talk(understanding: Understanding, policy: Policy, added: float) -> Talks:
        if added:
            random = np.random.default_rng([asked.seed, 1])
            understanding = Misheard(understanding, Errors(added), random)
        agent = DialogueAgent(building.domain_of(spec), source, understanding, policy, answers)
        found = talks(agent, speaker, asked.dialogues, asked.seed, habits)
        print(
            f"{understanding.name}, {type(policy).__name__}: success {found.success:.3f}, turns "
            f"{found.turns:.2f}, {found.errors.rate:.3f} of acts misheard; {found.endings}",
            file=sys.stderr,
            flush=True,
        )
        return found

    return talk


def _rows(
    own: dict[float, list[Talks]], rules: dict[float, Talks], others: dict[str, Talks]
) -> Iterator[Row]:
    for rate, found in own.items():
        at = "" if not rate else f", {rate:.0%} errors added"
        beside = {name: one.success for name, one in others.items()} if not rate else {}
        yield _row(
            f"success{at}", [one.success for one in found], rules[rate].success,
            goal=None if rate else SUCCESS, **beside,
        )  # fmt: skip
        yield _row(f"turns{at}", [one.turns for one in found], rules[rate].turns, unit="turns")
    falls = [a.success - b.success for a, b in zip(*(own[rate] for rate in ADDED), strict=True)]
    fall = rules[0.0].success - rules[0.1].success
    yield _row("fall of success by 10% errors added", falls, fall, goal=FALL, at_most=True)
    plain = own[0.0] or [rules[0.0]]
    kinds = plain[0].errors
    yield Row(
        "acts that are misheard", "", "", statistics.median([one.errors.rate for one in plain]),
        rounds=len(plain),
        quality={
            "of turns": plain[0].misheard, "of these acts lost": kinds.lost,
            "another value": kinds.value, "another slot": kinds.slot, "another intent": kinds.intent,
        },
        note="; ".join(f"{count} {what}" for what, count in _lost(plain).most_common(SHOWN)),
    )  # fmt: skip
    endings: Counter[str] = Counter()
    for one in plain:
        endings.update(one.endings)
    yield Row(
        "dialogues that failed", "", "share",
        1 - endings["success"] / sum(endings.values()), rounds=len(plain),
        note="; ".join(f"{count} {what}" for what, count in endings.most_common() if what != "success"),
    )  # fmt: skip
    every = [one for found in own.values() for one in found] + [*rules.values(), *others.values()]
    yield Row(
        "dialogues with an untrue answer", "", "", sum(one.endings.get(UNTRUE, 0) for one in every),
        goal=0, at_most=True, quality={"of": sum(len(one.talks) for one in every)},
    )  # fmt: skip
    yield Row(
        "a turn in this process, 95th percentile", "", "ms",
        statistics.median([one.seconds(0.95) for one in plain]) * 1000, goal=MILLISECONDS, at_most=True,
        rounds=len(plain),
        quality={"median": statistics.median([one.seconds(0.5) for one in plain]) * 1000},
    )  # fmt: skip


def _served(asked: Asked, found: Talks) -> Row:
    """What simulated users said, said again to a server by one client; each turn is on its disk."""
    milliseconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_text("{}\n")
        command = [sys.executable, "-m", "pipelines.cli", "serve", "--dialogue", str(asked.file),
                   "--agent", str(asked.agent), "--sessions", f"{folder}/sessions.db",
                   "--port", "PORT"]  # fmt: skip
        with Server("bertworks", command, ["/v1/dialogues"], bodies) as server:
            client = http.client.HTTPConnection("127.0.0.1", server.port)
            for talk in found.talks:
                place = f"/v1/dialogues/{_asked(client, '/v1/dialogues', {})['dialogue']}/turns"
                for number, one in enumerate(talk.exchanges, 1):
                    began = time.perf_counter()
                    answer = _asked(client, place, {"text": one.trace.text, "turn": number})
                    milliseconds.append((time.perf_counter() - began) * 1000)
                    if answer["ended"]:
                        break
    return Row(
        "a turn on the server, 95th percentile", "", "ms",
        float(np.quantile(milliseconds, 0.95)), goal=MILLISECONDS, at_most=True,
        quality={"median": statistics.median(milliseconds), "turns": len(milliseconds)},
        note="one client, by the rules",
    )  # fmt: skip


def _asked(client: http.client.HTTPConnection, path: str, body: object) -> dict[str, Any]:
    client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = client.getresponse()
    told = json.loads(answer.read())
    if answer.status >= 300:
        raise SystemExit(f"error: {path} was answered with {answer.status}: {told}")
    return cast("dict[str, Any]", told)


def _row(
    what: str,
    values: Sequence[float],
    rules: float,
    *,
    unit: str = "",
    goal: float | None = None,
    at_most: bool = False,
    **beside: float,
) -> Row:
    spread = {"least": min(values), "greatest": max(values), "rules": rules} if values else {}
    return Row(
        what, "", unit, statistics.median(values) if values else rules, goal=goal, at_most=at_most,
        rounds=max(len(values), 1), quality={**spread, **beside},
        note="" if values else "the rules: no policy was learned",
    )  # fmt: skip


def _lost(found: Sequence[Talks]) -> Counter[str]:
    lost: Counter[str] = Counter()
    for one in found:
        lost.update(one.lost())
    return lost
