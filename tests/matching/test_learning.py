"""What is learned of queries and documents: company, targets, loss, measures, vectors."""

import math

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from finding import task, units

from bertworks.compression.graph import build_graph
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.model import build
from bertworks.runtime.engines import OnnxRuntime
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.matching.company import Documents
from bertworks.tasks.matching.floor import rankings
from bertworks.tasks.matching.losses import RankingLosses
from bertworks.tasks.matching.scores import of_rankings
from bertworks.tasks.matching.target import DocumentsTarget, numbers_of
from bertworks.text.ragged import Ragged, ends

TARGET = DocumentsTarget()


def rows(*numbers):
    """Targets of queries (lists) and documents (below 0)."""
    values = [[one] if isinstance(one, int) else one for one in numbers]
    return Ragged(np.concatenate(values).astype(np.int64), ends(np.array([len(v) for v in values])))


TARGETS = rows([10], [20], [10, 30], ~10, ~20, ~30, ~40)


def test_ids_become_numbers_that_are_the_same_everywhere():
    table = pa.table({"documents": pa.array([["a", "b"], ["b"]], pa.list_(pa.string()))})
    numbered, unknown = TARGET.number(table, [], None)
    a, b = numbers_of(["a", "b"])
    assert numbered["documents"].to_pylist() == [[a, b], [b]] and not unknown
    assert a != b and 0 <= a < 2**62 and numbers_of(["a"]) == [a]


def test_rows_of_one_text_have_all_of_their_documents():
    twice = [
        {"documents": ["b"], "_document_texts": {"b": "two"}},
        {"documents": ["a"], "_document_texts": {"a": "one"}},
    ]
    assert TARGET.united(twice) == {
        "documents": ["a", "b"],
        "_document_texts": {"a": "one", "b": "two"},
    }


def test_a_batch_says_which_row_is_whose_document():
    matrix, queries = TARGET.batch(TARGETS, np.array([0, 2, 3, 5, 3]))
    assert queries == 2.0 and matrix.dtype == np.int32
    # Columns: two queries, documents 10 and 30, and 10 once more, which counts only once.
    assert matrix.tolist()[:2] == [[-1, -1, 1, 0, -1], [-1, -1, 1, 1, -1]]
    assert (matrix[2:] == -1).all()


def test_the_loss_is_cross_entropy_of_the_own_document_among_the_others():
    vectors = units(7, 6)
    matrix, _ = TARGET.batch(TARGETS, np.arange(7))
    scores = 20.0 * vectors @ vectors.T
    expected = 0.0
    for query, own in enumerate(([3], [4], [3, 5])):
        others = [place for place in range(3, 7) if place not in own]
        each = [
            -scores[query, one]
            + math.log(math.exp(scores[query, one]) + sum(map(math.exp, scores[query, others])))
            for one in own
        ]
        expected += np.mean(each)
    losses = RankingLosses(20.0)
    found = losses.hard()(tf.constant(vectors), tf.constant(matrix))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(losses.count(tf.constant(matrix))) == 3.0
    assert float(losses.soft(1.0)(tf.constant(vectors), tf.constant(vectors), matrix)) == (
        pytest.approx(0.0, abs=1e-4)
    )


def test_a_batch_without_documents_teaches_nothing_and_breaks_nothing():
    matrix, queries = TARGET.batch(TARGETS, np.arange(3))
    assert queries == 3.0
    assert float(RankingLosses(20.0).hard()(tf.constant(units(3, 4)), matrix)) == 0.0


def test_queries_are_learned_with_one_of_their_documents_and_hard_negatives():
    company = Documents(TARGETS)
    assert company.asked == 3
    queries = np.array([0, 1, 2])
    plain = company.together(queries, seed=1, epoch=0)
    assert plain.tolist()[:5] == [0, 1, 2, 3, 4] and plain[5] in (3, 5)
    vectors = np.zeros((7, 4), np.float32)
    vectors[:, 0] = 1.0  # all the same: any other document is as near as the own one
    vectors[6] = [0.5, 0.866, 0, 0]  # but for document 40
    company.mine(list(vectors), 1)
    hard = company.together(queries, seed=1, epoch=0)
    assert len(hard) == 9 and hard[6:].tolist() == [6, 6, 6]
    assert hard.tolist() == company.together(queries, seed=1, epoch=0).tolist()
    drawn = {company.together(queries, seed=1, epoch=one)[5] for one in range(20)}
    assert drawn == {3, 5}
    # Rows that are documents are no queries.
    assert company.together(np.array([1, 4, 6]), 1, 0)[0] == 1


def test_parts_of_a_step_keep_queries_with_their_documents():
    company = Documents(TARGETS)
    company.mine(list(units(7, 4)), 1)
    item = company.together(np.array([0, 1, 2]), 1, 0)
    parts = company.split(item, 2)
    assert sorted(np.concatenate(parts)) == sorted(item) and [len(one) for one in parts] == [6, 3]
    for part in parts:
        matrix, queries = TARGET.batch(TARGETS, part)
        assert (matrix[: int(queries)] == 1).any(axis=1).all()


def test_measures_are_those_of_their_definitions():
    truth = [["a"], ["b", "c"], ["z"]]
    found = of_rankings(truth, [["x", "a"], ["c", "x", "b"], ["x"] * 10])
    assert found["recall_at_1"].tolist() == [0.0, 1.0, 0.0]
    assert found["recall_at_5"].tolist() == [1.0, 1.0, 0.0]
    assert found["mrr_at_10"].tolist() == [0.5, 1.0, 0.0]
    gain = 1 / math.log2(3)
    assert found["ndcg_at_10"][0] == pytest.approx(gain)
    assert found["ndcg_at_10"][1] == pytest.approx((1 + 0.5) / (1 + gain))
    assert of_rankings([["a"]], [[]])["ndcg_at_10"].tolist() == [0.0]


def test_the_floor_finds_by_words_and_without_spaces_by_characters():
    english = ["the cat sat down", "a dog barks loudly", "where is my permit"]
    assert [row[:1] for row in rankings(english, ["permit?", "dogs and a dog", "zzz"], 2)] == [
        [2],
        [1],
        [],
    ]
    chinese = ["我喜欢猫", "狗很吵", "许可证在哪里"]
    assert rankings(chinese, ["许可证呢", "吵不吵"], 1) == [[2], [1]]


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("layers", [2, 0])
def test_the_graph_computes_the_vectors_that_training_does(pooling, layers):
    config = EncoderConfig(
        vocab_size=30, hidden_size=8, num_heads=(2, 1)[:layers], head_size=4,
        intermediate_sizes=(12, 5)[:layers], max_positions=16,
    )  # fmt: skip
    head = Head("vector", pooling=pooling)
    assert Head.from_huggingface(head.to_huggingface()) == head
    weights = initialize(all_shapes(config, head), 3)
    weights = {name: 20 * one if one.ndim == 2 else one for name, one in weights.items()}
    ids = np.random.default_rng(0).integers(5, 30, (3, 9))
    mask = (np.arange(9) < np.array([[9], [4], [2]])).astype(np.int64)
    model = build(config, head, weights)
    ours = model({"input_ids": ids.astype(np.int32), "mask": mask.astype(np.int32)})["logits"]
    states = build(config, Head("encoder"), weights)(
        {"input_ids": ids.astype(np.int32), "mask": mask.astype(np.int32)}
    )["last_hidden"].numpy()
    real = mask[..., np.newaxis]
    plain = (states * real).sum(1) / real.sum(1) if pooling == "mean" else states[:, 0]
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.allclose(ours, plain, atol=1e-5)
    for form in ("float32", "int8"):
        graph = build_graph(config, weights, head, max_length=16, form=form).SerializeToString()
        engine = OnnxRuntime(graph, {}, 1)
        found = engine.run(ids, mask, None)
        if form == "float32":
            assert np.allclose(found, plain, atol=1e-5)
        assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
        alone = engine.run(ids[1:2, :4], mask[1:2, :4], None)
        assert np.allclose(alone[0], found[1], atol=1e-5)


def test_a_label_is_no_setting_of_it():
    handler = for_task(Task.model_validate(task(top=3, pooling="first")))
    assert handler.outputs is None and handler.head().pooling == "first"
    assert handler.settings.top == 3 and handler.negatives == 1


def test_folds_of_a_search_share_queries_out_and_have_all_documents():
    from types import SimpleNamespace

    from bertworks.training.objectives.finetuning import Material
    from bertworks.training.rows import LabelledRows
    from bertworks.training.search.folds import folded

    ids = rows(*([2, 5, 3] for _ in range(7)))
    train = LabelledRows([str(n) for n in range(7)], ids, None, TARGETS, company=4)
    material = Material(train, train, SimpleNamespace(max_length=99), None, None)
    parts = list(folded(material, 3, seed=1))
    assert sorted(part.validation.ids[0] for part in parts) == ["0", "1", "2"]
    for part in parts:
        assert (part.train.asked, part.validation.asked, part.train.company) == (2, 1, 4)
        assert part.validation.ids[1:] == ["3", "4", "5", "6"]
