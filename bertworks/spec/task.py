"""What an agent does, and what it may be judged by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from bertworks.spec import task_kinds as spec_tasks
from bertworks.spec.matching import Matching
from bertworks.spec.section import Section

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


CONTEXT = "turn_in_context"
"""The form of rows of `context: true`."""

Severity = Literal["ignore", "warning", "error"]


def _task_types(schema: JsonDict) -> None:
    schema["enum"] = [*spec_tasks.types()]


class Task(Section):
    """What the agent does."""

    type: str = Field("classification", json_schema_extra=_task_types)
    pair: bool = Field(False, description="Two texts a row (text_a, text_b) instead of one.")
    context: bool = Field(
        False,
        description="Understanding: what was said before the turn (`columns.context`, may be empty) is "
        "read behind it.",
    )
    multi_label: bool = Field(False, description="Classification: any number of labels a row.")
    max_length: int = Field(
        128,
        ge=8,
        le=512,
        description="Tokens that are read at once; see `long_text` for longer rows.",
    )
    long_text: Literal["cut", "windows"] = Field(
        "cut",
        description="Rows of more than `max_length` tokens: `cut` reads the beginning, `windows` reads "
        "all of it in overlapping windows (tagging: each word's tag is from the window where it has the "
        "most context; otherwise each window is trained with the row's label, and their logits are "
        "averaged). Tagging: `windows` when unset.",
    )
    max_windows: int = Field(
        16,
        ge=2,
        le=256,
        description="Windows a row at most, with `long_text: windows`; longer is cut.",
    )
    matching: Matching | None = Field(None, description="Settings of type: matching.")

    @model_validator(mode="before")
    @classmethod
    def _long_text_of_the_task(cls, value: Any) -> Any:
        if isinstance(value, dict):
            kind = spec_tasks.find(str(value.get("type")), bool(value.get("multi_label")))
            usual = "cut" if value.get("context") else kind.long_text if kind else "cut"
            return {"long_text": usual, **value} if kind else value
        return value

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if value not in spec_tasks.types():
            *most, last = map(repr, spec_tasks.types())
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        kind = spec_tasks.find(self.type, self.multi_label)
        if kind is None:
            raise ValueError(f"`multi_label` needs type: classification. Received: {self.type}")
        if self.pair and "pair" not in kind.forms:
            raise ValueError(f"`pair` cannot be combined with type: {self.type}.")
        if self.pair and self.long_text == "windows":
            raise ValueError("`long_text: windows` cannot be combined with `pair`; leave it out.")
        if self.context and CONTEXT not in kind.forms:
            raise ValueError(f"`context` cannot be combined with type: {self.type}.")
        if self.context and self.long_text == "windows":
            raise ValueError(
                "`long_text: windows` cannot be combined with `context`; leave it out."
            )
        if self.long_text == "windows" and not kind.windows:
            raise ValueError(f"`long_text: windows` cannot be combined with type: {self.type}.")
        if self.matching is not None and kind.section != "matching":
            raise ValueError(f"`matching` goes with type: matching. Received: {self.type}")
        return self

    @model_serializer(mode="wrap")
    def _without_others_settings(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is no setting of this task does not stand in its records, nor in what caches go by."""
        found: dict[str, Any] = serialize(self)
        return {
            key: value for key, value in found.items() if key != "matching" or value is not None
        }

    @property
    def kind(self) -> spec_tasks.TaskKind:
        """The task that is asked for."""
        kind = spec_tasks.find(self.type, self.multi_label)
        if kind is None:
            raise ValueError(f"There is no task of type {self.type!r}.")
        return kind

    @property
    def form(self) -> str:
        """The form of its rows, see `bertworks.tasks.forms`."""
        if self.context:
            return CONTEXT
        return "pair" if self.pair else self.kind.forms[0]

    def like(self, other: Task) -> bool:
        """Whether agents of the two can be asked the same question, whatever is read of a row."""
        return (self.kind, self.form) == (other.kind, other.form)


def metrics_of(task: Task) -> tuple[str, ...]:
    """The metrics that a task can be judged by."""
    return task.kind.metrics


def task_metric(task: Task) -> str:
    """The metric that a task is judged by unless the spec names another."""
    return task.kind.metric
