"""Training rows in a bundle: what was learned of each, as a person reads it."""

import pytest

from bertworks.spec import Task
from bertworks.tasks import for_task

WORDS = ["fly", "to", "new", "york"]
TAGS = ["O", "O", "B-city", "I-city"]


@pytest.mark.parametrize(
    ("task", "value", "words", "told"),
    [
        ({}, "good", "a film", "good"),
        ({"type": "regression"}, 2.0, "a film", "2"),
        ({"multi_label": True}, ["sad", "slow"], "a film", "sad, slow"),
        # As many labels as texts: they are no tags.
        ({"multi_label": True, "pair": True}, ["sad", "slow"], ["a film", "a book"], "sad, slow"),
        ({"multi_label": True}, [], "a film", "no label"),
        ({"type": "tagging"}, TAGS, WORDS, "new york (city)"),
        ({"type": "tagging"}, ["O"] * 4, WORDS, "no entity"),
    ],
)
def test_what_was_learned_is_told_by_its_task(task, value, words, told):
    handler = for_task(Task.model_validate({"type": "classification", **task}))
    assert handler.target.told(value, words) == told


def test_of_a_turn_its_intent_and_its_slots_are_told():
    from bertworks.tasks.understanding.frames import marked

    target = for_task(Task(type="understanding")).target
    assert target.told([marked("book"), *TAGS], WORDS) == "book; new york (city)"
    assert target.told([marked("book"), *["O"] * 4], WORDS) == "book"
