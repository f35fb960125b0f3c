"""What a bundle that finds documents tells of its index: index.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bertworks.contracts.files import OMIT, File


@dataclass(frozen=True)
class Threshold:
    """From where on a document fits, and what that does.

    Attributes:
        value: The least cosine of a document that fits; null: the nearest always does.
        answered: Share of the validation queries that get an answer.
        refused: Share of them that would get none if their own documents were not there.
        queries: How many there were.
    """

    value: float | None
    answered: float = 1.0
    refused: float = 0.0
    queries: int = 0


@dataclass(frozen=True)
class Index:
    """index.json.

    Attributes:
        kind: exact: vectors.npy holds the documents' vectors, float32, of length 1, in the order of
            documents.jsonl. approximate: index.faiss is a graph over them (HNSW), which holds them too.
        documents: How many.
        width: Numbers of a vector.
        graph: Digest of the files that vectors are computed with: engine, tokenizer, max_length and
            cleaning. Documents that are added must be read by the same.
        threshold: From where on a document fits.
        added: How many came by `bertworks index add`.
        search: Of an approximate index how many nodes it keeps in sight (efSearch).
        recall: Likewise the share of the exact ten best that it finds, on `recall_queries` queries.
        recall_queries: How many.
    """

    kind: Literal["exact", "approximate"]
    documents: int
    width: int
    graph: str = ""
    threshold: Threshold = field(default_factory=lambda: Threshold(None))
    added: int = 0
    search: int | None = field(default=None, metadata=OMIT)
    recall: float | None = field(default=None, metadata=OMIT)
    recall_queries: int | None = field(default=None, metadata=OMIT)


INDEX: File[Index] = File("index.json", Index)
