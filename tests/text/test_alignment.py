"""Tags on words and tags on pieces."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.forms.form import Pieces
from bertworks.tasks.tagging.target import TagsTarget, truth_of
from bertworks.text.alignment import IGNORE, first_pieces
from bertworks.text.ragged import Ragged

PIECES = st.lists(st.integers(0, 4), max_size=20)  # pieces of each word; 0: nothing is left of it


def _word_index(pieces: list[int]) -> list[int]:
    return [-1, *(word for word, count in enumerate(pieces) for _ in range(count)), -1]


def aligned_tags(words: list[int], tags: list[str], labels: list[str]) -> np.ndarray:
    """The tags of one row as training has them: a number for each piece."""
    index = Ragged.of([words])
    columns = {"input_ids": index.lists()}
    pieces = Pieces(columns, 0, words=index, begins=first_pieces(index.values))
    batch = pa.RecordBatch.from_pydict({"tags": pa.array([tags], pa.list_(pa.string()))})
    beside = pa.Table.from_pydict(TagsTarget().beside(batch, pieces))
    table, unknown = TagsTarget().number(beside, labels, None)
    assert not unknown
    return table.column("tags").combine_chunks().flatten().to_numpy()


@given(pieces=PIECES)
def test_each_word_with_pieces_keeps_its_tag(pieces: list[int]) -> None:
    words, tags = _word_index(pieces), list(range(len(pieces)))
    labels = [f"B-{tag}" for tag in tags]
    aligned = aligned_tags(words, labels, labels)
    assert aligned.dtype == np.int32 and len(aligned) == len(words)
    kept = [tag for tag, count in zip(tags, pieces, strict=True) if count]
    assert aligned[aligned != IGNORE].tolist() == kept
    assert aligned[0] == aligned[-1] == IGNORE


@given(pieces=PIECES)
def test_there_and_back(pieces: list[int]) -> None:
    words, tags = _word_index(pieces), [f"B-{number}" for number in range(len(pieces))]
    labels = ["O", *tags]
    aligned = aligned_tags(words, tags, labels)
    read = truth_of(aligned)
    rows = {
        "id": ["a"],
        "truth": [tags],
        "starts": [read.starts.tolist()],
        "kept": [np.asarray(words)[read.starts].tolist()],
    }
    logits = np.eye(len(labels))[np.maximum(aligned, 0)]
    back = for_task(Task(type="tagging"), labels).predictions(rows, [logits])
    wanted = [tag if count else "O" for tag, count in zip(tags, pieces, strict=True)]
    assert back.prediction == [wanted]


def test_first_pieces() -> None:
    assert first_pieces([-1, 0, 0, 2, 3, 3, -1]).tolist() == [
        False, True, False, True, True, False, False,
    ]  # fmt: skip
