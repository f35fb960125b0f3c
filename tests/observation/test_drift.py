"""Drift of texts and answers against a bundle's reference: told where it is, and not by chance."""

import numpy as np
import pytest

from bertworks.contracts.reference import REFERENCE, Reference
from bertworks.evaluation.reference import reference
from bertworks.runtime.drift import Window, at, names_of

MARKS, UNKNOWN, VOCABULARY = (2, 3, 0), 1, 400


def rows_of(seed: int, count: int, topics: float = 0.5, unknown: float = 0.02) -> list[np.ndarray]:
    """Rows whose words come together: each is of one of two topics, with words of its own."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        low = 5 if draw.random() < topics else 205
        words = low + (draw.zipf(1.5, draw.integers(4, 40)) % 190)
        words[draw.random(len(words)) < unknown] = UNKNOWN
        rows.append(np.array([2, *words, 3]))
    return rows


def answers_of(seed: int, count: int, share: float = 0.5) -> list[dict[str, str]]:
    draw = np.random.default_rng(seed)
    return [{"label": "good" if draw.random() < share else "bad"} for _ in range(count)]


@pytest.fixture(scope="module")
def known() -> Reference:
    return reference(rows_of(0, 3000), answers_of(0, 800), MARKS, UNKNOWN, labelled=True)


def drifted(known: Reference, rows: list[np.ndarray], answers: list[dict[str, str]]) -> set[str]:
    window = Window(known)
    for ids, answer in zip(rows, answers, strict=True):
        window.add(ids, answer)
    return {one.measure for one in window.findings() if one.drifted}


@pytest.mark.parametrize("count", [60, 300, 1000])
def test_samples_of_the_same_texts_have_not_drifted(known: Reference, count: int) -> None:
    for seed in range(1, 3 + 6000 // (count + 240)):
        assert not drifted(known, rows_of(seed, count), answers_of(seed, count))


@pytest.mark.parametrize(
    ("measure", "texts", "share"),
    [
        ("tokens", {"topics": 0.97}, 0.5),
        ("unknown", {"unknown": 0.3}, 0.5),
        ("labels", {}, 0.95),
    ],
)
def test_what_has_moved_is_told(known: Reference, measure: str, texts: dict, share: float) -> None:
    for seed in range(1, 6):
        found = drifted(known, rows_of(seed, 500, **texts), answers_of(seed, 500, share))
        assert measure in found and not found - {measure, "tokens"}


def test_a_drift_in_a_few_rows_is_no_drift(known: Reference) -> None:
    assert not drifted(known, rows_of(1, 49, topics=1.0), answers_of(1, 49, 1.0))


def test_what_nobody_has_seen_is_counted_with_the_rest(known: Reference) -> None:
    window = Window(known)
    for _ in range(60):
        window.add([2, 10**9, 399, 3], {"label": "a label of no reference"})
    assert {one.measure for one in window.findings() if one.drifted} >= {"tokens", "labels"}


def test_chance_shrinks_with_the_rows(known: Reference) -> None:
    chance = known.expected["tokens"].chance
    values = [at(chance, rows) for rows in (50, 120, 500, 3000, 10**6)]
    assert values == sorted(values, reverse=True)
    assert all(mean < high for mean, high in values)
    assert at(chance, 25)[0] == pytest.approx(2 * at(chance, 50)[0])


def test_scores_are_counted_in_buckets(tmp_path) -> None:
    scores = [{"score": float(one)} for one in np.random.default_rng(0).normal(size=900)]
    known = reference(rows_of(0, 500), scores, MARKS, UNKNOWN, labelled=False)
    REFERENCE.write(tmp_path, known)
    assert REFERENCE.read(tmp_path) == known
    same, other = Window(known), Window(known)
    for ids, answer in zip(rows_of(1, 300), scores, strict=False):
        same.add(ids, answer)
        other.add(ids, {"score": answer["score"] + 2.0})
    assert not {one.measure for one in same.findings() if one.drifted}
    assert {one.measure for one in other.findings() if one.drifted} == {"labels"}


def test_answers_of_every_task_are_counted() -> None:
    assert names_of({"label": "a", "score": 0.1}) == ("a",)
    assert names_of({"labels": ["a", "b"]}) == ("a", "b") and names_of({"labels": []}) == ("",)
    assert names_of({"tags": ["O", "B-PER", "I-PER"]}) == ("PER", "PER")
    assert names_of({"tags": ["O"]}) == ("",)
