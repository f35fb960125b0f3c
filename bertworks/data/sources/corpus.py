"""Unlabelled text for pretraining: the corpus sources and the training rows' text, merged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bertworks.contracts.examples import CORPUS, Example
from bertworks.contracts.examples import Corpus as Texts
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.shards import CORPUS_SCHEMA, ShardWriter
from bertworks.data.rows.spill import Spill
from bertworks.data.rows.split import content_id
from bertworks.spec import Corpus
from bertworks.tasks.forms.form import RowForm


class CorpusWriter:
    """Gathers texts and writes the corpus artifact's files.

    A text that stands in the validation or test split is left out, wherever else it stands, so that
    no measure is taken on text that the encoder was pretrained on.

    Args:
        corpus: The spec's section.
        scratch: An empty folder for rows on their way.
        form: The form of the labelled rows.
    """

    def __init__(self, corpus: Corpus, scratch: Path, form: RowForm) -> None:
        self._corpus, self._form = corpus, form
        self._spill = Spill(scratch)

    def take(self, split: str, row: Example) -> None:
        """Takes the texts of a labelled row: for the corpus, or to be kept out of it."""
        for text in self._form.corpus_texts(row):
            if split != "train":
                self._spill.add({"id": content_id(text), "held_out": True})
            elif self._corpus.include_training_text:
                self._spill.add({"id": content_id(text), "text": text})

    def write(self, folder: Path, reader: Reader, max_rejected: float) -> Texts:
        """Reads the corpus sources and writes shards and info.json, which it returns.

        Raises:
            SourceError: A source cannot be fetched, or is not what was pinned.
            DataError: A source has no rows, or too many of its rows were rejected.
        """
        for found in reader.examples(self._corpus.sources):
            self._spill.add(found.example)
        reader.log.check(reader.read, reader.rejected, max_rejected, "corpus.sources")
        counts: Counter[str] = Counter()
        limit = self._corpus.max_rows
        with ShardWriter(folder, CORPUS_SCHEMA) as writer:
            for group in self._spill.groups():
                if any("held_out" in record for record in group):
                    counts["held_out"] += sum("text" in record for record in group)
                elif limit is None or writer.rows < limit:
                    counts["duplicates"] += len(group) - 1
                    writer.add(group[0])
                else:
                    counts["left_out"] += 1
        info = Texts(
            rows=writer.rows,
            duplicates=counts["duplicates"],
            held_out=counts["held_out"],
            left_out=counts["left_out"],
            rejected=reader.rejected,
            sources=reader.sources,
        )
        CORPUS.write(folder, info)
        return info
