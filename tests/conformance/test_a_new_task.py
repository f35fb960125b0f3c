"""A task that is added from outside: registered, and then asked for like any other."""

import random
from collections.abc import Iterator

import ordinal
import pytest
from run_of import Case, Row
from task_suite import TaskConformance

from bertworks.errors import SpecError
from bertworks.spec import task_kinds as spec_tasks
from bertworks.spec.file import load


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    spec_tasks.register(ordinal.KIND)
    yield
    spec_tasks.unregister("ordinal")


def starred(stream: random.Random) -> Row:
    """Three grades, told by one word."""
    grade = stream.choice(("bad", "fair", "good"))
    words = stream.choices(["film", "story", "plot", "cast", "the", "so", "night"], k=6)
    words[stream.randrange(6)] = grade
    return {"text": " ".join(words), "label": {"bad": "1", "fair": "2", "good": "3"}[grade]}


class TestOrdinal(TaskConformance):
    case = Case(
        {"type": "ordinal"}, starred, learns=0.45, finetune={"epochs": 28, "learning_rate": 1e-2}
    )


def test_what_a_kind_may_not_be() -> None:
    kind = ordinal.KIND
    for wrong in ({"type": "classification"}, {"metrics": ("mae",)}, {"metric": "f1"}):
        with pytest.raises(ValueError):
            spec_tasks.register(
                type(kind)(**{**vars(kind), "name": "other", "type": "other", **wrong})
            )
    assert "other" not in spec_tasks.kinds()


def test_settings_that_the_task_does_not_have_are_refused(tmp_path) -> None:
    (tmp_path / "spec.yaml").write_text(
        "name: one\ntask: {type: ordinal}\ndata: {sources: [{uri: rows.csv}]}\n"
        "finetune: {label_smoothing: 0.1}\n"
    )
    with pytest.raises(SpecError, match="label_smoothing"):
        load(tmp_path / "spec.yaml", [])
    with pytest.raises(SpecError, match="'classification'.*'ordinal'"):
        load(tmp_path / "spec.yaml", ["task.type=ordnal"])
