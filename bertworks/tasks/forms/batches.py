"""Arrow columns of text to columns of token ids, a batch at a time. Needs pyarrow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.spec import Task
from bertworks.tasks.forms.form import Pieces
from bertworks.text.alignment import first_pieces
from bertworks.text.ragged import Integers, Ragged, ends, join
from bertworks.text.tokenizer import NO_WORD, Tokenizer
from bertworks.text.windows import most_tokens


def text_pieces(task: Task, tokenizer: Tokenizer, texts: pa.Array) -> Pieces:
    """One text a row."""
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    found = tokenizer.chunks.texts(texts)
    keep = np.minimum(found.lengths, most_tokens(task) - 2)
    columns = id_columns(join([cls, found.cut(keep), sep]))
    return Pieces(columns, int((keep < found.lengths).sum()))


def pair_pieces(task: Task, tokenizer: Tokenizer, firsts: pa.Array, seconds: pa.Array) -> Pieces:
    """Two texts a row."""
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    template = tokenizer.template
    first, second = tokenizer.chunks.texts(firsts), tokenizer.chunks.texts(seconds)
    limit = task.max_length - template.marks
    keep_first, keep_second = longest_first_batch(first.lengths, second.lengths, limit)
    between = [sep] * template.seps
    columns = id_columns(join([cls, first.cut(keep_first), *between, second.cut(keep_second), sep]))
    columns["type_ids"] = _types(tokenizer, keep_first, keep_second)
    return Pieces(columns, int((first.lengths + second.lengths > limit).sum()))


def word_pieces(task: Task, tokenizer: Tokenizer, lists: pa.Array) -> Pieces:
    """A list of words a row."""
    pieces, words = tokenizer.chunks.words(lists)
    keep = np.minimum(pieces.lengths, most_tokens(task) - 2)
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    index = join([NO_WORD, words.cut(keep), NO_WORD])
    begins = first_pieces(index.values)
    columns = id_columns(join([cls, pieces.cut(keep), sep]))
    read = {"read_words": index.keep(begins).lists()}
    return Pieces(columns, int((keep < pieces.lengths).sum()), read, index, begins)


def turn_pieces(task: Task, tokenizer: Tokenizer, turns: pa.Array, before: pa.Array) -> Pieces:
    """A list of words a row, and the text that was said before, of which the beginning that fits."""
    cls, sep, template = tokenizer.special.cls, tokenizer.special.sep, tokenizer.template
    pieces, words = tokenizer.chunks.words(turns)
    context = tokenizer.chunks.texts(before)
    limit = task.max_length - template.marks
    keep = np.minimum(pieces.lengths, limit)
    rest = np.minimum(context.lengths, limit - keep)
    between = [sep] * template.seps
    columns = id_columns(join([cls, pieces.cut(keep), *between, context.cut(rest), sep]))
    columns["type_ids"] = _types(tokenizer, keep, rest)
    beside = np.full(int(rest.sum()) + len(rest) * (template.seps + 1), NO_WORD, np.int32)
    index = join([NO_WORD, words.cut(keep), Ragged(beside, ends(rest + template.seps + 1))])
    begins = first_pieces(index.values)
    read = {"read_words": index.keep(begins).lists()}
    cut = int((pieces.lengths + context.lengths > limit).sum())
    return Pieces(columns, cut, read, index, begins)


def _types(tokenizer: Tokenizer, first: Integers, second: Integers) -> pa.Array:
    """Token types of two texts a row, of which so many pieces are kept."""
    template = tokenizer.template
    sides = np.stack([first + 1 + template.seps, second + 1], axis=1)
    kinds = np.array([0, template.second_type], np.int32)
    types = np.repeat(np.tile(kinds, len(sides)), sides.ravel())
    return Ragged(types, ends(sides.sum(axis=1))).lists(np.int8)


def with_whole(pieces: Pieces) -> Pieces:
    """Rows of words whose first token is read as place 0, before the words, which move up by one."""
    if pieces.words is None:
        raise ValueError("Only rows of words are read by places.")
    read = pieces.words.keep(pieces.begins)
    places = join([0, Ragged(read.values + 1, read.offsets)])
    return dataclasses.replace(pieces, after={**pieces.after, "read_words": places.lists()})


def longest_first_batch(first: Integers, second: Integers, limit: int) -> tuple[Integers, Integers]:
    """`tokenizer.longest_first` for every pair of lengths."""
    shorter = np.minimum(first, second)
    kept_shorter = np.minimum(shorter, limit // 2)
    kept_longer = np.minimum(np.maximum(first, second), limit - kept_shorter)
    longer_first = first > second
    return (
        np.where(longer_first, kept_longer, kept_shorter),
        np.where(longer_first, kept_shorter, kept_longer),
    )


def id_columns(ids: Ragged) -> dict[str, pa.Array]:
    """input_ids, and length."""
    column = ids.lists()
    return {"input_ids": column, "length": pc.list_value_length(column)}
