"""What a server keeps of who asked what: the spec's `serve.audit`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertworks.spec.section import Section


class Audit(Section):
    """The audit log: append-only, its lines chained by hashes, personal data masked always."""

    folder: str | None = Field(None, description="Where it is; None: there is none.")
    texts: bool = Field(
        False, description="Also keeps the texts, masked. Without it no part of a text is kept."
    )
    answers: bool = Field(True, description="Keeps labels and scores of answers.")
    max_mb: float = Field(64, gt=0, description="From that size on the next file begins, in MiB.")
    sync: Literal["second", "each"] = Field(
        "second",
        description="When lines are written through to the disk: once a second (a machine that loses "
        "power loses a second at most; a killed server nothing), or each by itself.",
    )
