"""Multi-label classification: any number of labels a row."""

from bertworks.spec.task_kinds import TaskKind, register

METRICS = ("accuracy", "micro_f1", "macro_f1", "roc_auc")
KIND = TaskKind(
    name="multi_label",
    type="classification",
    multi_label=True,
    handler="bertworks.tasks.multi_label.task:MultiLabel",
    metrics=METRICS,
    metric="accuracy",
    at_most_one=frozenset(METRICS),
    settings=frozenset({"class_weights", "label_smoothing"}),
    confidence=frozenset({"calibrate", "abstain"}),
)
register(KIND)
