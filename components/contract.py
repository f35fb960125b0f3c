"""What a step takes beside its artifacts, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bertworks.contracts.metrics import Confusion
from bertworks.errors import SpecError
from bertworks.notices import Notice


class StepSection(BaseModel):
    """A step's part of the spec. What other steps need of it may stand beside, and is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The section from JSON.

        Raises:
            SpecError: It is not what this version's step takes.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise SpecError(
                f"The step's section does not fit: {place}: {first['msg']}. "
                f"Received: {first['input']!r:.80}",
                "Compile the spec again with the version of bertworks that runs the steps.",
            ) from None


@dataclass(frozen=True)
class StepResult:
    """What a step tells when it is done.

    Attributes:
        metrics: Shown in the console, the record, the report and the Kubeflow UI; one that is None or
            no finite number is left out there.
        html: The page of the step: a file in its first output. None: a table of the metrics.
        confusion: For steps whose component shows one.
        notices: What was dropped, cut, merged, guessed, or is to be warned of.
        answer: What branches of the DAG go by, for example "unchanged".
        work_seconds: What the step's function took; set by who calls it.
    """

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    html: str | None = None
    confusion: Confusion | None = None
    notices: Sequence[Notice] = ()
    answer: str = ""
    work_seconds: float = 0.0
