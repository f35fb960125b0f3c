"""Learning in its own environment: what is imitated is done again, and learning makes it better."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bertworks.dialogue import building
from bertworks.dialogue.policies.graph import Graph
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import measure
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from tests.dialogue.helpers import FILE

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("BERTWORKS_DIALOGUE_PYTHON", ROOT / ".venv-dialogue/bin/python"))
SPEC = """
name: town
dialogue:
  knowledge: {uri: restaurants.csv}
  entity: restaurant
  ask: {food: {}, area: {}, pricerange: {label: price range}}
  tell: {address: {}, phone: {}, postcode: {}}
  learn: {errors: [0.2], seed: 3}
"""
SAME = """
import sys, numpy as np, torch
from bertworks.dialogue.learning import train, network
from bertworks.dialogue.policies import graph
from bertworks.dialogue import building
from bertworks.dialogue.simulation.measuring import collect
from bertworks.dialogue.simulation.errors import Errors
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from pathlib import Path
file, out = Path(sys.argv[1]), Path(sys.argv[2])
spec = load_as(DialogueSpec, file, ["dialogue.learn.steps=0"]).dialogue
learned, _ = train.train(spec, file.parent)
domain = building.domain_of(spec)
graph.write(out, network.layers(learned.learner), domain, {})
knowledge = building.source_of(spec, file.parent).now()
turns = collect(building.rules_of(spec), knowledge, 40, 8, [Errors(0.2)])
with torch.no_grad():
    wanted = learned.learner.policy.get_distribution(
        torch.as_tensor(turns.features), turns.possible).distribution.probs.numpy()
found = graph.Graph(out, domain).shares(turns.features, turns.possible)
print(len(turns), np.abs(found - wanted).max(), learned.cloned.accuracy)
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make .venv-dialogue/.done")
    folder = tmp_path_factory.mktemp("town")
    (folder / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (folder / "town.yaml").write_text(SPEC)
    return folder / "town.yaml"


def python(*arguments: str) -> str:
    done = subprocess.run(
        [str(PYTHON), *arguments], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_graph_is_the_network_and_imitates_the_rules(spec: Path, tmp_path: Path) -> None:
    turns, difference, accuracy = python("-c", SAME, str(spec), str(tmp_path / "p.onnx")).split()
    assert int(turns) > 100
    assert float(difference) < 1e-5
    assert float(accuracy) > 0.85


@pytest.mark.slow
def test_learning_is_better_than_the_rules_and_says_how(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "policy.onnx"
    told = python(
        "-m", "bertworks.dialogue.learning.train", str(spec), "--out", str(out),
        "--set", "dialogue.learn.steps=120000",
    )  # fmt: skip
    assert f"wrote {out}" in told and "success" in told
    section = load_as(DialogueSpec, spec).dialogue
    graph = Graph(out, building.domain_of(section))
    assert graph.facts["kept"] > 0 and graph.facts["learn"]["seed"] == 3
    json.dumps(graph.facts)
    knowledge = building.source_of(section, spec.parent).now()
    rules, learned = (
        measure(one, knowledge, 600, 99, Errors(0.2)) for one in (building.rules_of(section), graph)
    )
    assert learned.reward > rules.reward + 0.5, (learned, rules)
    assert learned.success > rules.success


@pytest.mark.slow
def test_the_environment_is_one_that_gymnasium_takes(spec: Path) -> None:
    code = """
import sys
from gymnasium.utils.env_checker import check_env
from pathlib import Path
from bertworks.dialogue import building
from bertworks.dialogue.actions import names
from bertworks.dialogue.learning.environment import DialogueEnvironment, World
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
file = Path(sys.argv[1])
spec = load_as(DialogueSpec, file).dialogue
knowledge = building.source_of(spec, file.parent).now()
environment = DialogueEnvironment(World(knowledge), 1)
class Possible(type(environment.action_space)):
    def sample(self, *args, **kwargs):  # drawn before a reset: what is possible in any turn
        return names(knowledge.domain).index("again")
environment.action_space.__class__ = Possible
check_env(environment, skip_render_check=True)
print("fine")
"""
    assert python("-c", code, str(spec)).strip() == "fine"
