"""The serving image answers for every task, and talks, with no packages but those of its lock."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from asked import ask, wait_for
from confined import readable
from made_versions import Versions
from tiny_model import bundle_of, make_model

from bertworks.errors import EnvironmentFault
from bertworks.runtime.agent import Agent
from bertworks.spec import task_kinds
from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC
from tests.matching.finding import approximate, bundle, with_documents

pytestmark = pytest.mark.docker

TEXTS = ["good film", "the very good plot , a film", ""]
PAIRS = [["good film", "so so"], ["bad story .", "the plot"]]
CLASSES, TAGS = ["bad", "good"], ["O", "B-food", "I-food", "B-area"]
SCALE = {"mean": 2.0, "std": 1.5, "min": 0.0, "max": 5.0}
FRAMES = [*TAGS, "intent:inform", "intent:bye", "intent:O"]


def made(task: Mapping[str, Any], labels: list[str], score: Any = None) -> Callable[[Path], Path]:
    """Writes a bundle with random weights into a folder."""

    def write(folder: Path) -> Path:
        return bundle_of(make_model(folder / "model", task, labels, score), folder / "bundle")

    return write


def finding(index: Callable[[Path], None]) -> Callable[[Path], Path]:
    """Likewise, with an index of four documents."""
    return lambda folder: bundle(Versions(folder), damage=index)


SERVED: dict[str, tuple[Callable[[Path], Path], list[Any]]] = {
    "classification": (made({"type": "classification"}, CLASSES), TEXTS),
    "pairs": (made({"type": "classification", "pair": True}, CLASSES), PAIRS),
    "multi-label": (made({"type": "classification", "multi_label": True}, CLASSES), TEXTS),
    "regression": (made({"type": "regression"}, [], SCALE), TEXTS),
    "tagging": (made({"type": "tagging"}, TAGS), TEXTS),
    "understanding": (made({"type": "understanding"}, FRAMES), TEXTS),
    "in-context": (made({"type": "understanding", "context": True}, FRAMES), PAIRS),
    "matching": (finding(with_documents), TEXTS),
    "approximate": (finding(approximate), TEXTS),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, Path]:
    return {
        name: readable(write(tmp_path_factory.mktemp(name))) for name, (write, _) in SERVED.items()
    }


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> Path:
    """A dialogue's spec, and its knowledge base beside it."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "town.yaml").write_text(SPEC)
    shutil.copy(FILE, folder / "restaurants.csv")
    return readable(folder)


@pytest.fixture(scope="module")
def server(start, bundles, talk):
    """One that serves all of them, and a dialogue, in which the bundle for turns understands."""
    agents = [word for name in bundles for word in ("--agent", f"{name}=/bundles/{name}")]
    places = {f"/bundles/{name}": folder for name, folder in bundles.items()}
    container = start(
        {**places, "/talk": talk},
        *agents, "--dialogue", "/talk/town.yaml", "--sessions", "/tmp/sessions.db",
    )  # fmt: skip
    wait_for(container, "healthy")
    return container


def near(answer: Any) -> Any:
    """The answer to compare with: its numbers to five digits."""
    if isinstance(answer, dict):
        return {key: near(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [near(value) for value in answer]
    return pytest.approx(answer, abs=1e-5) if isinstance(answer, float) else answer


@pytest.mark.parametrize("name", SERVED)
def test_it_answers_as_the_runtime_does(server, bundles, name) -> None:
    rows = SERVED[name][1]
    answers = ask(server, f"/v1/models/{name}:predict", {"instances": rows})["predictions"]
    assert answers == near(Agent.load(bundles[name]).predict(rows))


def test_no_task_is_left_out(bundles) -> None:
    asked = {Agent.load(folder).task.kind.name for folder in bundles.values()}
    assert asked == set(task_kinds.kinds())


def test_a_graph_of_documents_is_read_by_faiss(bundles) -> None:
    assert (bundles["approximate"] / "index.faiss").is_file()


def test_it_talks(server) -> None:
    acts = [["inform", "food", "chinese"], ["inform", "area", "north"]]
    offered = ask(server, "/v1/dialogues/a/turns", {"acts": acts})
    assert ["offer", "name", "Golden Lantern"] in offered["acts"]
    said = ask(server, "/v1/dialogues/a/turns", {"text": "good film", "turn": 2, "trace": True})
    assert said["trace"]["understanding"] == "understanding, backed by keywords"
    assert len(ask(server, "/v1/dialogues/a")["turns"]) == 2


def test_without_a_place_for_dialogues_it_says_which_option_names_one(start, bundles, talk) -> None:
    places = {"/bundle": bundles["classification"], "/talk": talk}
    container = start(places, "--agent", "/bundle", "--dialogue", "/talk/town.yaml")
    assert container.wait(timeout=60)["StatusCode"] == EnvironmentFault.exit_code
    log = container.logs().decode()
    assert "/bertworks/sessions.db cannot be written" in log and "--sessions FILE" in log
