"""Understanding of a turn: what is wanted (its intent) and with which values (its slots)."""

from bertworks.spec.task_kinds import TaskKind, register

METRICS = (
    "frame_accuracy", "intent_accuracy", "slot_f1", "slot_precision", "slot_recall",
    "frame_macro_f1",
)  # fmt: skip
KIND = TaskKind(
    name="understanding",
    type="understanding",
    handler="bertworks.tasks.understanding.task:Understanding",
    metrics=METRICS,
    metric="frame_accuracy",
    at_most_one=frozenset(METRICS),
    forms=("turn", "turn_in_context"),
    settings=frozenset({"label_smoothing"}),
    confidence=frozenset({"calibrate", "abstain", "out_of_scope"}),
    long_text="windows",
)
register(KIND)
