"""Rows with a label and tagged words: one of the two is learned, or both."""

import json
import random
from pathlib import Path

import pytest

from bertworks.data.inspection.decisions import nobody
from bertworks.data.inspection.inspect import inspect
from bertworks.spec.file import made

CITIES, VERBS = (
    ["paris", "rome", "new york", "oslo"],
    ["fly to", "the weather in", "book a room in"],
)


def rows(folder: Path, spans: bool) -> Path:
    stream = random.Random(3)
    lines = []
    for number in range(120):
        verb, city = stream.choice(VERBS), stream.choice(CITIES)
        text = f"{verb} {city} please {number}"
        row = {"text": text, "intent": "weather" if "weather" in verb else "travel"}
        if spans:
            start = text.index(city)
            row["entities"] = [{"start": start, "end": start + len(city), "label": "city"}]
        else:
            inside = ["B-city", "I-city"][: len(city.split())]
            row["tokens"] = text.split()
            row["tags"] = ["O"] * len(verb.split()) + inside + ["O", "O"]
        lines.append(json.dumps(row))
    file = folder / "turns.jsonl"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("spans", [False, True])
def test_both_are_learned_where_a_person_says_so(tmp_path: Path, spans: bool) -> None:
    asked = []

    def both(question: str, answers: list[str]) -> str:
        asked.append(question)
        return next((one for one in answers if one.startswith("both")), answers[0])

    found = inspect([str(rows(tmp_path, spans))], tmp_path, both)
    assert any("a label and tagged words" in question for question in asked)
    spec = made(found.content, {}, tmp_path / "agent.yaml").spec
    columns = spec.data.sources[0].columns
    assert (spec.task.type, columns.label) == ("understanding", "intent")
    assert "travel" in spec.description and "city" in spec.description


def test_a_guess_says_what_else_there_is(tmp_path: Path) -> None:
    found = inspect([str(rows(tmp_path, False))], tmp_path, nobody)
    assert found.content["task"]["type"] == "classification"
    (said,) = [one for one in found.decisions if one.subject == "task" and one.guessed]
    assert "type: tagging" in said.reason and "type: understanding" in said.reason
