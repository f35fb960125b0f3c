"""Least-squares repair: agrees with the encoder, and brings a cut encoder back."""

import numpy as np

from bertworks.compression.pruning import reconstruction
from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.widths import PruningPlan
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights, all_shapes, initialize

CONFIG = EncoderConfig(
    vocab_size=40, hidden_size=16, num_heads=(4, 4), head_size=4, intermediate_sizes=(64, 64),
    max_positions=16,
)  # fmt: skip
HEAD = Head("sequence", ("a", "b"))
PLAN = PruningPlan(((0, 2), ()), (tuple(range(0, 64, 2)), tuple(range(32))), 2.0, 1.0, 0.5)


def weights() -> Weights:
    made = initialize(all_shapes(CONFIG, HEAD), seed=4)
    return {name: 15 * array if array.ndim == 2 else array for name, array in made.items()}


def rows() -> list[list[int]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 40, random.integers(3, 12)).tolist() for _ in range(200)]


def last_hidden(config: EncoderConfig, given: Weights, ids: np.ndarray) -> np.ndarray:
    from bertworks.models.model import build

    outputs = build(config, HEAD, given)({"input_ids": ids.astype(np.int32)}, hidden_states=True)
    return outputs["hidden"][-1].numpy()


def test_the_stream_computes_what_the_encoder_computes() -> None:
    groups = reconstruction.group_rows(rows())
    stream = reconstruction._Stream(CONFIG, weights(), groups)
    for layer in range(2):
        for block in ("attention", "feed_forward"):
            stream.advance(layer, block, stream.units(layer, block))
    expected = [last_hidden(CONFIG, weights(), group.ids).reshape(-1, 16) for group in groups]
    np.testing.assert_allclose(stream.rows, np.concatenate(expected), atol=2e-5)


def test_groups_hold_every_row_once_with_its_types() -> None:
    texts = rows()
    groups = reconstruction.group_rows(texts, [[1] * len(text) for text in texts])
    assert sorted(row for group in groups for row in group.ids.tolist()) == sorted(texts)
    assert all((group.types == 1).all() for group in groups)


def test_repair_brings_the_cut_encoder_nearer_on_rows_it_has_not_seen() -> None:
    full = weights()
    config, cut = pruning.slice_weights(CONFIG, full, PLAN)
    repaired = reconstruction.reconstruct(
        (CONFIG, full), (config, cut), reconstruction.group_rows(rows())
    )
    ids = np.random.default_rng(9).integers(0, 40, (32, 8))
    wanted = last_hidden(CONFIG, full, ids)
    before = np.square(last_hidden(config, cut, ids) - wanted).mean()
    after = np.square(last_hidden(config, repaired, ids) - wanted).mean()
    assert after < 0.6 * before


def test_an_encoder_that_lost_nothing_is_left_as_it_was() -> None:
    full = weights()
    everything = PruningPlan((tuple(range(4)),) * 2, (tuple(range(64)),) * 2, 1.0, 1.0, 1.0)
    config, same = pruning.slice_weights(CONFIG, full, everything)
    repaired = reconstruction.reconstruct(
        (CONFIG, full), (config, same), reconstruction.group_rows(rows())
    )
    for name, array in full.items():
        np.testing.assert_allclose(repaired[name], array, atol=1e-3)
