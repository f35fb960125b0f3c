"""What every part of the agent spec is made of."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict


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
