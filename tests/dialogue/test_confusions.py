"""How a trained understanding errs, by labelled turns."""

from pathlib import Path
from typing import Any

import pytest

from bertworks.dialogue.acts import Act
from bertworks.dialogue.confusions import heard_turns
from bertworks.dialogue.hearing import Learned
from bertworks.dialogue.simulation.errors import Errors, measured
from bertworks.errors import DataError
from tests.dialogue.helpers import DOMAIN
from tests.dialogue.test_hearing import answered

ROWS = {
    "tokens": [["cheap", "chinese", "food"], ["in", "the", "north"], ["bye", "now"]],
    "frame": [
        ["intent:inform", "B-pricerange", "B-food", "O"],
        ["intent:inform", "O", "O", "B-area"],
        ["intent:bye", "O", "O"],
    ],
}


class Understands:
    """Answers in turn."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    def predict(self, rows: list[str]) -> list[dict[str, Any]]:
        assert rows == [" ".join(tokens) for tokens in ROWS["tokens"]]
        return self._answers


def turns(*answers: dict[str, Any]) -> list[Any]:
    agent = Understands(*answers)
    return list(heard_turns(agent, Learned(agent, "m", DOMAIN), ROWS))


RIGHT = (
    answered("inform", "cheap/B-pricerange", "chinese/B-food", "food"),
    answered("inform", "in", "the", "north/B-area"),
    answered("bye", "bye", "now"),
)


def test_what_is_right_is_no_error() -> None:
    found = turns(*RIGHT)
    assert found[0][0] == (Act("inform", "pricerange", "cheap"), Act("inform", "food", "chinese"))
    assert found[2][0] == (Act("bye"),)
    assert [tuple(one.act for one in heard) for _, heard in found] == [said for said, _ in found]
    assert measured(found).rate == 0


def test_errors_are_counted_by_what_they_are() -> None:
    found = measured(
        turns(
            answered("inform", "cheap/B-area", "chinese/B-food", "food"),  # another slot
            answered("inform", "in", "the/B-area", "north/I-area"),  # another value
            answered("affirm", "bye", "now"),  # another intent
        )
    )
    assert found.rate == pytest.approx(3 / 4)
    assert (found.lost, found.value, found.slot, found.intent) == pytest.approx(
        (0, 1 / 3, 1 / 3, 1 / 3)
    )


def test_an_agent_that_reads_context_is_given_it() -> None:
    class InContext(Understands):
        def predict(self, rows: list[Any]) -> list[dict[str, Any]]:
            assert [before for _, before in rows] == ["Which food?", "", "Anything else?"]
            return super().predict([turn for turn, _ in rows])

    rows = {**ROWS, "context": ["Which food?", "", "Anything else?"]}
    agent = InContext(*RIGHT)
    found = list(heard_turns(agent, Learned(agent, "m", DOMAIN, context=True), rows))
    assert measured(found).rate == 0


def test_what_is_not_heard_is_lost() -> None:
    found = measured(turns(answered("inform", "cheap", "chinese/B-food", "food"), *RIGHT[1:]))
    assert (found.rate, found.lost) == pytest.approx((1 / 4, 1.0))


def test_what_was_measured_is_the_same_after_a_file(tmp_path: Path) -> None:
    found = measured(turns(*RIGHT))
    found.save(tmp_path / "errors.json")
    assert Errors.load(tmp_path / "errors.json") == found
    (tmp_path / "text.json").write_text("text")
    for name in ("text.json", "none.json"):
        with pytest.raises(DataError, match="cannot be read"):
            Errors.load(tmp_path / name)


def test_rows_of_another_task_are_refused() -> None:
    agent = Understands(*RIGHT)
    with pytest.raises(DataError, match="have no frame"):
        list(heard_turns(agent, Learned(agent, "m", DOMAIN), {"tokens": [["a"]]}))
