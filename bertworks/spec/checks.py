"""What the rows are checked for before anything is trained."""

from __future__ import annotations

from pydantic import Field

from bertworks.spec.section import Section
from bertworks.spec.task import Fraction, Severity


class Checks(Section):
    """How serious each finding of the validate step is, and its limit."""

    empty_rows: Severity = "error"
    encoding_damage: Severity = "warning"
    max_encoding_damage: Fraction = Field(
        0.01, description="Share of rows with U+FFFD or mojibake."
    )
    too_long: Severity = "warning"
    max_too_long: Fraction = Field(0.05, description="Share of rows cut at task.max_length.")
    unknown_tokens: Severity = "warning"
    max_unknown_tokens: Fraction = Field(0.02, description="Share of unknown tokens.")
    no_known_tokens: Severity = Field(
        "warning", description="Rows of nothing but tokens that the base does not know."
    )
    trimmed_words: Severity = "error"
    max_trimmed_words: Fraction = Field(
        0.2,
        description="Share of the words of validation that trimming the base's vocabulary made unknown "
        "or splits into more pieces.",
    )
    near_duplicates: Severity = "warning"
    max_near_duplicates: Fraction = Field(0.05, description="Share of near-duplicate rows.")
    leakage: Severity = "warning"
    max_leakage: Fraction = Field(
        0.01, description="Share of validation and test rows that nearly stand in train."
    )
    label_balance: Severity = "warning"
    min_label_share: Fraction = Field(0.005, description="Smallest share that a label may have.")
    single_class: Severity = "error"
    rare_labels: Severity = "error"
    min_label_rows: int = Field(2, ge=1, description="Fewest training rows that a label may have.")
    drift: Severity = "warning"
    max_drift: Fraction = Field(
        0.2, description="Jensen-Shannon divergence (bits) to the baseline."
    )
    schema_anomalies: Severity = "error"


class Validate(Section):
    """Statistics, schema and text-aware checks."""

    checks: Checks = Field(default_factory=Checks)
    baseline: str = Field(
        "auto",
        description="What the data are compared with: `auto`: the statistics of the last good local "
        "run on other data (the first run infers the schema; on a cluster the same as `none`, as the "
        "retraining compares with the champion's data itself); `none`; or the path of a statistics "
        "artifact, on a cluster below resources.volume.mount.",
    )
    max_near_duplicate_rows: int = Field(
        200_000, ge=1, description="Rows that the near-duplicate check looks at, at most."
    )
