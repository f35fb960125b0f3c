"""Rows as tf.Example: what the data say, what the tokenizer makes of them, and text-aware features.

    id, source, text | text_a, text_b | tokens, label | score, extra columns
    input_ids, type_ids, length      as in the tokens artifact (docs/artifacts.md)
    position                         place of the row in its split of the tokens artifact
    tags.pieces                      tagging: a tag a piece, "" where no word begins
    read_words                       tagging: index of each word that has a piece
    score.exact                      regression: all digits; a tf.Example holds 32-bit floats
    row.words, row.characters        lengths of the text
    row.fit                          "whole", or "cut" where the row is longer than what is read of it
    row.pieces                       "known" or "unknown", one a piece without the marks

Labels and tags are lists under the name that a single label has. `row.fit` and `row.pieces` are made
so that a schema can bound the share of cut rows and of unknown tokens: with
`distribution_constraints.min_domain_mass`, see `constraints.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from bertworks.data.validation.profile.words import split_words
from bertworks.spec import Task, Transform
from bertworks.tasks import for_task, form_of
from bertworks.text.encode import encode, encode_corpus
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.windows import most_tokens
from components.transform.shards import CORPUS, Shard, read

FIT = "row.fit"
PIECES = "row.pieces"
WORDS = "row.words"
CHARACTERS = "row.characters"
POSITION = "position"
PIECE_TAGS = "tags.pieces"
EXACT_SCORE = "score.exact"
LABEL = "label"
READ_WORDS = "read_words"
_SHARD_BITS = 32


def tf_examples(
    shard: Shard, task: Task, settings: Transform, tokenizer: Tokenizer
) -> Iterator[bytes]:
    """The rows of a shard in the order of the tokens artifact, as serialized tf.Examples.

    That order is by length inside a shard, as `components.transform.shards.finish_shard` leaves it;
    `position` keeps it, since Beam does not.
    """
    batches = list(read(shard, settings.batch_rows))
    if not batches:
        return
    if shard.split == CORPUS:
        encoded = [encode_corpus(tokenizer, batch)[0] for batch in batches]
    else:
        encoded = [encode(task, tokenizer, batch)[0] for batch in batches]
    table = pa.Table.from_batches(encoded)
    order = np.argsort(table.column("length").to_numpy(), kind="stable")
    lists: dict[str, list[Any]] = table.take(pa.array(order)).to_pydict()
    if shard.split != CORPUS:
        plain = pa.Table.from_batches(batches)
        lists = _named(lists, task) | _of_text(plain, task).take(pa.array(order)).to_pydict()
        lists |= _marks(lists, task, tokenizer)
        target = for_task(task).target
        if not target.numeric:
            lists[LABEL] = lists.pop(target.column)
    first = shard.number << _SHARD_BITS
    for row in range(len(order)):
        features = {name: values[row] for name, values in lists.items()}
        yield _serialized({**features, POSITION: first + row})


def target_feature(task: Task) -> str:
    """The feature that holds what is to be learned."""
    target = for_task(task).target
    return target.column if target.numeric else LABEL


def parsed(record: bytes) -> dict[str, list[Any]]:
    """The features of a serialized tf.Example as lists; bytes are read as UTF-8."""
    found: dict[str, list[Any]] = {}
    for name, feature in tf.train.Example.FromString(record).features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = [value.decode() for value in values] if kind == "bytes_list" else values
    return found


def _of_text(plain: pa.Table, task: Task) -> pa.Table:
    """The columns as they were read, and the lengths of the text."""
    form, target = form_of(task), for_task(task).target
    fields = [
        pc.binary_join(plain.column(name), " ")
        if pa.types.is_list(plain.schema.field(name).type)
        else plain.column(name)
        for name in form.columns
    ]
    text = fields[0] if len(fields) == 1 else pc.binary_join_element_wise(*fields, " ")
    words = split_words(text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text)
    table = plain.append_column(WORDS, pa.array(words.lengths, pa.int64()))
    table = table.append_column(CHARACTERS, pc.cast(pc.utf8_length(text), pa.int64()))
    if target.numeric:
        scores = plain.column(target.column).to_pylist()
        exact = pa.array([repr(score) for score in scores], pa.string())
        table = table.append_column(EXACT_SCORE, exact)
    return table


def _named(encoded: dict[str, list[Any]], task: Task) -> dict[str, list[Any]]:
    """The encoder's columns; of the labels only the tags, which it puts on pieces."""
    names = ("input_ids", "type_ids", "length")
    kept: dict[str, list[Any]] = {name: encoded[name] for name in names if name in encoded}
    target = for_task(task).target
    if target.per_word:
        kept[READ_WORDS] = encoded[READ_WORDS]
        kept[PIECE_TAGS] = [[tag or "" for tag in tags] for tags in encoded[target.column]]
    return kept


def _marks(lists: dict[str, list[Any]], task: Task, tokenizer: Tokenizer) -> dict[str, list[Any]]:
    special = tokenizer.special
    marks = {special.cls, special.sep}
    pieces = [
        ["unknown" if one == special.unk else "known" for one in ids if one not in marks]
        for ids in lists["input_ids"]
    ]
    cut = [
        length >= most_tokens(task) and whole > length
        for length, whole in zip(lists["length"], _whole(lists, task, tokenizer), strict=True)
    ]
    return {PIECES: pieces, FIT: ["cut" if one else "whole" for one in cut]}


def _whole(lists: dict[str, list[Any]], task: Task, tokenizer: Tokenizer) -> list[int]:
    """The tokens that each row would have if none were cut; counted only where it may be cut."""
    lengths: list[int] = list(lists["length"])
    full = [row for row, length in enumerate(lengths) if length >= most_tokens(task)]
    if not full:
        return lengths
    form = form_of(task)
    texts = {name: [lists[name][row] for row in full] for name in form.columns}
    counts = form.whole_lengths(tokenizer, texts)
    for row, count in zip(full, counts, strict=True):
        lengths[row] = count
    return lengths


def _serialized(values: Mapping[str, object]) -> bytes:
    features = {name: _feature(value) for name, value in values.items() if value is not None}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def _feature(value: Any) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], str):
        coded = [one.encode("utf-8") for one in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=coded))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
