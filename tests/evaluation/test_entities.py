"""Spans in tag sequences: known cases of the CoNLL scorer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.tasks.tagging.entities import counts, spans


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("I-PER I-PER", [("PER", 0, 2)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("O I-LOC O I-LOC", [("LOC", 1, 2), ("LOC", 3, 4)]),
        ("B-LOC O I-LOC", [("LOC", 0, 1), ("LOC", 2, 3)]),
        ("B-FOO-BAR I-FOO-BAR", [("FOO-BAR", 0, 2)]),
        ("B I", [("_", 0, 2)]),
    ],
)
def test_known_sequences(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == expected


SEQUENCE = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=12)


@given(SEQUENCE)
def test_spans_are_in_order_and_cover_every_tag_but_outside(tags: list[str]) -> None:
    found = spans(tags)
    inside = [place for _, start, end in found for place in range(start, end)]
    assert inside == [place for place, tag in enumerate(tags) if tag != "O"]


@given(SEQUENCE)
def test_identical_sequences_agree(tags: list[str]) -> None:
    assert all(right == said == real for right, said, real in counts(tags, tags).values())


def test_a_wrong_border_or_type_is_not_found() -> None:
    truth = ["B-PER", "I-PER", "O", "B-LOC"]
    assert counts(truth, ["B-PER", "O", "O", "B-LOC"]) == {"PER": (0, 1, 1), "LOC": (1, 1, 1)}
    assert counts(truth, ["B-LOC", "I-LOC", "O", "B-LOC"]) == {"PER": (0, 0, 1), "LOC": (1, 2, 1)}


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2, 1"):
        counts(["O", "O"], ["O"])
