"""How sure an agent has to be: scores that are probabilities, and answers that are held back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from bertworks.spec.section import Section

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Abstain(Section):
    """Which answers count as confident: one of the two is given."""

    precision: Share | None = Field(
        None,
        description="The share of the confident answers that is right on validation (tagging, "
        "understanding and "
        "multi-label: whole rows); as many as can be are confident.",
    )
    coverage: Share | None = Field(
        None, description="The share of the validation rows whose answers are confident."
    )

    @model_validator(mode="after")
    def _one_is_given(self) -> Abstain:
        if (self.precision is None) == (self.coverage is None):
            raise ValueError(
                "`abstain` needs one of `precision` and `coverage`. "
                f"Received: precision={self.precision}, coverage={self.coverage}"
            )
        return self


class Confidence(Section):
    """Answers that know when they do not know.

    All of it is chosen on the validation rows, by the answers of the compressed bundle, and kept in it.
    What is unset leaves answers as they are.
    """

    calibrate: bool = Field(
        True,
        description="Divide logits by a temperature (Guo et al. 2017), so that scores are "
        "probabilities; the labels that are given stay the same.",
    )
    abstain: Abstain | None = Field(
        None, description="Answers carry `confident`: whether they are sure enough."
    )
    out_of_scope: Share | None = Field(
        None,
        description="Answers carry `out_of_scope`: whether the text is like none that was trained on; "
        "this share of the validation rows is taken for such. None: 0.05 where a source is marked "
        "out_of_scope, else no such answer. Classification of one text, one label a row; "
        "understanding.",
    )
    conformal: Share | None = Field(
        None,
        description="Answers carry `set`: the labels among which the true one is for this share of rows "
        "(split conformal prediction). Classification, one label a row.",
    )

    @field_validator("out_of_scope", mode="before")
    @classmethod
    def _is_a_share_that_is_refused(cls, given: Any) -> Any:
        """It is easily taken for the share that is kept, or for a percentage."""
        if isinstance(given, int | float) and not isinstance(given, bool) and not 0 < given < 1:
            raise ValueError(
                "is the share of the rows in scope that may be refused, above 0 and below 1: 0.05 for "
                f"5 %. Received: {given:g}"
            )
        return given
