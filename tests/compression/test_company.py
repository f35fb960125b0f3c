"""The same row gets the same answer alone and in any company, on every engine."""

from functools import cache

import numpy as np
import pytest
from tiny_model import VOCABULARY, random_weights

from bertworks.compression.builders import BUILDERS, Source
from bertworks.models.config import EncoderConfig, Head
from bertworks.runtime import engines
from bertworks.runtime.inference import Runner, batches

LENGTH = 24
WIDTH = 32
LOUD = 3
"""The channel that is some thirty times as large as the others, as one or two are in every BERT."""
HEADS = {
    "sequence": Head("sequence", ("a", "b", "c"), "single_label_classification"),
    "token": Head("token", ("O", "B-X", "I-X")),
}
SIZES = EncoderConfig(
    vocab_size=len(VOCABULARY), hidden_size=WIDTH, num_heads=(4, 2, 3), head_size=8,
    intermediate_sizes=(48, 64, 40), max_positions=LENGTH,
)  # fmt: skip


def source(kind):
    """A model in which one channel is loud, and loudest on some tokens."""
    head = HEADS[kind]
    weights = random_weights(SIZES, head)
    for name, value in weights.items():
        if value.ndim == 2 and "embeddings" not in name:
            value *= 2 / np.sqrt(value.shape[1])  # keeps the sums of one size at any width
            if value.shape[1] == WIDTH:
                value[:, LOUD] /= 10
        if name.endswith("LayerNorm.weight"):
            value[LOUD] *= 10
    weights["bert.embeddings.word_embeddings.weight"][7:, LOUD] *= 30
    return Source(SIZES, weights, head, True, LENGTH)


def rows_of(count, seed=0):
    stream = np.random.default_rng(seed)
    lengths = stream.integers(1, LENGTH + 1, count)
    return [stream.integers(1, len(VOCABULARY), length).tolist() for length in lengths]


def types_of(rows):
    return [[0] * (len(row) // 2) + [1] * (len(row) - len(row) // 2) for row in rows]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An engine by name and head, built from calibration rows and loaded once for this module."""

    @cache
    def build(name, kind, threads=2):
        folder = tmp_path_factory.mktemp(name)
        rows = rows_of(64, seed=1)
        calibration = batches(rows, types_of(rows), size=16)
        return engines.load(folder, BUILDERS[name](source(kind), calibration, folder), threads)

    return build


def alone(engine, rows):
    types = types_of(rows)
    found = [
        engine.run(np.array([ids]), np.ones((1, len(ids)), np.int64), np.array([kinds]))[0]
        for ids, kinds in zip(rows, types, strict=True)
    ]
    assert np.concatenate([row.ravel() for row in found]).std() > 0.1
    return found


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", BUILDERS)
def test_rows_answer_alone_as_in_any_company(built, name, kind):
    engine, rows = built(name, kind), rows_of(70)
    expected, types = alone(engine, rows), types_of(rows)
    stream = np.random.default_rng(2)
    runner = Runner(engine)
    for size in (1, 2, 5, 17, 40, 70):
        company = stream.permutation(len(rows))[:size]
        found = runner.logits([rows[row] for row in company], [types[row] for row in company])
        assert_same(found, [expected[row] for row in company])


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", BUILDERS)
def test_padding_has_no_part_in_an_answer(built, name, kind):
    engine, rows = built(name, kind), rows_of(30)
    expected, types = alone(engine, rows), types_of(rows)
    stream = np.random.default_rng(3)
    for _ in range(8):
        company = stream.permutation(len(rows))[: stream.integers(1, 9)]
        length = int(stream.integers(max(len(rows[row]) for row in company), LENGTH + 1))
        shape = (len(company), length)
        mask, ids, kinds = (
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
        )
        ids += stream.integers(len(VOCABULARY))  # any token may stand on padding
        for place, row in enumerate(company):
            mask[place, : len(rows[row])] = 1
            ids[place, : len(rows[row])], kinds[place, : len(rows[row])] = rows[row], types[row]
        found = engine.run(ids, mask, kinds)
        if kind == "token":
            found = [answer[: len(rows[row])] for answer, row in zip(found, company, strict=True)]
        assert_same(found, [expected[row] for row in company])
