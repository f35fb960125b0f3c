"""The tasks that a spec may ask for, as far as a spec has to know them.

A task says this of itself when its folder in `bertworks/tasks` is loaded, which happens at the first
question; nobody else lists the tasks' names. Needs the standard library alone.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

HOME = "bertworks.tasks"  # every folder of it registers its task


@dataclass(frozen=True)
class TaskKind:
    """What a task declares.

    Attributes:
        name: The task's own name; its folder's.
        type: `task.type` of a spec that asks for it.
        handler: Where its class is, as "module:class"; loaded when a handler is needed.
        metrics: All that it can be judged by, on validation as on test; nothing else lists them.
        metric: The one that it is judged by unless a spec names another.
        lower_is_better: Those of the metrics of which less is better.
        at_most_one: Those of the metrics that can be 1 at most; the others are free.
        forms: Forms that a row can have (`bertworks.tasks.forms`), its usual one first.
        multi_label: `task.multi_label` of a spec that asks for it.
        settings: Settings of the finetune section that go with it, of `class_weights` and
            `label_smoothing`.
        confidence: Settings of the confidence section that go with it; none where its answers have no
            probabilities.
        long_text: What `task.long_text` is when unset.
        windows: Whether `task.long_text: windows` goes with it.
        column: What a source's `columns` call what is learned, where rows are texts.
        section: The settings of its own inside the spec's `task`; "": it has none.
        capitals: Whether they tell what it answers with, where texts have them: they tell names.
    """

    name: str
    type: str
    handler: str
    metrics: tuple[str, ...]
    metric: str
    lower_is_better: frozenset[str] = frozenset()
    at_most_one: frozenset[str] = frozenset()
    forms: tuple[str, ...] = ("text", "pair")
    multi_label: bool = False
    settings: frozenset[str] = frozenset()
    confidence: frozenset[str] = frozenset()
    long_text: str = "cut"
    windows: bool = True
    column: str = "label"
    section: str = ""
    capitals: bool = False


_KINDS: dict[str, TaskKind] = {}


def register(kind: TaskKind) -> None:
    """Makes a task known.

    Raises:
        ValueError: Another has its name, or is asked for in the same way; or its metric is none of
            its metrics, or one of them is better the other way round elsewhere.
    """
    for one in _KINDS.values():
        same = (one.type, one.multi_label) == (kind.type, kind.multi_label)
        if one != kind and (same or one.name == kind.name):
            raise ValueError(f"The task {kind.name!r} is there already: {one}")
        for metric in {*one.metrics} & {*kind.metrics}:
            if (metric in one.lower_is_better) != (metric in kind.lower_is_better):
                raise ValueError(
                    f"{metric!r} of {kind.name!r} and of {one.name!r} differ in sense."
                )
    if not {kind.metric, *kind.lower_is_better, *kind.at_most_one} <= {*kind.metrics}:
        raise ValueError(
            "`metric`, `lower_is_better` and `at_most_one` must be among "
            f"{', '.join(kind.metrics)}."
        )
    _KINDS[kind.name] = kind


def unregister(name: str) -> None:
    """Forgets a task, for a test that registered one."""
    del _KINDS[name]


def kinds() -> dict[str, TaskKind]:
    """All tasks by name."""
    importlib.import_module(HOME)
    return dict(_KINDS)


def types() -> list[str]:
    """What `task.type` may be."""
    return list(dict.fromkeys(kind.type for kind in kinds().values()))


def find(task_type: str, multi_label: bool = False) -> TaskKind | None:
    """The task that a spec asks for; None where there is none."""
    asked = (task_type, multi_label)
    return next((one for one in kinds().values() if (one.type, one.multi_label) == asked), None)


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better; a name means the same in every task."""
    return any(metric in kind.lower_is_better for kind in kinds().values())
