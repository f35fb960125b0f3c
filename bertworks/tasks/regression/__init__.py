"""Regression: a number a row."""

from bertworks.spec.task_kinds import TaskKind, register

KIND = TaskKind(
    name="regression",
    type="regression",
    handler="bertworks.tasks.regression.task:Regression",
    metrics=("pearson", "spearman", "mae", "rmse"),
    metric="pearson",
    at_most_one=frozenset({"pearson", "spearman"}),
    lower_is_better=frozenset({"mae", "rmse"}),
)
register(KIND)
