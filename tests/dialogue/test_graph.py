"""A learned policy as a graph: it computes what it was written from, and only for its own slots."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from bertworks.dialogue import features
from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.policies import graph
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import measure
from bertworks.dialogue.state import State, listened
from bertworks.errors import ArtifactError
from tests.dialogue.helpers import DOMAIN, TOWN

WIDTHS = (len(features.names(DOMAIN)), 8, 5, len(names(DOMAIN)))


def some_layers(seed: int = 0) -> list[graph.Layer]:
    random = np.random.default_rng(seed)
    return [
        (
            random.normal(size=(after, before)).astype(np.float32),
            random.normal(size=after).astype("f"),
        )
        for before, after in zip(WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    graph.write(tmp_path / "policy.onnx", some_layers(), DOMAIN, {"steps": 7})
    return tmp_path / "policy.onnx"


def situation(*acts: Act) -> Situation:
    return Situation(listened(State(), [Heard(one, 0.8) for one in acts], DOMAIN, TOWN), TOWN)


def test_a_graph_computes_its_layers_among_what_is_possible(file: Path) -> None:
    policy = graph.Graph(file, DOMAIN)
    for here in (situation(Act("greet")), situation(Act("inform", "food", "chinese"))):
        found = found_ = features.vector(here)
        *hidden, (weight, bias) = some_layers()
        for inner, shift in hidden:
            found = np.tanh(inner @ found + shift)
        logits = np.where(here.possible, weight @ found + bias, -np.inf)
        wanted = np.exp(logits - logits.max())
        shares = policy.shares(found_[None], here.possible[None])[0]
        np.testing.assert_allclose(shares, wanted / wanted.sum(), atol=1e-6)
        assert not shares[~here.possible].any()
        choice = policy.choose(here)
        assert choice.action == names(DOMAIN)[int(shares.argmax())]
        assert choice.probability == 1.0  # whatever the scores: logs are judged by it
        taken = policy.probabilities(here)  # it draws none: the most probable action is taken
        assert taken.sum() == taken[shares.argmax()] == 1
        assert choice.by == policy.name and choice.candidates[0].score == shares.max()
    assert policy.facts == {"steps": 7}


def test_a_graph_talks_with_simulated_users(file: Path) -> None:
    found = measure(graph.Graph(file, DOMAIN), TOWN, 20, 1, Errors(0.2))
    assert found.dialogues == 20 and 0 <= found.success <= 1


def test_a_graph_of_other_slots_is_refused(file: Path, tmp_path: Path) -> None:
    other = replace(DOMAIN, informable=("area", "food", "pricerange"))
    with pytest.raises(
        ArtifactError, match="learned for another dialogue: its `features`"
    ) as raised:
        graph.Graph(file, other)
    assert "make dialogue" in raised.value.fix
    with pytest.raises(ArtifactError, match="cannot be read: No such file"):
        graph.Graph(tmp_path / "none.onnx", DOMAIN)
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ArtifactError, match="is no ONNX graph"):
        graph.Graph(tmp_path / "text.onnx", DOMAIN)


def test_the_names_are_in_the_graph_for_others_to_read(file: Path) -> None:
    model = onnx.load(file)
    found = {one.key: one.value for one in model.metadata_props}
    assert found["actions"].split() == list(names(DOMAIN))
    assert found["features"].split() == list(features.names(DOMAIN))
