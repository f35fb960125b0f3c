import numpy as np
import pytest

from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import (
    all_parameters,
    all_shapes,
    encoder_parameters,
    initialize,
)
from bertworks.models.model import build, slots

CONFIG = EncoderConfig(20, 8, (2, 1), 4, (6, 3), 10)
HEADS = [
    Head("encoder"),
    Head("sequence", ("a", "b", "c")),
    Head("token", ("a", "b")),
    Head("mlm"),
]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_the_variables_of_a_model_are_the_parameters_of_the_layout(head):
    told = [parameter.name for parameter in all_parameters(CONFIG, head)]
    assert [name for slot in slots(build(CONFIG, head)) for name in slot.names] == [
        *_with_projections_by_kind(told)
    ]
    assert len(set(told)) == len(told)


def test_axes_give_the_shapes_of_narrow_layers():
    shapes = all_shapes(CONFIG, HEADS[1])
    assert shapes["bert.encoder.layer.0.attention.self.key.weight"] == (8, 8)
    assert shapes["bert.encoder.layer.1.attention.self.key.weight"] == (4, 8)
    assert shapes["bert.encoder.layer.1.attention.output.dense.weight"] == (8, 4)
    assert shapes["bert.encoder.layer.1.intermediate.dense.bias"] == (3,)
    assert shapes["classifier.weight"] == (3, 8)


def test_heights_and_roles_follow_from_the_place():
    heights = {p.name: p.height(2) for p in all_parameters(CONFIG, HEADS[1])}
    assert heights["bert.embeddings.LayerNorm.bias"] == -1
    assert heights["bert.encoder.layer.1.output.dense.weight"] == 1
    assert heights["bert.pooler.dense.weight"] == heights["classifier.bias"] == 2
    fresh = initialize(all_shapes(CONFIG, HEADS[3]), seed=1)
    assert (fresh["cls.predictions.transform.LayerNorm.weight"] == 1).all()
    assert (fresh["cls.predictions.bias"] == 0).all()


def test_taking_units_cuts_every_axis_that_counts_them():
    parameters = {p.name: p for p in encoder_parameters(CONFIG)}
    units = {"neurons": np.array([2, 0])}
    inner = parameters["bert.encoder.layer.0.intermediate.dense.weight"]
    outer = parameters["bert.encoder.layer.0.output.dense.weight"]
    norm = parameters["bert.encoder.layer.0.output.LayerNorm.weight"]
    matrix = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(inner.take(matrix, units), matrix[[2, 0]])
    np.testing.assert_array_equal(outer.take(matrix.T, units), matrix.T[:, [2, 0]])
    assert norm.take(matrix, units) is matrix


def _with_projections_by_kind(names):
    """A model holds queries, keys and values in one variable: their weights, then their biases."""
    at = 0
    while at < len(names):
        if ".attention.self.query.weight" in names[at]:
            yield from (*names[at : at + 6 : 2], *names[at + 1 : at + 6 : 2])
            at += 6
        else:
            yield names[at]
            at += 1
