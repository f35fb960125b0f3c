"""Tagging (named entities): a tag a word."""

from bertworks.spec.task_kinds import TaskKind, register

METRICS = (
    "entity_f1", "entity_precision", "entity_recall", "entity_macro_f1", "token_f1",
    "token_accuracy", "token_macro_f1",
)  # fmt: skip
KIND = TaskKind(
    name="tagging",
    type="tagging",
    handler="bertworks.tasks.tagging.task:Tagging",
    metrics=METRICS,
    metric="entity_f1",
    at_most_one=frozenset(METRICS),
    forms=("words",),
    settings=frozenset({"label_smoothing"}),
    confidence=frozenset({"calibrate", "abstain"}),
    long_text="windows",
    capitals=True,
)
register(KIND)
