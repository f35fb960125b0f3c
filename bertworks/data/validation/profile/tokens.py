"""Counts tokens of a sample of rows with the tokenizer that training and serving use."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from bertworks.data.validation.profile.rows import ExamplesBatch
from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import form_of
from bertworks.text.tokenizer import for_words
from bertworks.text.windows import most_tokens

SAMPLE_ROWS = 2_000
"""Rows a split that are tokenized: ordered by a hash, so that the first ones are a fair sample."""

_KEPT_IDS = 20
_MAX_CHARACTERS = 20_000  # far more than 512 tokens; keeps a 1 MB row from taking a second


@dataclass
class TokenCounts:
    """What the tokenizer made of the sampled rows.

    Attributes:
        rows: Rows that were tokenized.
        too_long: Rows with more tokens than are read (task.max_length, or all windows together).
        tokens: All tokens without the special ones.
        unknown: Those of them that are the unknown token.
        too_long_rows: Id to tokens, for rows that are too long.
        unknown_rows: Id to unknown tokens, for rows that have some.
        blind: Rows with text but without a single known token: all of them look the same to the model.
        blind_rows: Ids of the first of them.
    """

    rows: int = 0
    too_long: int = 0
    tokens: int = 0
    unknown: int = 0
    too_long_rows: Counter[str] = field(default_factory=Counter)
    unknown_rows: Counter[str] = field(default_factory=Counter)
    blind: int = 0
    blind_rows: list[str] = field(default_factory=list)


class TokenCounter:
    """Tokenizes the first rows of each split.

    Raises:
        ArtifactError: The base's tokenizer.json is missing or no tokenizer.
    """

    def __init__(self, base: Artifact, task: Task, sample_rows: int = SAMPLE_ROWS) -> None:
        file = base / "tokenizer.json"
        try:
            text = file.read_text(encoding="utf-8")
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the tokenizers library raises nothing more precise
            raise ArtifactError(
                f"{file} cannot be read as a tokenizer: {error}.",
                "Use a base whose tokenizer.json the tokenizers library can read.",
            ) from None
        self._form, self._sample_rows, self._most = form_of(task), sample_rows, most_tokens(task)
        if self._form.pretokenized:
            self._tokenizer = for_words(self._tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        model = json.loads(text)["model"]
        unknown = model.get("unk_token")
        self._unknown = self._tokenizer.token_to_id(unknown) if unknown else model.get("unk_id")
        self._special = self._tokenizer.num_special_tokens_to_add(self._form.two_texts)
        self.counts = TokenCounts()

    def add(self, batch: ExamplesBatch) -> list[int]:
        """Counts the batch's rows that belong to the sample; returns their lengths in tokens."""
        rows = max(0, min(self._sample_rows - batch.first, len(batch)))
        if not rows:
            return []
        lengths = []
        ids = batch.ids.slice(0, rows).to_pylist()
        encodings = self._tokenizer.encode_batch_fast(
            self._form.tokenizer_inputs(batch.columns, rows, _MAX_CHARACTERS),
            is_pretokenized=self._form.pretokenized,
        )
        texts = batch.text.slice(0, rows).to_pylist()
        for row, text, encoding in zip(ids, texts, encodings, strict=True):
            tokens = encoding.ids
            lengths.append(len(tokens))
            self.counts.tokens += len(tokens) - self._special
            if len(tokens) > self._most:
                self.counts.too_long += 1
                self.counts.too_long_rows[row] = len(tokens)
            unknown = tokens.count(self._unknown) if self._unknown is not None else 0
            if unknown:
                self.counts.unknown += unknown
                self.counts.unknown_rows[row] = unknown
            if len(tokens) - self._special <= unknown and text.strip():
                self.counts.blind += 1
                self.counts.blind_rows += [row] if len(self.counts.blind_rows) < _KEPT_IDS else []
        self.counts.rows += rows
        return lengths
