"""What a server notes of what it is asked: the spec's `serve.observing`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertworks.spec.section import Section
from bertworks.spec.task import Fraction


class Sampling(Section):
    """Requests that are kept to be labelled, as Parquet files that a data source can read."""

    folder: str | None = Field(
        None, description="Where they are kept; None: nothing of any request is kept."
    )
    share: Fraction = Field(
        0.01,
        description="Share of the rows that is kept; those of which the agent is less sure more often.",
    )
    mask: bool = Field(
        True, description="Put [email], [phone] and the like in place of personal data first."
    )
    file_mb: float = Field(
        16.0, gt=0, le=1024, description="Size at which a file is closed, in MB."
    )
    file_minutes: float = Field(60.0, gt=0, description="Age at which a file is closed.")


class Observing(Section):
    """How a server tells what happens."""

    log_format: Literal["text", "json"] = Field(
        "text", description="Of the log, one line a request: for people, or JSON for machines."
    )
    drift_rows: int = Field(
        1000,
        ge=50,
        description="Rows of a window that is compared with the rows of the training.",
    )
    max_text_drift: float = Field(
        0.01,
        ge=0,
        description="Jensen-Shannon divergence (bits, above chance) of tokens, from which it is told; "
        "0.01 is about a quarter of the rows being of another kind.",
    )
    max_label_drift: float = Field(
        0.02, ge=0, description="Likewise of the answers' labels, entities or scores."
    )
    sampling: Sampling = Field(default_factory=Sampling)
