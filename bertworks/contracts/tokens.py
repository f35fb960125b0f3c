"""What transform tells of the rows that it tokenized."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import OMIT, File
from bertworks.spec import Clean, Task


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the five marks.

    Attributes:
        pad: [PAD].
        unk: [UNK].
        cls: [CLS].
        sep: [SEP].
        mask: [MASK].
    """

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


@dataclass(frozen=True)
class Tokens:
    """info.json of tokens.

    Attributes:
        task: The spec's task.
        max_length: Tokens that are read at once.
        vocab_size: Of the tokenizer.
        special: Its marks.
        rows: Split to rows.
        labels: In the order of the code points; for tagging and understanding "O" is first, always.
        corpus_rows: Texts to pretrain on.
        length_quantiles: Tokens a training row: least, 25, 50, 75, 90 and 99 %, most.
        score: Regression: mean, std, min and max of the training scores; else null.
        clean: As in examples.
        truncated: Split to rows that are cut; not counted by TFX.
        windowed: Split to rows that are read in several windows; likewise.
        documents: Documents that may be found, of type: matching; else left out.
        unknown_share: Of the training rows' tokens, those that are [UNK]; likewise.
    """

    task: Task
    max_length: int
    vocab_size: int
    special: SpecialIds
    rows: dict[str, int]
    labels: list[str] = field(default_factory=list)
    corpus_rows: int = 0
    length_quantiles: list[float] = field(default_factory=list)
    score: dict[str, float] | None = None
    clean: Clean | None = None
    truncated: dict[str, int] | None = field(default=None, metadata=OMIT)
    windowed: dict[str, int] | None = field(default=None, metadata=OMIT)
    documents: int | None = field(default=None, metadata=OMIT)
    unknown_share: float | None = field(default=None, metadata=OMIT)


TOKENS: File[Tokens] = File("info.json", Tokens)
