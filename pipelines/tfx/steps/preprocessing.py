"""Transform: the analyzers of the transform step, and the columns that training needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bertworks.spec import Task
from bertworks.tasks import for_task
from components.transform import analyze
from pipelines.tfx.steps.rows import EXACT_SCORE, LABEL, PIECE_TAGS, POSITION, READ_WORDS

if TYPE_CHECKING:
    from components.transform.analyze import Tensors

RAW = "raw."
"""Begins the names of columns that are passed on as they were read."""


def preprocessing_fn(inputs: Tensors, custom_config: Mapping[str, object]) -> Tensors:
    """What tf.Transform runs over the rows, here and in the saved graph.

    The tokens are in the rows already: the Hugging Face tokenizer, which training and serving use,
    is no TensorFlow operation, and TensorFlow's own tokenizers differ from it in rare characters.
    What must be learned from all rows (label vocabulary, quantiles, moments) is learned by the same
    analyzers as in `components/transform`.
    """
    task = Task.model_validate(custom_config["task"])
    outputs = analyze.preprocessing(task)(_analyzed(inputs, task))
    kept = {name: inputs[name] for name in ("id", POSITION, "length")}
    names = ("input_ids", "type_ids", READ_WORDS)
    lists = {name: inputs[name] for name in names if name in inputs}
    raw = {raw_column(task), *([LABEL] if for_task(task).target.per_word else [])}
    return {**outputs, **kept, **lists, **{RAW + name: inputs[name] for name in sorted(raw)}}


def raw_column(task: Task) -> str:
    """The column with the labels as read, in the form that the tokens artifact is made from."""
    target = for_task(task).target
    if target.numeric:
        return EXACT_SCORE
    return PIECE_TAGS if target.per_word else LABEL


def _analyzed(inputs: Tensors, task: Task) -> Tensors:
    if for_task(task).target.numeric:
        return {"length": inputs["length"], "score": inputs["score"]}
    return {"length": inputs["length"], "label": inputs[LABEL]}
