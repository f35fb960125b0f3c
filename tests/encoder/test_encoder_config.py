import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_bert import CONFIG, HEADS

from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig, Head


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=4))
def test_sizes_survive_config_json(widths):
    heads, neurons = zip(*widths, strict=True)
    config = dataclasses.replace(CONFIG, num_heads=heads, intermediate_sizes=neurons)
    assert EncoderConfig.from_huggingface(config.to_huggingface()) == config


def test_only_a_pruned_config_carries_its_own_block():
    assert "bertworks" not in CONFIG.to_huggingface()
    pruned = dataclasses.replace(CONFIG, num_heads=(3, 0), intermediate_sizes=(40, 7))
    raw = pruned.to_huggingface()
    assert raw["bertworks"] == {
        "num_heads": [3, 0], "intermediate_sizes": [40, 7], "head_size": 8,
    }  # fmt: skip
    assert (raw["num_attention_heads"], raw["intermediate_size"]) == (3, 40)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_heads_survive_config_json(head):
    assert Head.from_huggingface(head.to_huggingface()) == head


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "roberta"}, "model_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"hidden_size": "wide"}, "sizes"),
    ],
)
def test_what_it_cannot_compute_is_refused_by_name(change, named):
    with pytest.raises(ArtifactError, match=named):
        EncoderConfig.from_huggingface({**CONFIG.to_huggingface(), **change})


def test_a_missing_field_is_named():
    raw = CONFIG.to_huggingface()
    del raw["num_hidden_layers"]
    with pytest.raises(ArtifactError, match="num_hidden_layers"):
        EncoderConfig.from_huggingface(raw)
