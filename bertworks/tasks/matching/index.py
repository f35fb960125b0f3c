"""Documents and their vectors, searched exactly or by a graph, in the files of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.contracts.index import INDEX, Threshold
from bertworks.contracts.index import Index as Record
from bertworks.errors import ArtifactError, DataError, EnvironmentFault
from bertworks.spec import Matching
from bertworks.tasks.matching.documents import Document, Documents
from bertworks.tasks.matching.searching import Places, Vectors, best

EXACT_UP_TO = 100_000
"""Documents up to which `index: auto` compares a query with all of them."""
VECTORS, GRAPH = "vectors.npy", "index.faiss"
LINKS, BUILT_WITH = 32, 100
"""M and efConstruction (Malkov and Yashunin 2018, section 4)."""
SEARCHES = (32, 64, 128, 256, 512, 1024, 2048)
"""Values of efSearch that are tried, until the recall is reached."""
TRIED = 500
"""Of an index that becomes approximate as it grows: its documents that are asked for, about."""
BEST = 10
"""Documents of which the recall of an approximate index is taken."""


@dataclass(frozen=True)
class Index:
    """Documents that can be found.

    Attributes:
        documents: What is found.
        record: index.json.
        vectors: (documents, width) of an exact index.
        graph: faiss's index of an approximate one.
    """

    documents: Documents
    record: Record
    vectors: Vectors | None = None
    graph: Any = None

    @classmethod
    def of(cls, documents: Documents, vectors: Vectors, kind: str = "exact") -> Index:
        """An index of vectors of length 1, (documents, width).

        Args:
            documents: As many.
            vectors: In their order.
            kind: As in the spec: exact, approximate, auto.
        """
        if kind == "auto":
            kind = "exact" if len(documents) <= EXACT_UP_TO else "approximate"
        width = vectors.shape[1]
        if kind == "exact":
            record = Record("exact", len(documents), width)
            return cls(documents, record, np.asarray(vectors, np.float32))
        faiss = _faiss()
        graph = faiss.IndexHNSWFlat(width, LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILT_WITH
        graph.add(np.ascontiguousarray(vectors, np.float32))
        return cls(documents, Record("approximate", len(documents), width), graph=graph)

    @classmethod
    def load(cls, folder: Path) -> Index:
        """That of a bundle.

        Raises:
            ArtifactError: A file is missing, damaged, or does not belong to the others.
        """
        record, documents = INDEX.read(folder), Documents.load(folder)
        fix = "Make the bundle anew, or take the copy that the store has of it."
        if record.kind == "exact":
            try:
                vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise ArtifactError(f"{folder / VECTORS} cannot be read: {error}.", fix) from None
            made = cls(documents, record, np.asarray(vectors, np.float32))
            shape: tuple[int, ...] = vectors.shape
        else:
            graph = _read_graph(folder / GRAPH, fix)
            graph.hnsw.efSearch = record.search or SEARCHES[0]
            made, shape = cls(documents, record, graph=graph), (graph.ntotal, graph.d)
        if shape != (record.documents, record.width) or len(documents) != record.documents:
            raise ArtifactError(
                f"{folder}: index.json tells of {record.documents:,} documents of {record.width} "
                f"numbers; there are {len(documents):,} documents and vectors of shape {shape}.",
                fix,
            )
        return made

    def save(self, folder: Path) -> None:
        """Writes its files into a folder."""
        self.documents.write(folder)
        self._save_vectors(folder)
        INDEX.write(folder, self.record)

    def nearest(self, queries: Vectors, count: int) -> tuple[Places, Vectors]:
        """The nearest documents of each query, nearest first.

        Args:
            queries: (queries, width), of length 1.
            count: How many; all where there are fewer.

        Returns:
            Places and cosines, (queries, count) both.
        """
        if self.graph is None:
            assert self.vectors is not None
            return best(np.asarray(queries, np.float32), self.vectors, count)
        count = min(count, self.record.documents)
        scores, places = self.graph.search(np.ascontiguousarray(queries, np.float32), count)
        return np.asarray(places, np.int64), np.asarray(scores, np.float32)

    def with_threshold(
        self, queries: Vectors, own: Sequence[Sequence[int]], wanted: float | str
    ) -> Index:
        """The same with the least cosine that fits.

        Args:
            queries: Validation queries' vectors.
            own: The places of each one's documents.
            wanted: As in the spec: a cosine, "auto" or "none".
        """
        found, without = self._first_scores(queries, own)
        if wanted == "none":
            value = None
        elif wanted == "auto":
            value = _between(found, without) if len(found) else None
        else:
            value = float(wanted)
        least = -np.inf if value is None else value
        told = Threshold(
            value,
            round(float(np.mean(found >= least)), 6) if len(found) else 1.0,
            round(float(np.mean(without < least)), 6) if len(found) else 0.0,
            len(found),
        )
        return replace(self, record=replace(self.record, threshold=told))

    def searched(self, queries: Vectors, vectors: Vectors, least: float) -> Index:
        """The same, of an approximate index, that searches as widely as the recall asks.

        Args:
            queries: Validation queries' vectors.
            vectors: All documents' vectors, for the exact answer.
            least: The recall to reach, of the exact ten best.

        Raises:
            DataError: It is not reached.
        """
        if self.graph is None or not len(queries):
            return self
        exact, _ = best(np.asarray(queries, np.float32), vectors, BEST)
        recall = 0.0
        for width in SEARCHES:
            self.graph.hnsw.efSearch = width
            places, _ = self.nearest(queries, BEST)
            hits = [len({*one} & {*other}) for one, other in zip(exact, places, strict=True)]
            recall = float(np.sum(hits) / max(1, exact.size))
            if recall >= least:
                break
        if recall < least:
            raise DataError(
                f"The approximate index finds {recall:.4f} of the exact ten best documents of "
                f"{len(queries):,} validation queries; task.matching.min_recall asks {least:g}.",
                "Lower task.matching.min_recall, or set task.matching.index: exact.",
            )
        told = replace(
            self.record, search=width, recall=round(recall, 6), recall_queries=len(queries)
        )
        return replace(self, record=told)

    def write_with(
        self,
        folder: Path,
        more: Sequence[Document],
        vectors: Vectors,
        settings: Matching | None = None,
    ) -> Record:
        """Writes the files of an index that has more documents behind its own; this one stays.

        An exact index that grows beyond EXACT_UP_TO becomes an approximate one where the spec leaves
        that open; it searches as widely as finds `min_recall` of what is near to some of its own
        documents.

        Args:
            folder: Where the files go.
            more: What is new.
            vectors: Of it, (new, width).
            settings: The spec's; None: the kind stays.

        Returns:
            What index.json says.

        Raises:
            DataError: The recall is not reached.
        """
        self.documents.write(folder, more)
        count = len(self.documents) + len(more)
        grown = replace(self.record, documents=count, added=self.record.added + len(more))
        if self.graph is None:
            assert self.vectors is not None
            every = np.concatenate([self.vectors, vectors])
            made = Index(self.documents, grown, every)
            if settings is not None and settings.index == "auto" and count > EXACT_UP_TO:
                made = replace(Index.of(self.documents, every, "approximate"), record=grown)
                made = made.searched(every[:: -(-count // TRIED)], every, settings.min_recall)
                made = replace(made, record=replace(made.record, kind="approximate"))
        else:
            graph = _faiss().clone_index(self.graph)
            graph.add(np.ascontiguousarray(vectors, np.float32))
            made = Index(self.documents, grown, graph=graph)
        made._save_vectors(folder)
        INDEX.write(folder, made.record)
        return made.record

    def _save_vectors(self, folder: Path) -> None:
        if self.graph is None:
            assert self.vectors is not None
            np.save(folder / VECTORS, self.vectors)
        else:
            _faiss().write_index(self.graph, str(folder / GRAPH))

    def _first_scores(
        self, queries: Vectors, own: Sequence[Sequence[int]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best score of each query, and the best of documents that are not its own."""
        if not len(queries):
            return np.zeros(0), np.zeros(0)
        places, scores = self.nearest(queries, 1 + max(map(len, own), default=0))
        without = np.full(len(queries), -1.0)
        for row, mine in enumerate(own):
            others = scores[row][~np.isin(places[row], list(mine))]
            if len(others):
                without[row] = others[0]
        return scores[:, 0].astype(float), without


def _between(found: np.ndarray, without: np.ndarray) -> float:
    """The score that tells two samples apart best: most of one above it and of the other below it.

    Youden's index (1950), and of equal ones the middle of the gap.
    """
    values = np.unique(np.concatenate([found, without]))
    edges = np.concatenate([values[:1] - 1e-3, (values[1:] + values[:-1]) / 2])
    above = 1 - np.searchsorted(np.sort(found), edges) / len(found)
    below = np.searchsorted(np.sort(without), edges) / len(without)
    return round(float(edges[int(np.argmax(above + below))]), 6)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise EnvironmentFault(
            "An approximate index needs faiss, which is not installed.",
            "Install faiss-cpu, or set task.matching.index: exact.",
        ) from None
    return faiss


def _read_graph(file: Path, fix: str) -> Any:
    faiss = _faiss()
    try:
        return faiss.read_index(str(file))
    except RuntimeError as error:
        raise ArtifactError(f"{file} cannot be read: {str(error)[-200:]}", fix) from None
