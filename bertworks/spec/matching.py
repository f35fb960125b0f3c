"""How texts that belong together are found, and how the encoder learns to find them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertworks.spec.section import Section


class Matching(Section):
    """Settings of type: matching."""

    pooling: Literal["mean", "first"] = Field(
        "mean",
        description="What a text's vector is made of: the `mean` of its tokens' states, or the `first` "
        "token's, as bge's models are trained. Either is brought to length 1.",
    )
    scale: float = Field(
        20.0,
        gt=0,
        le=1000,
        description="What cosines are multiplied by before the softmax over a batch's documents.",
    )
    negatives: int = Field(
        1,
        ge=0,
        le=16,
        description="Hard negatives a query and step: documents that the encoder, as training starts, "
        "ranks high for it and that are not among its own. 0: only the batch's other documents.",
    )
    top: int = Field(10, ge=1, le=100, description="Documents in an answer, at most.")
    threshold: float | Literal["auto", "none"] = Field(
        "auto",
        description="Cosine from which a document fits a query; where none does, nothing is answered. "
        "`auto` is chosen on the validation queries: it tells them best from the same queries without "
        "their documents. `none` answers always.",
    )
    index: Literal["auto", "exact", "approximate"] = Field(
        "auto",
        description="`exact` compares a query with every document, `approximate` searches a graph "
        "(HNSW); `auto` is exact up to 100,000 documents.",
    )
    min_recall: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Share of the exact ten best documents that an approximate index must find, on "
        "validation queries; the quantize step searches wider until it does, or stops.",
    )
