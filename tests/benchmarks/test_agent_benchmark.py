"""The agent benchmark: how a side chooses its settings, what it answers, which rows are short."""

import numpy as np
import pytest

from benchmarks.agent import _checked_drop, _short
from benchmarks.peers.classifying import Classifier, fastest, in_batches


def test_the_fastest_way_is_kept_for_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("benchmarks.peers.classifying.time.perf_counter", lambda: clock[0])

    def slow(texts: list[str]) -> list[str]:
        clock[0] += 0.005
        return [text.upper() for text in texts]

    def quick(texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    side = Classifier(lambda job: ({"slow": slow, "quick": quick}, {"": quick}))
    job = {"texts": ["a", "b", "c"], "short": ["a", "b"]}
    assert side._answer(job) == {"many": "quick", "one": ""}
    assert side._answer("labels") == ["A", "B", "C"]
    assert side._answer("throughput") == 0
    assert len(side._answer("latency")) == 2


def test_a_way_in_batches_answers_every_text_in_order() -> None:
    sizes: list[int] = []

    def predict(texts: list[str]) -> list[str]:
        sizes.append(len(texts))
        return texts

    ways = in_batches(predict, (4,))
    texts = [str(number) for number in range(10)]
    assert ways["batches of 4"](texts) == texts
    assert sizes == [4, 4, 2]
    assert fastest(ways, lambda way: way(texts)) == "batches of 4"


def test_short_texts_come_from_the_shorter_half_in_mixed_order() -> None:
    texts = ["x" * length for length in range(1, 101)]
    short = _short(texts, 20)
    assert len(set(short)) == 20
    assert max(map(len, short)) <= 50
    assert [len(text) for text in short] != sorted(len(text) for text in short)
    assert len(_short(texts[:5], 20)) == 3


def test_a_bundle_that_lost_more_accuracy_than_chance_explains_fails_the_benchmark() -> None:
    theirs = np.ones(1000, bool)
    theirs[:10] = False
    ours = np.ones(1000, bool)
    ours[10:35] = False
    value, low, high = _checked_drop(ours, theirs)
    assert value == pytest.approx(0.015)
    assert 0.0 < low < 0.01 < value < high
    ours[10:70] = False
    with pytest.raises(SystemExit, match="0.0500 .* below fp32's"):
        _checked_drop(ours, theirs)


def test_a_bundle_that_lost_a_few_rows_by_chance_is_compared() -> None:
    right, other = np.ones(100, bool), np.ones(100, bool)
    right[:2] = False
    value, low, high = _checked_drop(right, other)
    assert (value, low) == (0.02, 0.0)
    assert high > 0.02
