"""A policy is tried on some dialogues: a worse one is put back, a better one promoted, whoever looks."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bertworks.dialogue.actions import AGAIN, Situation, names
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.policies import CHALLENGER, Rules, Tried
from bertworks.dialogue.policies.choice import Choice, chosen
from bertworks.dialogue.satisfaction import ENGLISH
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.serving.dialogues.trial import CHAMPION, PolicyTrial
from bertworks.spec.dialogue import PolicyCanary
from pipelines.cli.main import app
from tests.dialogue.helpers import ANSWERS, DOMAIN, FILE, Still
from tests.dialogue.test_graph import some_layers
from tests.dialogue.test_spec import SPEC

NAMES = ("rules", "graph: abc")


class Deaf:
    """Asks everybody to say it again."""

    name = "deaf"

    def probabilities(self, situation: Situation) -> Any:
        import numpy as np

        found = np.zeros(len(situation.possible))
        found[names(situation.domain).index(AGAIN)] = 1.0
        return found

    def choose(self, situation: Situation) -> Choice:
        shares = self.probabilities(situation)
        return chosen(situation, int(shares.argmax()), shares, self.name)


class Town:
    """A room with a trial, whose users have some luck with each policy."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        self.now = 1_000_000.0
        self.store = SqliteStore(folder / "sessions.db", 86_400.0, lambda: self.now)
        self.rules = PolicyCanary.model_validate({"share": 0.5, **rules})
        self.promoted = 0
        self.trial = self.another()
        self.count = 0

    def another(self) -> PolicyTrial:
        def promoted() -> None:
            self.promoted += 1

        return PolicyTrial(self.store, NAMES, self.rules, ENGLISH, promoted, clock=lambda: self.now)

    def room(self) -> Room:
        policy = Tried(Rules(), Deaf(), self.trial.may_talk)
        agent = DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), policy, ANSWERS)
        return Room(agent, self.store, self.trial)

    def dialogues(self, many: int, luck: Callable[[str], float], seed: int = 1) -> None:
        """Dialogues that begin and end, each with an outcome by the luck of its arm."""
        here, chance = self.room(), random.Random(seed)
        for _ in range(many):
            if self.trial.verdict is not None:
                return
            self.count += 1
            name = f"talk {self.count}"
            here.turn("", name, "cheap chinese")
            loaded = self.store.load("", name)
            assert loaded is not None
            self.now += 10
            here.judge("", name, float(chance.random() < luck(loaded.state["arm"])))


def worse(arm: str) -> float:
    return 0.9 if arm == CHAMPION else 0.4


def better(arm: str) -> float:
    return 0.5 if arm == CHAMPION else 0.9


def alike(arm: str) -> float:
    return 0.7


def test_a_worse_policy_is_put_back_and_leaves_its_dialogues(tmp_path: Path) -> None:
    town = Town(tmp_path)
    here = town.room()
    name = next(f"{i}" for i in range(99) if town.trial.arm("", f"{i}") == CHALLENGER)
    assert here.turn("", name, "cheap chinese").trace["choice"]["by"] == "deaf"
    town.dialogues(400, worse)
    verdict = town.trial.verdict
    assert verdict is not None and not verdict.promoted and town.promoted == 0
    assert "worse by more than 0" in verdict.reason and town.count < 200
    # Its open dialogue goes on with the champion, and no other begins with it.
    assert here.turn("", name, "north").trace["choice"]["by"].startswith("rule: ")
    assert {town.trial.arm("", f"{i}") for i in range(99)} == {CHAMPION}


def test_a_better_policy_is_promoted_once_and_talks_from_then_on(tmp_path: Path) -> None:
    town = Town(tmp_path, least=20)
    beside = town.another()  # another server on the same file
    town.dialogues(600, better)
    verdict = town.trial.verdict
    assert verdict is not None and verdict.promoted and town.promoted == 1
    town.now += 60
    assert beside.look() == verdict and town.promoted == 1
    again = town.another()  # after a restart
    assert again.verdict == verdict and again.arm("", "new") == CHALLENGER
    standing = again.standing()
    assert standing.gain.value is not None and standing.gain.value > 0.2
    assert standing.gain.low < standing.gain.value < standing.gain.high
    assert min(standing.dialogues.values()) >= 20


def test_one_that_is_alike_is_not_promoted_by_looking_often(tmp_path: Path) -> None:
    wrong = 0
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        town = Town(tmp_path / str(seed), least=1)
        town.dialogues(120, alike, seed)
        wrong += town.trial.verdict is not None
    assert wrong <= 4  # each mistake has a chance of 1 in 20


def test_not_worse_is_enough_where_that_is_asked_and_an_end_is_an_end(tmp_path: Path) -> None:
    town = Town(tmp_path, gain=-0.3, worse=0.3, least=20)
    town.dialogues(900, alike)
    assert town.trial.verdict is not None and town.trial.verdict.promoted
    (tmp_path / "b").mkdir()
    town = Town(tmp_path / "b", most=25)
    town.dialogues(900, alike)
    assert (
        town.trial.verdict is not None and "It was not clear after 25" in town.trial.verdict.reason
    )


def test_what_is_over_counts_once_and_what_is_not_does_not(tmp_path: Path) -> None:
    town = Town(tmp_path)
    before = Room(town.room().agent, town.store)  # a server without a trial
    before.turn("", "earlier", "bye")
    here = town.room()
    ended = next(f"{i}" for i in range(99) if town.trial.arm("", f"{i}") == CHAMPION)
    here.turn("", "going on", "cheap chinese")
    assert here.turn("", ended, "bye").ended
    town.now += 300

    def counted() -> int:
        town.trial.look()
        return sum(town.trial.standing().dialogues.values())

    assert counted() == 0  # the user may still press a button
    town.now += 400
    assert counted() == 1
    town.now += 3600
    assert counted() == 2  # nobody goes on with it
    assert here.judge("", ended, 1.0) and counted() == 2
    assert sum(town.another().standing().dialogues.values()) == 2


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_who_has_a_dialogue_follows_from_its_id(tmp_path: Path, share: float) -> None:
    town = Town(tmp_path, share=share)
    arms = [town.trial.arm("ann", f"{i}") for i in range(2000)]
    assert arms == [town.another().arm("ann", f"{i}") for i in range(2000)]
    assert abs(arms.count(CHALLENGER) / 2000 - share) < 0.04
    other = PolicyTrial(town.store, ("rules", "graph: other"), town.rules, ENGLISH)
    assert other.name != town.trial.name


def test_the_command_tells_how_it_stands(tmp_path: Path) -> None:
    from bertworks.dialogue.policies import graph

    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    graph.write(tmp_path / "next.onnx", some_layers(), DOMAIN, {})
    given = ["dialogue", "canary", str(tmp_path / "town.yaml"), "--sessions",
             str(tmp_path / "sessions.db"), "--challenger"]  # fmt: skip
    found = CliRunner().invoke(app, [*given, str(tmp_path / "next.onnx")])
    assert found.exit_code == 0, found.output
    assert "challenger  0 dialogues, none is over yet" in found.stdout
    assert "not clear yet" in found.stdout
    missing = CliRunner().invoke(app, [*given, str(tmp_path / "none.onnx")])
    assert isinstance(missing.exception, BertworksError)


def test_what_cannot_be_read_costs_nobody_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(tmp_path)
    here = town.room()
    ended = next(f"{i}" for i in range(99) if town.trial.arm("", f"{i}") == CHAMPION)
    here.turn("", ended, "bye")
    with town.store.base() as base:  # as another version wrote it
        base.execute("UPDATE turns SET trace = '{}'")
    town.now += 700
    assert here.turn("", "next", "cheap chinese").answer
    assert sum(town.trial.standing().dialogues.values()) == 0

    def full(*_: Any, **__: Any) -> Any:
        raise EnvironmentFault("The disk is full.", "Make room.")

    monkeypatch.setattr(town.store, "over", full)
    town.now += 60
    assert here.turn("", "next", "north").answer
    assert here.judge("", "next", 1.0)
