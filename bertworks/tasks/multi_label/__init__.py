"""Multi-label classification: any number of labels a row."""

from bertworks.spec.task_kinds import TaskKind, register

KIND = TaskKind(
    name="multi_label",
    type="classification",
    multi_label=True,
    handler="bertworks.tasks.multi_label.task:MultiLabel",
    metrics=("accuracy", "micro_f1", "macro_f1", "roc_auc"),
    metric="accuracy",
    settings=frozenset({"class_weights", "label_smoothing"}),
)
register(KIND)
