"""Classification: one label a row."""

from bertworks.spec.task_kinds import TaskKind, register

METRICS = ("accuracy", "macro_f1", "micro_f1", "mcc", "roc_auc", "calibration_error")
KIND = TaskKind(
    name="classification",
    type="classification",
    handler="bertworks.tasks.classification.task:Classification",
    metrics=METRICS,
    metric="accuracy",
    at_most_one=frozenset(METRICS),
    lower_is_better=frozenset({"calibration_error"}),
    settings=frozenset({"class_weights", "label_smoothing"}),
    confidence=frozenset({"calibrate", "abstain", "out_of_scope", "conformal"}),
)
register(KIND)
