"""How an agent is evaluated, what it must reach, and when a challenger takes its place."""

from __future__ import annotations

from pydantic import Field

from bertworks.spec.cluster import SecretKey
from bertworks.spec.section import Section
from bertworks.spec.task import Fraction


class Evaluate(Section):
    """Metrics, slices and the floor."""

    slices: list[str] = Field(
        ["length", "source", "label"],
        description="Slice by: length, source, label, or any column kept in "
        "data.sources[].columns.extra.",
    )
    bootstrap: int = Field(1000, ge=0, description="Resamples for 95 % confidence intervals.")
    worst: int = Field(50, ge=0, description="Worst errors to list.")
    floor: bool = Field(True, description="Also train a TF-IDF + linear model on the same rows.")
    seed: int = 42


class Gates(Section):
    """Rules that the COMPRESSED bundle must meet on the test split. None: not asked."""

    metric: str | None = Field(
        None,
        description="The run's metric: of the rules below, and what finetune, prune and quantize go "
        "by; None: accuracy, entity_f1 or pearson by task.",
    )
    minimum: float | None = Field(None, description="Lowest value of the metric.")
    max_drop: float | None = Field(
        0.02,
        ge=0,
        description="Largest drop of the metric against the uncompressed model on the same rows; "
        "broken when the drop is beyond it by more than chance.",
    )
    confidence: float = Field(
        0.95,
        ge=0.5,
        lt=1.0,
        description="Level of the one-sided paired bootstrap that tells a drop from chance; 0.5: the "
        "drop as measured decides.",
    )
    max_latency_ms: float | None = Field(
        None,
        gt=0,
        description="p95 latency of one row at a time, in milliseconds; on a busy machine without "
        "what the load adds.",
    )
    max_size_mb: float | None = Field(None, gt=0, description="Size of the bundle, 10^6 bytes.")
    min_coverage: Fraction | None = Field(
        None,
        description="Least share of the test rows whose answers are confident; needs "
        "`confidence.abstain`.",
    )
    max_calibration_error: Fraction | None = Field(
        None,
        description="Largest expected calibration error of the scores; broken when the error is beyond "
        "it by more than so few rows give a calibrated agent.",
    )
    min_out_of_scope_recall: Fraction | None = Field(
        None,
        description="Least share of the rows of `out_of_scope` sources that are taken for such.",
    )
    beat_floor: bool = Field(True, description="Must be above the TF-IDF floor.")
    beat_champion: bool = Field(
        False, description="Must be above the present champion on the same test rows."
    )


class Retrain(Section):
    """When new rows are worth a training, and how the challenger is made and judged."""

    min_new_rows: int = Field(
        100, ge=1, description="Rows that the champion has not seen, before it is challenged."
    )
    max_text_drift: float = Field(
        0.1, ge=0, description="Jensen-Shannon divergence (bits) of the tokens; more is a change."
    )
    max_label_drift: float = Field(
        0.05, ge=0, description="Jensen-Shannon divergence (bits) of the labels; more is a change."
    )
    warm_start: bool = Field(True, description="Start from the champion's weights, not the base.")
    rehearsal: float = Field(
        1.0, ge=0, description="Old rows kept for each new row, against forgetting; 0: none."
    )
    min_new_label_recall: Fraction = Field(
        0.5,
        description="A challenger that knows labels which the champion does not must find this share of "
        "each one's test rows. It is then judged by the mean over all labels (macro F1), and may not be "
        "worse on rows of the old labels by more than chance.",
    )
    seed: int = 42
    webhook: SecretKey | None = Field(
        None, description="Secret with the URL that is told how each run ended."
    )
