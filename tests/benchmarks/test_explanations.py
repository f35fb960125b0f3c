"""The benchmark of explanations measures what it says: by an agent whose answer hangs on one word."""

import numpy as np
import pytest

from benchmarks import explanations as bench

TEXTS = ["so good , so long a film", "a good story . the end"]


class OneWord:
    """Sure of "yes" while the word "good" is there."""

    def predict(self, rows):
        answers = []
        for row in rows:
            yes = 0.9 if "good" in row.split() else 0.4
            label = "yes" if yes > 0.5 else "no"
            answers.append(
                {"label": label, "score": max(yes, 1 - yes), "scores": {"yes": yes, "no": 1 - yes}}
            )
        return answers


def test_occlusion_finds_the_word_and_deletion_rewards_it():
    agent = OneWord()
    ranking = bench.occluded(agent, TEXTS)
    assert [int(np.argmax(row)) for row in ranking] == [1, 1]
    assert bench.deletion(agent, TEXTS, ranking) == pytest.approx(0.5)
    assert bench.deletion(agent, TEXTS, [-row for row in ranking]) == pytest.approx(0.0)


def test_words_are_left_out_by_place():
    assert bench._without("so good , so long", {0, 2}) == " good so long"
    assert bench._without("so good", set()) == "so good"


def test_pieces_count_for_the_word_that_they_are_of():
    text = "unbelievable film"
    offsets = [(0, 0), (0, 2), (2, 12), (13, 17), (0, 0)]
    places = [bench._word_of(text, offset) for offset in offsets]
    assert places == [None, 0, 0, 1, None]
    assert bench._summed(np.array([9.0, 1.0, 2.0, 4.0, 9.0]), places, 2).tolist() == [3.0, 4.0]


def test_equal_ranks_correlate_and_opposite_ones_do_not():
    assert bench._spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])) == 1.0
    assert bench._spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == -1.0
