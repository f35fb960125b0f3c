"""Rows as tf.Examples: token ids, order and the features that the schema bounds. Needs no tfx."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.spec import Task, Transform
from bertworks.text import wordpiece
from bertworks.text.encode import encode
from bertworks.text.tokenizer import Tokenizer
from components.transform.shards import CORPUS, Shard
from pipelines.tfx.steps import rows

SETTINGS = Transform(batch_rows=7)
WORDS = "the plot was lovely and moving but a cold dull end came"
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(wordpiece.train([WORDS] * 5, 80, True), "a test's")


def _shard(folder, table, number=0, split="train"):
    file = folder / f"{number}.parquet"
    pq.write_table(table, file)
    return Shard(split, number, (str(file),), 0, table.num_rows)


def _records(shard, task, tokenizer):
    return [rows.parsed(one) for one in rows.tf_examples(shard, task, SETTINGS, tokenizer)]


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_ids_and_order_are_those_of_the_transform_step(texts, tokenizer, tmp_path_factory):
    task = Task(max_length=16)
    names = [f"{number:016x}" for number in range(len(texts))]
    table = pa.table({"id": names, "text": texts, "label": ["a"] * len(texts)})
    shard = _shard(tmp_path_factory.mktemp("rows"), table, number=3)

    found = _records(shard, task, tokenizer)

    batch = table.combine_chunks().to_batches()[0]
    wanted = pa.Table.from_batches([encode(task, tokenizer, batch)[0]])
    wanted = wanted.take(pa.array(np.argsort(wanted["length"].to_numpy(), kind="stable")))
    assert [one["input_ids"] for one in found] == wanted["input_ids"].to_pylist()
    assert [one["id"][0] for one in found] == wanted["id"].to_pylist()
    assert [one["position"][0] for one in found] == [3 << 32 | row for row in range(len(texts))]
    assert [one["text"][0] for one in found] == [texts[names.index(one["id"][0])] for one in found]


def test_a_cut_row_and_unknown_pieces_are_marked(tokenizer, tmp_path):
    texts = ["the plot was lovely", "the plot жж", " ".join(["plot"] * 40), " ".join(["plot"] * 6)]
    table = pa.table({"id": list("abcd"), "text": texts, "label": ["x"] * 4})

    found = {
        one["id"][0]: one
        for one in _records(_shard(tmp_path, table), Task(max_length=8), tokenizer)
    }

    fits = {name: one[rows.FIT][0] for name, one in found.items()}
    assert fits == {"a": "whole", "b": "whole", "c": "cut", "d": "whole"}
    assert found["b"][rows.PIECES] == ["known", "known", "unknown"]
    assert found["a"][rows.WORDS] == [4]
    assert found["a"][rows.CHARACTERS] == [len(texts[0])]


def test_a_pair_is_cut_by_its_sum(tokenizer, tmp_path):
    table = pa.table(
        {
            "id": ["a", "b"],
            "text_a": ["plot"] * 2,
            "text_b": ["end", "end " * 9],
            "label": ["x"] * 2,
        }
    )

    found = _records(_shard(tmp_path, table), Task(pair=True, max_length=8), tokenizer)

    assert [one[rows.FIT][0] for one in found] == ["whole", "cut"]
    assert found[0]["type_ids"] == [0, 0, 0, 1, 1]


def test_tags_stand_on_first_pieces_and_words_stay(tokenizer, tmp_path):
    table = pa.table({"id": ["a"], "tokens": [["the", "ending"]], "tags": [["O", "B-END"]]})

    (found,) = _records(_shard(tmp_path, table), Task(type="tagging"), tokenizer)

    assert found["tokens"] == ["the", "ending"]
    assert found["label"] == ["O", "B-END"]
    assert [tag for tag in found[rows.PIECE_TAGS] if tag] == ["O", "B-END"]
    assert len(found[rows.PIECE_TAGS]) == len(found["input_ids"])


def test_a_score_keeps_all_its_digits(tokenizer, tmp_path):
    table = pa.table({"id": ["a"], "text": ["plot"], "score": [0.1234567890123456]})

    (found,) = _records(_shard(tmp_path, table), Task(type="regression"), tokenizer)

    assert float(found[rows.EXACT_SCORE][0]) == 0.1234567890123456
    assert found["score"][0] == np.float32(0.1234567890123456)


def test_the_corpus_has_no_marks_and_empty_shards_no_rows(tokenizer, tmp_path):
    table = pa.table({"id": ["a"], "text": ["the plot"]})

    (found,) = _records(_shard(tmp_path, table, split=CORPUS), Task(), tokenizer)

    assert tokenizer.special.cls not in found["input_ids"]
    assert len(found["words"]) == len(found["input_ids"])
    assert not _records(_shard(tmp_path, table.slice(0, 0), 1), Task(), tokenizer)
