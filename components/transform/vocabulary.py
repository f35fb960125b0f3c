"""A vocabulary of one's own, for an encoder from scratch."""

from __future__ import annotations

from collections.abc import Iterator

from bertworks import progress
from bertworks.spec import Scratch, Task
from bertworks.tasks import form_of
from bertworks.text.tokenizer import Tokenizer
from components.transform.shards import CORPUS, Shard, read

BATCH_ROWS = 1000


def train_tokenizer(scratch: Scratch, task: Task, shards: list[Shard]) -> Tokenizer:
    """Trains a WordPiece vocabulary from the corpus; from the train split when there is none.

    The corpus holds the training rows' text as well, unless the spec leaves it out.

    Raises:
        DataError: Neither holds any text.
    """
    from bertworks.text.wordpiece import train

    corpus = [shard for shard in shards if shard.split == CORPUS and shard.rows]
    used = corpus or [shard for shard in shards if shard.split == "train"]
    with progress.stage(
        "training the vocabulary", sum(shard.rows for shard in used), "rows"
    ) as stage:
        texts = _texts(task, used, stage)
        return Tokenizer(train(texts, scratch.vocab_size, scratch.lowercase), "the new vocabulary")


def _texts(task: Task, shards: list[Shard], stage: progress.Stage) -> Iterator[str]:
    """All texts of the shards, one after the other."""
    for shard in shards:
        names = ("text",) if shard.split == CORPUS else form_of(task).columns
        for batch in read(shard, BATCH_ROWS):
            for name in names:
                for text in batch.column(name).to_pylist():
                    yield text if isinstance(text, str) else " ".join(text)
            stage.advance(batch.num_rows)
