"""Learning in its own environment: what is imitated is done again, and learning makes it better."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bertworks.dialogue import building
from bertworks.dialogue.policies import Chance
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


def test_learning_needs_no_more_than_its_own_packages() -> None:
    """Nothing of the runtime's packages is imported, which .venv-dialogue has not."""
    listed = (ROOT / "requirements/dialogue.txt").read_text("utf-8").splitlines()
    own = {re.split("[=[ ]", line)[0].replace("-", "_").lower() for line in listed}
    code = (
        "import sys; before = set(sys.modules); import bertworks.dialogue.building, "
        "bertworks.dialogue.simulation.measuring, bertworks.dialogue.turns; "
        "print(*{one.partition('.')[0] for one in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    names = [one for one in done.stdout.split() if not one.startswith("_")]
    foreign = set(names) - sys.stdlib_module_names
    named = {"yaml": "pyyaml", "google": "protobuf"}
    assert {named.get(one, one).lower() for one in foreign} - own - {"bertworks"} == set()
    assert "bertworks" in foreign, done.stderr


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


OF_LOGS = """
import sys
from pathlib import Path
from bertworks.dialogue import building
from bertworks.dialogue.learning import network, train
from bertworks.dialogue.policies import Chance, graph
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import collect
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
file = Path(sys.argv[1])
changes = ["dialogue.learn.steps=0", "dialogue.learn.start=turns.npz"]
spec = load_as(DialogueSpec, file, changes).dialogue
knowledge = building.source_of(spec, file.parent).now()
collect(Chance(1), knowledge, 1500, 8, [Errors(0.1)]).save(file.parent / "turns.npz")
learned, _ = train.train(spec, file.parent)
graph.write(file.parent / "logs.onnx", network.layers(learned.learner), knowledge.domain, {})
"""


@pytest.mark.slow
def test_logs_teach_what_went_well_in_them(spec: Path) -> None:
    """Dialogues that chance led, and their rewards: what is learned is better than what led them."""
    python("-c", OF_LOGS, str(spec))
    section = load_as(DialogueSpec, spec).dialogue
    knowledge = building.source_of(section, spec.parent).now()
    learned = Graph(spec.parent / "logs.onnx", building.domain_of(section))
    before, after = (measure(one, knowledge, 400, 99, Errors(0.1)) for one in (Chance(2), learned))
    assert after.success > before.success + 0.1, (before, after)
    assert after.reward > before.reward + 4


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


@pytest.mark.slow
def test_a_learner_ends_with_the_step_that_started_it(spec: Path, tmp_path: Path) -> None:
    command = [str(PYTHON), "-m", "bertworks.dialogue.learning.train", str(spec), "--with-parent"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "p.onnx")], stdin=subprocess.PIPE, env=environment,
        stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.close()  # as the system does, however a process ends
        assert process.wait() == 143
    assert not (tmp_path / "p.onnx").exists()
