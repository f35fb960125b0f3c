import numpy as np
import pytest

from bertworks.errors import SpecError
from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import decode
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.tagging.entities import spans
from bertworks.tasks.tagging.target import Truth

LABELS = ["a", "b", "c"]
SCORE = {"mean": 3.0, "std": 2.0, "min": 0.0, "max": 9.0}
TAGS = ["B-X", "I-X", "O"]


def one_hot(*indices, width=3):
    return 4.0 * np.eye(width)[list(indices)]


def test_classification():
    handler = for_task(Task(), LABELS)
    logits = one_hot(0, 1, 1, 2)
    assert handler.metric(None, [0, 1, 2, 2], logits) == 0.75
    assert handler.metric("macro_f1", [0, 1, 2, 2], logits) == pytest.approx(
        (1 + 2 / 3 + 2 / 3) / 3
    )
    first = handler.decode(logits)[0]
    assert first["label"] == "a"
    assert sum(first["scores"].values()) == pytest.approx(1.0)
    assert first["score"] == first["scores"]["a"]
    assert handler.head().problem_type == "single_label_classification"


def test_multi_label():
    handler = for_task(Task(multi_label=True), LABELS)
    logits = np.array([[2.0, -1.0, 3.0], [-1.0, -1.0, -1.0]])
    assert handler.decode(logits)[0]["labels"] == ["a", "c"]
    assert handler.decode(logits)[1]["labels"] == []
    assert handler.metric(None, [[1, 0, 1], [0, 0, 1]], logits) == 0.5
    assert handler.metric("micro_f1", [[1, 0, 1], [0, 0, 1]], logits) == pytest.approx(0.8)


def test_regression_answers_in_the_datas_unit():
    handler = for_task(Task(type="regression"), score=SCORE)
    logits = np.array([[0.0], [1.0], [-1.0]])
    assert [row["score"] for row in handler.decode(logits)] == [3.0, 5.0, 1.0]
    assert handler.metric(None, [0.1, 0.9, -1.2], logits) == pytest.approx(
        np.corrcoef([0.1, 0.9, -1.2], [0, 1, -1])[0, 1]
    )
    assert handler.metric("mae", [0.0, 1.0, -2.0], logits) == pytest.approx(2.0 / 3)
    assert handler.is_better("mae", 0.1, 0.2)
    assert not handler.is_better("pearson", 0.1, 0.2)
    assert handler.metric(None, [1.0, 1.0], [[0.0], [1.0]]) == 0.0


def test_tagging():
    handler = for_task(Task(type="tagging"), TAGS)
    targets = [np.array([-100, 0, 1, -100, 2, -100]), np.array([-100, 0, -100])]
    right, wrong = one_hot(2, 0, 1, 0, 2, 2), one_hot(2, 2, 2)
    assert handler.metric(None, targets, [right, wrong]) == pytest.approx(2 / 3)
    assert handler.metric("token_f1", targets, [right, wrong]) == 0.75
    found = handler.decode([right, wrong], word_starts=[[1, 2, 4], []])
    assert found[0]["tags"] == ["B-X", "I-X", "O"]
    assert found[1] == {"tags": [], "scores": []}
    with pytest.raises(ValueError, match="word_starts"):
        handler.decode([right])


def test_words_that_were_not_read_count_as_evaluate_counts_them():
    """A row of five words: the third is nothing to the tokenizer, the last was cut off."""
    handler = for_task(Task(type="tagging"), TAGS)
    told = np.array([0, 1, 2, 2, 0])
    row = Truth(told, np.array([0, 1, 3]), np.array([1, 2, 4]))
    logits = one_hot(2, 0, 1, 0, 2, 2)
    names = TAGS
    rows = {
        "id": ["1"], "truth": [[names[one] for one in told]], "starts": [[1, 2, 4]],
        "kept": [[0, 1, 3]],
    }  # fmt: skip
    asked = decode(handler.task, names, rows, [np.asarray(logits)])
    wanted = measure_of(asked)(np.ones((1, 1)))
    assert handler.metric(None, [row], [logits]) == pytest.approx(wanted["entity_f1"][0])
    assert handler.metric("token_f1", [row], [logits]) == pytest.approx(wanted["token_f1"][0])
    assert wanted["entity_f1"][0] == pytest.approx(2 / 3) and wanted["token_f1"][0] == 0.8


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X O B-X", [("X", 0, 2), ("X", 3, 4)]),
        ("B-X B-X", [("X", 0, 1), ("X", 1, 2)]),
        ("I-X I-X", [("X", 0, 2)]),
        ("B-X I-Y", [("X", 0, 1), ("Y", 1, 2)]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_follow_the_conll_scorer(tags, expected):
    assert spans(tags.split()) == expected


def test_an_unknown_metric_is_named():
    with pytest.raises(SpecError, match=r"accuracy, macro_f1.*Received: auc"):
        for_task(Task(), LABELS).metric("auc", [0], one_hot(0))
