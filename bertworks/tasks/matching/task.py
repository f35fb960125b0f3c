"""A text's vector, and the documents whose vectors are nearest; "logits" are vectors of length 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bertworks.contracts.index import INDEX
from bertworks.contracts.index import Index as Record
from bertworks.errors import ArtifactError
from bertworks.models.config import Head
from bertworks.spec import Matching as Settings
from bertworks.spec import Task
from bertworks.tasks.handler import Answer, Columns, Logits, TaskHandler, Vectors
from bertworks.tasks.matching.index import Index
from bertworks.tasks.matching.scores import DEPTH
from bertworks.tasks.matching.searching import best
from bertworks.tasks.matching.target import DocumentsTarget, is_document, numbers_of
from bertworks.tasks.predictions import Predictions

if TYPE_CHECKING:
    from bertworks.contracts.examples import Example
    from bertworks.tasks.matching.losses import RankingLosses
    from bertworks.tasks.scores import Scores


class Match(TypedDict):
    """A document, the cosine of its vector and the text's, and whether that is enough."""

    id: str
    text: str
    score: float
    fits: bool


class MatchAnswer(TypedDict):
    """The nearest documents; the id of the first one, "" where none fits; and its cosine."""

    document: str
    score: float
    documents: list[Match]


class Matching(TaskHandler):
    """Documents."""

    target = DocumentsTarget()
    answer_type = MatchAnswer
    given = "document"
    tensors = (("document", "BYTES"), ("score", "FP64"))

    def __init__(
        self,
        task: Task,
        labels: Sequence[str] = (),
        score: Mapping[str, float] | None = None,
        metric: str | None = None,
        index: Index | None = None,
    ) -> None:
        super().__init__(task, labels, score, metric)
        self.settings = task.matching or Settings()
        self.index = index

    def example(self, reader: Any, columns: Any, values: Mapping[str, Any]) -> Example:
        """The text of a row and its document, both cleaned."""
        text = self.form.read(reader, columns, values)
        return {**text, **self.target.read(reader, columns, values)}

    def head(self) -> Head:
        """The text's vector."""
        return Head("vector", pooling=self.settings.pooling)

    @property
    def outputs(self) -> int | None:
        """As the encoder's width."""
        return None

    @property
    def usual(self) -> float:
        """Of a vector of length 1."""
        width = self.index.record.width if self.index else 384
        return float(width**-0.5)

    @property
    def losses(self) -> RankingLosses:
        """Multiple negatives ranking."""
        from bertworks.tasks.matching.losses import RankingLosses

        return RankingLosses(self.settings.scale)

    @property
    def negatives(self) -> int:
        """Hard negatives of each query."""
        return self.settings.negatives

    # With documents

    def opened(self, folder: Path) -> Matching:
        """The same with the index of a bundle; as it is where the folder has none: a model."""
        return self.finding(Index.load(folder)) if (folder / INDEX.name).is_file() else self

    def knowing(self, labels: Sequence[str]) -> Matching:
        """The same: there are no labels."""
        return self

    def finding(self, index: Index) -> Matching:
        """The same with an index."""
        return Matching(self.task, self.labels, self.score, self.default_metric, index)

    def equipped(self, tokens: Path, vectors: Vectors) -> Matching:
        """The same with the documents of a tokens artifact, compared one by one."""
        if self.index is not None:
            return self
        from bertworks.tasks.matching.tokens import read

        found = read(tokens)
        return self.finding(Index.of(found.documents, _rows(vectors(list(found.ids)))))

    def beside_mb(self, tokens: Path, width: int) -> float:
        """Vectors and documents."""
        from bertworks.tasks.matching.tokens import sizes

        count, texts = sizes(tokens)
        return (count * 4 * width + texts) / 1e6

    def complete(
        self, folder: Path, tokens: Path, vectors: Vectors, targets: Any, logits: Logits, graph: str
    ) -> list[str]:
        """Writes documents, vectors and index.json; the threshold is chosen on the validation rows."""
        from bertworks.tasks.matching.tokens import read

        found = read(tokens)
        made = _rows(vectors(list(found.ids)))
        columns, asked = self.on_tokens(targets, logits)
        place = {number: row for row, number in enumerate(numbers_of(found.documents.places))}
        own = [[place[number] for number in row] for row in columns["truth"]]
        queries, settings = _rows(asked), self.settings
        index = Index.of(found.documents, made, settings.index)
        index = index.searched(queries, made, settings.min_recall)
        index = index.with_threshold(queries, own, settings.threshold)
        index = replace(index, record=replace(index.record, graph=graph))
        index.save(folder)
        return [told(index.record)]

    @property
    def _index(self) -> Index:
        if self.index is None:
            raise ArtifactError(
                "This model knows no documents: they are in the bundle that the quantize step makes.",
                "Ask the bundle.",
            )
        return self.index

    # Answers

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[MatchAnswer]:
        """The nearest documents of each row."""
        index = self._index
        least = index.record.threshold.value
        places, scores = index.nearest(_rows(logits), self.settings.top)
        answers: list[MatchAnswer] = []
        for found, near in zip(places.tolist(), scores.tolist(), strict=True):
            documents: list[Match] = []
            for place, score in zip(found, near, strict=True):
                one = index.documents[place]
                fits = least is None or score >= least
                rounded = round(min(score, 1.0), 6)
                documents.append({"id": one.id, "text": one.text, "score": rounded, "fits": fits})
            first = documents[0] if documents else None
            answers.append(
                {
                    "document": first["id"] if first and first["fits"] else "",
                    "score": first["score"] if first else 0.0,
                    "documents": documents,
                }
            )
        return answers

    def is_right(self, answer: Answer, truth: Any) -> bool:
        """Whether the first document that fits is one of those that are right."""
        wanted = [truth] if isinstance(truth, str) else truth
        return isinstance(wanted, list) and answer["document"] in wanted

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """Rankings, as deep as they are scored.

        Args:
            rows: `id` and `truth`; and `numbers` and `vectors` of the documents to find among, or none,
                where the index's are meant.
            logits: The queries' vectors.
        """
        queries = _rows(logits)
        if "vectors" in rows:
            names: Any = rows["numbers"]
            places, scores = best(queries, _rows(rows["vectors"]), DEPTH)
        else:
            names = [one.id for one in self._index.documents]
            places, scores = self._index.nearest(queries, DEPTH)
        rankings = [[names[place] for place in row] for row in places.tolist()]
        return Predictions(
            self.task, [], list(rows["id"]), list(rows["truth"]), rankings, scores.astype(float),
            of=self,
        )  # fmt: skip

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Rankings of answers."""
        given = [[one["id"] for one in answer["documents"]] for answer in answers]
        scores = [[one["score"] for one in answer["documents"]] for answer in answers]
        ids = [str(row) for row in range(len(truth))]
        return Predictions(self.task, [], ids, list(truth), given, scores, of=self)

    def on_tokens(self, targets: Any, logits: Logits) -> tuple[dict[str, list[Any]], Logits]:
        """Queries, and beside them the documents among the rows."""
        rows = [np.asarray(targets[row]) for row in range(len(logits))]
        queries = [place for place, row in enumerate(rows) if not is_document(row)]
        documents = [place for place, row in enumerate(rows) if is_document(row)]
        columns = {
            "asked": queries,
            "truth": [rows[place].tolist() for place in queries],
            "numbers": [int(~rows[place][0]) for place in documents],
            "vectors": [logits[place] for place in documents],
        }
        return columns, [logits[place] for place in queries]

    def answers_on_tokens(self, targets: Any, logits: Logits) -> Sequence[Answer]:
        """How near the nearest document is: all that is counted of answers that have no labels."""
        columns, queries = self.on_tokens(targets, logits)
        _, scores = best(_rows(queries), _rows(columns["vectors"]), 1)
        return [{"score": float(row[0])} for row in scores if len(row)]

    # How good

    @cached_property
    def scores(self) -> Scores:
        """Recall, MRR and nDCG."""
        from bertworks.tasks.matching.scores import RankingScores

        return RankingScores(self.index.documents if self.index else None)

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """BM25 over the documents; nothing is learned from the training rows."""
        from bertworks.tasks.matching.floor import rankings

        documents = self._index.documents
        ids, texts = zip(*((one.id, one.text) for one in documents), strict=True)
        return [[ids[place] for place in row] for row in rankings(texts, test["text"], DEPTH)]


def told(record: Record) -> str:
    """What an index is, in words."""
    kind = f"{record.documents:,} documents in an {record.kind} index"
    if record.recall is not None:
        kind += f" (recall at 10 {record.recall:.4f} of the exact one's, efSearch {record.search})"
    threshold = record.threshold
    if threshold.value is None:
        return f"{kind}; the nearest one always fits"
    return (
        f"{kind}; one fits from a cosine of {threshold.value:.4f} on: {threshold.answered:.1%} of "
        f"{threshold.queries:,} validation queries are answered, and {threshold.refused:.1%} of them "
        "would be refused if their own documents were not there (task.matching.threshold)"
    )


def _rows(vectors: Logits) -> np.ndarray:
    """Vectors as one array, (rows, width)."""
    if not len(vectors):
        return np.zeros((0, 1), np.float32)
    return np.asarray(np.stack(list(vectors)), np.float32)
