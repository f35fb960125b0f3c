"""Known answers: kept in a bundle, and asked of it wherever it is loaded."""

import json

import numpy as np
import pytest

from bertworks.contracts.known import KNOWN
from bertworks.errors import ArtifactError
from bertworks.runtime import known
from bertworks.runtime.agent import Agent

TASKS = [
    ({"type": "classification"}, ["bad", "good"]),
    ({"type": "classification", "pair": True}, ["no", "yes"]),
    ({"type": "classification", "multi_label": True}, ["a", "b", "c"]),
    ({"type": "tagging"}, ["O", "B-PER"]),
]


def of_other_weights(folder):
    """The bundle of other weights under this one's known answers."""
    found = json.loads((folder / KNOWN.name).read_text())
    for row in found["rows"]:
        row["logits"] = (np.array(row["logits"]) + 1).tolist()
    (folder / KNOWN.name).write_text(json.dumps(found))


def of_another_tokenizer(folder):
    found = json.loads((folder / KNOWN.name).read_text())
    found["rows"][3]["tokens"][1] += 1
    (folder / KNOWN.name).write_text(json.dumps(found))


def of_another_shape(folder):
    found = json.loads((folder / KNOWN.name).read_text())
    found["rows"][0]["logits"].append(0.0)
    (folder / KNOWN.name).write_text(json.dumps(found))


@pytest.mark.parametrize(("task", "labels"), TASKS)
def test_a_bundle_answers_as_where_it_was_made(versions, task, labels):
    folder = versions.bundle(0, task, labels)
    assert known.check(Agent.load(folder, threads=1), folder) == known.ROWS
    kept = KNOWN.read(folder).rows
    assert len({tuple(one.inputs) for one in kept}) > known.ROWS / 2
    assert max(len(one.tokens) for one in kept) > 4


def test_other_weights_under_the_same_answers_are_refused(versions):
    with pytest.raises(ArtifactError, match="row 1 is answered otherwise .*: a logit is off by 1,"):
        folder = versions.bundle(0, damage=of_other_weights)
        known.check(Agent.load(folder, threads=1), folder)
    answers, other = versions.bundle(0), Agent.load(versions.bundle(1), threads=1)
    with pytest.raises(ArtifactError, match="is answered otherwise"):
        known.check(other, answers)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (of_another_tokenizer, "row 4 is read as other tokens"),
        (of_another_shape, "row 1 is answered otherwise .* off by inf"),
    ],
)
def test_what_else_is_refused(versions, damage, message):
    folder = versions.bundle(0, damage=damage)
    with pytest.raises(ArtifactError, match=message):
        known.check(Agent.load(folder, threads=1), folder)


def test_a_bundle_of_before_has_none(versions):
    folder = versions.bundle(0, answers=False)
    assert known.check(Agent.load(folder, threads=1), folder) == 0
