"""Long texts in overlapping windows: every piece is answered once, wherever a text is read."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bertworks.spec import Task
from bertworks.text.encode import encode, number_labels
from bertworks.text.ragged import Ragged
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.windows import combine, most_tokens, split, windows
from bertworks.text.wordpiece import train
from bertworks.training.rows import LabelledRows

LENGTHS = st.integers(8, 512)


@given(st.integers(0, 3000), LENGTHS)
@settings(max_examples=200, deadline=None)
def test_windows_cover_a_text_and_share_a_quarter(pieces, max_length):
    room = max_length - 2
    found = windows(pieces, max_length)
    assert found[0].start == found[0].first == 0 and found[-1].end == found[-1].last == pieces
    for here, after in zip(found, found[1:], strict=False):
        assert here.last == after.first  # each piece is answered once
        assert here.end - after.start >= room // 4
        # From where it has the more context on its shorter side.
        assert abs((here.end - here.last) - (after.first - after.start)) <= 1
    for one in found:
        assert one.start <= one.first <= one.last <= one.end <= one.start + room
        assert one.end - one.start == min(room, pieces)


@given(LENGTHS, st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_the_limit_of_windows_is_kept(max_length, most):
    task = Task(max_length=max_length, long_text="windows", max_windows=most)
    assert len(windows(most_tokens(task) - 2, max_length)) == most
    assert len(windows(most_tokens(task) - 1, max_length)) == most + 1


def test_which_tasks_have_windows():
    assert Task(type="tagging").long_text == "windows" and Task().long_text == "cut"
    assert Task(type="tagging", long_text="cut").long_text == "cut"
    assert most_tokens(Task(max_length=50)) == 50
    dumped = Task(type="tagging").model_dump(mode="json")
    assert Task.model_validate(dumped).long_text == "windows"
    with pytest.raises(ValidationError, match="long_text: windows.*pair"):
        Task(pair=True, long_text="windows")


@given(st.lists(st.integers(0, 90), max_size=6), st.integers(8, 20))
@settings(max_examples=100, deadline=None)
def test_the_answers_of_windows_are_put_together(lengths, max_length):
    rows = [[1, *range(10, 10 + length), 2] for length in lengths]
    parts, counts = split(rows, max_length)
    assert len(parts) == sum(counts)
    assert all(part[0] == 1 and part[-1] == 2 and len(part) <= max_length for part in parts)
    answers = [np.array(part, np.float32)[:, np.newaxis] for part in parts]  # each says its own id
    joined = combine(answers, [len(row) for row in rows], max_length)
    assert [answer[:, 0].tolist() for answer in joined] == rows
    means = combine([answer.mean(axis=0) for answer in answers], [*map(len, rows)], max_length)
    at = 0
    for mean, count in zip(means, counts, strict=True):
        own = [answer.mean() for answer in answers[at : at + count]]
        assert mean.shape == (1,) and mean[0] == pytest.approx(np.mean(own), rel=1e-5)
        at += count


WORDS = ["paris", "ada", "went", "to", "and"]


def tagged(count, task):
    """A row of words of which only the last five are entities, encoded as the transform step does."""
    tokenizer = Tokenizer(train([" ".join(WORDS)] * 3, 80, True))
    words = [WORDS[place % 5] for place in range(count)]
    tags = ["O"] * (count - 5) + ["B-LOC"] * 5
    batch = pa.RecordBatch.from_pylist([{"id": "1", "tokens": words, "tags": tags}])
    encoded, counts = encode(task, tokenizer, batch)
    table, unknown = number_labels(task, pa.Table.from_batches([encoded]), ["O", "B-LOC"])
    assert not unknown
    row = {name: table.column(name).to_pylist()[0] for name in table.column_names}
    assert counts["windowed"] == (row["length"] > task.max_length)
    read = LabelledRows(
        ["1"], Ragged.of([row["input_ids"]]), None, Ragged.of([row["tags"]]),
        (Ragged.of([row["word_tags"]]), Ragged.of([row["read_words"]])),
    )  # fmt: skip
    return read, counts["truncated"]


def test_tags_in_the_tail_are_trained_on_once_each():
    task = Task(type="tagging", max_length=16, max_windows=40)
    rows, cut = tagged(90, task)
    assert not cut and rows.lengths[0] >= 92
    parts = rows.windowed(task.max_length)
    assert len(parts) > 5 and parts.lengths.max() == 16
    learned = parts.targets.values[parts.targets.values >= 0]
    assert len(learned) == 90 and (learned == 1).sum() == 5
    # What is scored is the text again.
    (truth,) = parts.truth
    assert truth.tags.tolist() == [0] * 85 + [1] * 5
    logits = [np.eye(2)[np.maximum(parts.targets[part], 0)] for part in range(len(parts))]
    (answer,) = parts.combine(logits)
    assert answer[truth.starts].argmax(axis=1).tolist() == truth.tags.tolist()


def test_a_tail_that_is_cut_is_counted_and_missed():
    task = Task(type="tagging", max_length=16, long_text="cut")
    rows, cut = tagged(90, task)
    assert cut == 1 and rows.windowed(16) is rows
    (truth,) = rows.truth
    assert len(truth.tags) == 90 and len(truth.starts) == len(truth.words) < 16


def test_a_window_of_another_task_has_its_texts_target():
    ids = [[1, *range(10, 10 + length), 2] for length in (3, 40, 14)]
    rows = LabelledRows(["a", "b", "c"], Ragged.of(ids), None, np.array([0, 1, 2]))
    parts = rows.windowed(16)
    assert parts.ids == ["a", *["b"] * (len(parts) - 2), "c"]
    assert parts.targets.tolist() == [0, *[1] * (len(parts) - 2), 2]
    assert parts.truth.tolist() == [0, 1, 2]
    assert rows.take(np.array([2, 0])).targets.tolist() == [2, 0]
