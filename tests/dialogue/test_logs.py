"""Kept dialogues become turns that judge a policy; what cannot be used is left out and counted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bertworks.dialogue import features
from bertworks.dialogue.actions import names
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.logs import Kept, turns_of
from bertworks.dialogue.policies import Rules, Softened, graph
from bertworks.dialogue.satisfaction import repeats
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.trace import Trace
from bertworks.dialogue.turns import Turns
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import DataError
from pipelines.cli.main import app
from tests.dialogue.helpers import ANSWERS, DOMAIN, FILE, TOWN, Still
from tests.dialogue.simulated import talk
from tests.dialogue.test_spec import SPEC

DIALOGUES = 80


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated users talk with a room, as real ones would."""
    file = tmp_path_factory.mktemp("kept") / "sessions.db"
    policy = Softened(Rules(), 0.3, 1)
    agent = DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), policy, ANSWERS)
    store = SqliteStore(file, 3600.0, dialogue="town")
    here, errors = Room(agent, store), Errors(0.1)
    for number in range(DIALOGUES):
        talk(here, number, errors, tells=bool(number % 2))
    return file


def kept(sessions: Path) -> list[Kept]:
    return [
        Kept([Trace.from_json(one) for one in traces], stored.outcome)
        for stored, traces in SqliteStore(sessions, 3600.0, dialogue="town").all()
    ]


def test_turns_are_what_was_said_and_done(sessions: Path) -> None:
    dialogues = kept(sessions)
    turns, notices = turns_of(dialogues, TOWN)
    assert len(turns) == sum(len(one.traces) for one in dialogues)
    assert len(turns.starts) == DIALOGUES
    assert ((turns.probability > 0) & (turns.probability <= 1)).all()
    assert turns.possible[np.arange(len(turns)), turns.action].all()
    totals = np.add.reduceat(turns.reward, turns.starts)
    lengths = np.array([len(one.traces) for one in dialogues])
    again = np.array([sum(repeats(one.traces)) for one in dialogues])
    assert again.any()
    np.testing.assert_allclose(totals, [20 * one.success for one in dialogues] - lengths - again)
    assert [one.count for one in notices] == [DIALOGUES // 2]
    assert {one.outcome for one in dialogues} == {None, 0.0, 1.0}


def test_dialogues_of_another_knowledge_base_are_left_out(sessions: Path) -> None:
    dialogues = kept(sessions)
    old = replace(dialogues[0].traces[0], knowledge="0" * 16)
    bare = replace(
        dialogues[1].traces[0],
        choice=replace(dialogues[1].traces[0].choice, candidates=(), probability=None),
    )
    changed = [Kept([old]), Kept([bare]), *dialogues[2:]]
    turns, notices = turns_of(changed, TOWN)
    assert len(turns.starts) == DIALOGUES - 2
    assert [one.text for one in notices[:2]] == [
        f"1 of {DIALOGUES} dialogues were left out: the knowledge base was another one",
        f"1 of {DIALOGUES} dialogues were left out: how probable an action was is not known",
    ]
    with pytest.raises(DataError, match="No dialogue can be learned from, of 1; 1 of 1"):
        turns_of([Kept([old])], TOWN)


def test_a_policy_is_judged_by_a_command(sessions: Path, tmp_path: Path) -> None:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    widths = len(features.names(DOMAIN)), len(names(DOMAIN))
    always_again = np.zeros(widths[1], "f")
    always_again[names(DOMAIN).index("again")] = 50.0
    layers = [(np.zeros(widths[::-1], "f"), always_again)]
    graph.write(tmp_path / "again.onnx", layers, DOMAIN, {})

    def judge(*options: str) -> tuple[int, str, BaseException | None]:
        found = CliRunner().invoke(
            app,
            ["dialogue", "judge", str(tmp_path / "town.yaml"), "--policy",
             str(tmp_path / "again.onnx"), "--sessions", str(sessions), *options],
        )  # fmt: skip
        return found.exit_code, found.stdout, found.exception

    _, shown, error = judge()
    assert "dialogues are worth 0 for this policy" in str(error)  # it does what nobody did
    over = sum(
        stored.state["ended"] or stored.outcome is not None
        for stored, _ in SqliteStore(sessions, 3600.0, dialogue="town").all()
    )
    assert f"kept dialogues   {over}," in shown
    assert f"{DIALOGUES - over} dialogues of the last hour may still go on" in shown
    assert f"of {over} dialogues have no outcome" in shown
    value = json.loads(judge("--json")[1])
    assert not value["better"] and not value["told"] and value["value"] < value["logged"]


def test_turns_for_the_next_policy_are_written_by_a_command(sessions: Path, tmp_path: Path) -> None:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    out = tmp_path / "turns.npz"
    found = CliRunner().invoke(
        app,
        [
            "dialogue",
            "turns",
            str(tmp_path / "town.yaml"),
            "--sessions",
            str(sessions),
            "-o",
            str(out),
        ],
    )
    assert found.exit_code == 0, found.output
    turns = Turns.load(out, DOMAIN)
    assert f"{len(turns)} turns of {len(turns.starts)} dialogues" in found.stdout
    assert turns.reward.max() == 19 and turns.reward.min() == -2
