"""How a server takes up new versions: the spec's `serve.follow`, `canary` and `shadow`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertworks.spec.section import Section


class Follow(Section):
    """The server takes up what the model store makes the champion, by itself."""

    seconds: float = Field(5, gt=0, le=3600, description="Between two looks at the store.")
    other_labels: bool = Field(
        False,
        description="A bundle with other labels, or of another task, may replace the champion.",
    )
    spare_mb: float = Field(
        64, ge=0, description="Memory that must stay free once a new bundle is loaded, in MiB."
    )


class Canary(Section):
    """A challenger answers a share of the requests until it is clear which of the two is to serve.

    Each limit says how much worse the challenger may be than the champion. It is put back as soon as
    one is certainly broken, and promoted as soon as all are certainly kept.
    """

    share: float = Field(0.1, gt=0, le=0.9, description="Of the requests, for the challenger.")
    by: Literal["request", "caller"] = Field(
        "request", description="Drawn for each request id, or once for each caller's key."
    )
    errors: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="More of its requests that may fail, of all; 0.01: one in 100.",
    )
    slower: float = Field(
        0.25, ge=0, description="How much slower it may be on most requests; 0.25: a quarter."
    )
    slow: float = Field(
        0.05, gt=0, lt=1,
        description="More of its requests that may be slower than 19 in 20 of the champion's.",
    )  # fmt: skip
    confidence: float | None = Field(
        0.1, gt=0, lt=1, description="How far its mean confidence may be lower; None: not judged."
    )
    disagreement: float | None = Field(
        0.2, gt=0, lt=1,
        description="Rows that it may answer otherwise than the champion; None: not judged. "
        "Rows that both answer are taken from `agreement_share` of its requests.",
    )  # fmt: skip
    agreement_share: float = Field(
        0.5, gt=0, le=1,
        description="Of the challenger's requests, those that the champion answers too, afterwards.",
    )  # fmt: skip
    accuracy: float = Field(
        0.02, ge=0, lt=1,
        description="How far its accuracy may be lower, by labels that come as feedback; 0: it must "
        "be higher.",
    )  # fmt: skip
    labels: Literal["if there are", "required"] = Field(
        "if there are", description="required: it is promoted on labels' evidence only."
    )
    least_requests: int = Field(
        100, ge=1, description="Requests that it has answered before it may be promoted."
    )
    false_alarm: float = Field(
        0.05, gt=0, lt=0.5,
        description="Chance that one that keeps all limits is put back, however long it runs.",
    )  # fmt: skip
    false_promotion: float = Field(
        0.05, gt=0, lt=0.5, description="Chance that one that breaks a limit is promoted, likewise."
    )
    most_hours: float = Field(
        168, gt=0, description="Not clear by then: it is put back, and the record says so."
    )


class Shadow(Section):
    """The challenger answers a share of the requests too, afterwards; nobody waits for it."""

    share: float = Field(0.1, gt=0, le=1, description="Of the requests.")
    waiting: int = Field(
        64, ge=1, le=4096, description="Requests that wait for it; more are dropped, and counted."
    )
