"""What every part of the agent spec is made of."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)


def _installed_steps() -> list[str]:
    """The names of the steps that are installed beside the library: folders of `components`.

    None where the library stands alone, as in an image that only serves.
    """
    found = find_spec("components")
    places = found.submodule_search_locations if found else None
    return sorted(
        {one.parent.name for place in places or () for one in Path(place).glob("*/step.py")}
    )


if TYPE_CHECKING:
    StepName = str
else:
    # A new step's name needs no mention here: its folder tells it.
    StepName = Literal[tuple(_names)] if (_names := _installed_steps()) else str


class Section(BaseModel):
    """A part of the spec: unknown keys are refused, values are checked."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _a_number_is_no_switch(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """`true` would be read as 1, and `false` as 0."""
        read = handler(value)
        if isinstance(value, bool):
            kinds = _kinds(cls.model_fields[info.field_name or ""].annotation)
            if kinds & {int, float} and not kinds & {bool, Any, object}:
                raise ValueError(f"takes a number, not a switch. Received: {str(value).lower()}")
        return read


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a field may be of."""
    parts = get_args(annotation)
    return {one for part in parts for one in _kinds(part)} if parts else {annotation}
