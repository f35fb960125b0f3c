"""Tagging (named entities): a tag a word."""

from bertworks.spec.task_kinds import TaskKind, register

KIND = TaskKind(
    name="tagging",
    type="tagging",
    handler="bertworks.tasks.tagging.task:Tagging",
    metrics=(
        "entity_f1", "entity_precision", "entity_recall", "entity_macro_f1", "token_f1",
        "token_accuracy", "token_macro_f1",
    ),
    metric="entity_f1",
    forms=("words",),
    settings=frozenset({"label_smoothing"}),
    long_text="windows",
)  # fmt: skip
register(KIND)
