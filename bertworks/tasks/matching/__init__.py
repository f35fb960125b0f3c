"""Matching: the documents that belong to a text, found among many by their vectors."""

from bertworks.spec.task_kinds import TaskKind, register

METRICS = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10", "ndcg_at_10")

KIND = TaskKind(
    name="matching",
    type="matching",
    handler="bertworks.tasks.matching.task:Matching",
    metrics=METRICS,
    metric="mrr_at_10",
    at_most_one=frozenset(METRICS),
    forms=("text",),
    windows=False,
    column="document",
    section="matching",
)
register(KIND)
