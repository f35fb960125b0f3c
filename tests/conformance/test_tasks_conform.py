"""Every task of the project does what a task must; and every registered one is asked."""

import ast
import random
from pathlib import Path

from run_of import Case, Row
from task_suite import TaskConformance

from bertworks.spec import task_kinds as spec_tasks

WORDS = [
    "film",
    "story",
    "plot",
    "cast",
    "ada",
    "paris",
    "very",
    "the",
    "so",
    "night",
    "scene",
    "end",
]

MORE = {"learning_rate": 1e-2, "epochs": 20}


def words(stream: random.Random, *more: str) -> list[str]:
    """Some words, one of `more` among them."""
    found = stream.choices(WORDS, k=stream.randint(3, 8))
    found[stream.randrange(len(found))] = stream.choice(more)
    return found


def text_of(stream: random.Random) -> tuple[str, bool]:
    """A text, and whether it is good."""
    found = words(stream, "good", "bad")
    return " ".join(found), "good" in found


def labelled(stream: random.Random) -> Row:
    text, good = text_of(stream)
    return {"text": text, "label": "up" if good else "down"}


def several(stream: random.Random) -> Row:
    text, good = text_of(stream)
    return {"text": text, "label": ["up", "seen"] if good else ["down", "seen"]}


def rated_pair(stream: random.Random) -> Row:
    text, good = text_of(stream)
    return {"text_a": text, "text_b": " ".join(words(stream, "so")), "label": 2.0 * good}


def tagged(stream: random.Random) -> Row:
    found = words(stream, "ada", "paris")
    kinds = {"ada": "B-PER", "paris": "B-LOC"}
    return {"tokens": found, "tags": [kinds.get(word, "O") for word in found]}


ASKED = ["film", "story", "plot", "cast", "paris", "night", "scene", "end"]


def asked(stream: random.Random) -> Row:
    about, other = stream.sample(ASKED, 2)
    order = [about, other] if about < other else [other, about]
    return {
        "text": " ".join([*stream.choices(["very", "the", "so"], k=stream.randint(1, 4)), *order]),
        "document": f"so the {order[0]} and {order[1]} end",
    }


class TestMatching(TaskConformance):
    case = Case({"type": "matching", "matching": {"negatives": 2}}, asked, 0.8, MORE)


class TestClassification(TaskConformance):
    case = Case({"type": "classification"}, labelled, learns=0.9)


class TestMultiLabel(TaskConformance):
    case = Case(
        {"type": "classification", "multi_label": True}, several, None
    )  # learns in tests/training


class TestTagging(TaskConformance):
    case = Case({"type": "tagging"}, tagged, 0.9, MORE)


def understood(stream: random.Random) -> Row:
    found = words(stream, "play", "book")
    kinds = {"ada": "B-name", "paris": "B-city"}
    return {
        "tokens": found,
        "tags": [kinds.get(word, "O") for word in found],
        "label": "hear" if "play" in found else "B-travel",
    }


class TestUnderstanding(TaskConformance):
    case = Case({"type": "understanding"}, understood, 0.8, {"learning_rate": 2e-2, "epochs": 30})


def understood_in_context(stream: random.Random) -> Row:
    """What is meant is told by what was said before alone; in some rows nothing was."""
    row = understood(stream)
    before = stream.choice(("play", "book", ""))
    words = ["that" if word in ("play", "book") else word for word in row["tokens"]]
    said = " ".join([before, *stream.choices(WORDS, k=2)]) if before else ""
    label = {"play": "hear", "book": "travel", "": "unclear"}[before]
    return {"tokens": words, "tags": row["tags"], "context": said, "label": label}


class TestUnderstandingInContext(TaskConformance):
    case = Case(
        {"type": "understanding", "context": True},
        understood_in_context,
        0.8,
        {"learning_rate": 2e-2, "epochs": 30},
    )


class TestRegressionOfPairs(TaskConformance):
    case = Case({"type": "regression", "pair": True}, rated_pair, 0.8, MORE)


def test_no_task_is_left_out() -> None:
    asked = {(one.case.task["type"], one.case.task.get("multi_label", False))
             for one in TaskConformance.__subclasses__() if one.__module__ == __name__}  # fmt: skip
    assert asked == {(kind.type, kind.multi_label) for kind in spec_tasks.kinds().values()}


MAY_ASK = ("bertworks/tasks/", "bertworks/spec", "bertworks/compression/")  # graphs have pairs too


def asks(node: ast.AST) -> bool:
    """Whether it is `….task.type`, `task.type`, or `pair` or `multi_label` of anything."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return node.attr in ("pair", "multi_label") or (node.attr == "type" and name == "task")


def test_nobody_but_the_tasks_asks_for_a_tasks_type() -> None:
    root = Path(spec_tasks.__file__).parents[2]
    tops = ("bertworks", "components", "pipelines")
    files = [file for top in tops for file in (root / top).rglob("*.py")]
    assert len(files) > 300
    found = [
        f"{file.relative_to(root)}:{node.lineno}"
        for file in files
        if not str(file.relative_to(root)).startswith(MAY_ASK)
        for node in ast.walk(ast.parse(file.read_bytes()))
        if asks(node)
    ]
    assert not found
    spec = (root / "bertworks/spec/agent.py").read_bytes()
    assert any(map(asks, ast.walk(ast.parse(spec))))
