"""What a server takes before it refuses: the spec's `serve.limits`."""

from __future__ import annotations

from pydantic import Field

from bertworks.spec.section import Section


class Limits(Section):
    """Limits of a server; each refusal names the one that it is about.

    The defaults fit a pod of 1 GiB: `body_mb` times `waiting`, the few large bodies or the many small
    ones that are computed, decoded, and a batch of the longest rows a thread.
    """

    body_mb: float = Field(2.0, gt=0, le=256, description="A request's body, in MiB.")
    rows: int = Field(1024, ge=1, description="Rows of a request.")
    characters: int = Field(100_000, ge=1, description="Characters of a row, all its texts.")
    depth: int = Field(16, ge=4, le=200, description="Lists and objects inside each other.")
    running: int | None = Field(
        None,
        ge=1,
        description="Requests that are computed at once, at most, in batches with each other; more than "
        "two only while their bodies have 64 KiB together. None: 64.",
    )
    waiting: int = Field(64, ge=1, description="Requests that wait; more are refused with 429.")
    wait_seconds: float = Field(
        10,
        gt=0,
        description="How long one waits, at most; who would wait for longer, at the pace so far, is "
        "refused with 429 at once.",
    )
    seconds: float = Field(60, gt=0, description="How long one is computed, at most.")
    head_seconds: float = Field(10, gt=0, description="Until a request's headers are all there.")
    body_seconds: float = Field(20, gt=0, description="Until a request's body is all there.")
    connections: int = Field(1000, ge=1, description="Open connections.")

    @property
    def body_bytes(self) -> int:
        """`body_mb` in bytes."""
        return int(self.body_mb * 2**20)
