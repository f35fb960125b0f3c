"""The whole circle: kept dialogues, the next policy out of them, its judgement, and its trial."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertworks.dialogue import building, learner
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.policies import Policy, Rules, Softened, Tried
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.satisfaction import ENGLISH
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import EnvironmentFault
from bertworks.serving.dialogues.trial import PolicyTrial
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from pipelines.cli.main import app
from tests.dialogue.helpers import ANSWERS, DOMAIN, FILE, Still
from tests.dialogue.simulated import talks
from tests.dialogue.test_spec import SPEC

pytestmark = pytest.mark.slow

KEPT, TRIED = 600, 1500
ERRORS = Errors(0.1)
CANARY = "  policy: {explore: 0.4, canary: {share: 0.5, gain: -0.1, worse: 0.1}}\n"


def test_what_users_told_becomes_a_policy_that_is_judged_tried_and_promoted(tmp_path: Path) -> None:
    try:
        learns = learner.learner()
    except EnvironmentFault as fault:
        pytest.skip(str(fault))
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    spec, file = tmp_path / "town.yaml", tmp_path / "sessions.db"
    spec.write_text(SPEC + CANARY)
    graph, turns, sessions = (
        tmp_path / "next.onnx",
        tmp_path / "turns.npz",
        ("--sessions", str(file)),
    )

    # What talks now tries things out, which costs it dialogues.
    def room(store: SqliteStore, policy: Policy, trial: PolicyTrial | None = None) -> Room:
        agent = DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), policy, ANSWERS)
        return Room(agent, store, trial)

    store = SqliteStore(file, 86_400.0, dialogue="town")
    before = talks(room(store, Softened(Rules(), 0.4, 1)), range(KEPT), ERRORS)

    def bertworks(*arguments: str) -> Result:
        found = CliRunner().invoke(app, [*arguments, "--root", str(tmp_path / "root")])
        assert found.exit_code == 0, (found.output, found.exception)
        return found

    told = bertworks("dialogue", "turns", str(spec), "-o", str(turns), *sessions).stdout
    assert f"of {KEPT} dialogues" in told
    subprocess.run(
        [*learns, "-m", "bertworks.dialogue.learning.train", str(spec), "--out", str(graph),
         "--set", f"dialogue.learn.start={turns.name}", "--set", "dialogue.learn.steps=0"],
        check=True,
    )  # fmt: skip
    judged = bertworks("dialogue", "judge", str(spec), "--policy", str(graph), *sessions).stdout
    assert "gain              +" in judged

    # It is tried on half of the dialogues that begin, exploring as the champion does.
    section = load_as(DialogueSpec, spec).dialogue
    champion = building.policy_of(section, tmp_path)
    challenger = building.policy_of(section, tmp_path, graph)
    promoted: list[bool] = []
    trial = PolicyTrial(
        store, (champion.name, challenger.name), section.policy.canary, ENGLISH,
        lambda: promoted.append(True),
    )  # fmt: skip
    here = room(store, Tried(champion, challenger, trial.may_talk), trial)
    for number in range(KEPT, KEPT + TRIED):
        talks(here, [number], ERRORS)
        trial._looked = 0.0  # one look a dialogue, however fast they are
        if trial.look() is not None:
            break
    assert trial.verdict is not None and trial.verdict.promoted and promoted == [True]
    shown = bertworks(
        "dialogue", "canary", str(spec), "--challenger", str(graph), *sessions, "--json"
    )  # fmt: skip
    assert '"promoted": true' in shown.stdout
    settled = room(
        SqliteStore(tmp_path / "later.db", 86_400.0, dialogue="town"), Graph(graph, DOMAIN)
    )
    after = talks(settled, range(10_000, 10_200), ERRORS)
    assert sum(after) / len(after) > sum(before) / len(before)
