"""Pieces that every page is made of: badges, tables, bars, marked sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bertworks.pages.views import View

BadgeKind = Literal["good", "warn", "bad", "plain"]


class Part(View):
    """A piece that a macro of parts.html.j2 shows."""

    template = "parts.html.j2"


@dataclass(frozen=True)
class PlainPage(View):
    """A whole HTML document of nothing but a title and parts below each other."""

    template = "page.html.j2"

    title: str
    parts: Sequence[View]


@dataclass(frozen=True)
class Badge(Part):
    """A small mark; kind is "good" (green), "warn" (amber), "bad" (red) or "plain" (grey).

    Raises:
        ValueError: It is of another kind.
    """

    macro = "badge"

    text: object
    kind: BadgeKind = "plain"

    def __post_init__(self) -> None:
        if self.kind not in get_args(BadgeKind):
            raise ValueError(f"`kind` must be good, warn, bad or plain. Received: {self.kind}")


@dataclass(frozen=True)
class Table(Part):
    """A table.

    Attributes:
        headers: One a column.
        rows: Cells a row: views, texts or numbers.
        numeric: Columns, counted from 0, that are aligned right.
        unfolded: Rows that are shown at once; the others are there at a click. None for all.
    """

    macro = "table"

    headers: Sequence[object]
    rows: Sequence[Sequence[object]]
    numeric: Collection[int] = ()
    unfolded: int | None = None


@dataclass(frozen=True)
class Bar(Part):
    """A share as a bar of `width` pixels, of which `filled` are filled."""

    macro = "bar"

    width: int
    filled: float

    @classmethod
    def of(cls, share: float, width: int) -> Bar:
        """The bar of a share from 0 to 1."""
        return cls(width, round(width * share, 1))


@dataclass(frozen=True)
class Code(Part):
    """Text as a machine writes it."""

    macro = "code"

    text: str


@dataclass(frozen=True)
class Short(Part):
    """Text that is not broken into lines."""

    macro = "short"

    text: str


@dataclass(frozen=True)
class Frame(Part):
    """A whole page in a frame of `height` pixels: its styles stay in it."""

    macro = "frame"

    page: str
    height: int


@dataclass(frozen=True)
class MarkedWord:
    """A word of a sentence, or the words of a span in a box.

    Attributes:
        text: The word or words.
        kind: What the span is; "" for a word of its own.
        color: Of the box.
    """

    text: str
    kind: str = ""
    color: str = ""


@dataclass(frozen=True)
class MarkedSentence(Part):
    """Lines of words, such as the truth and an answer.

    Attributes:
        lines: What a line is, and its words.
    """

    macro = "sentence"

    lines: Sequence[tuple[str, Sequence[MarkedWord]]]


def marked(
    words: Sequence[str], spans: Sequence[tuple[str, int, int]], kinds: Sequence[str]
) -> list[MarkedWord]:
    """A sentence in which each span stands in a box that names its kind.

    Args:
        words: Of the sentence.
        spans: (kind, first word, one past the last), in order and apart from each other.
        kinds: All kinds, in an order of their own: a kind has the same colour on the whole page.
    """
    found: list[MarkedWord] = []
    done = 0
    for kind, start, end in spans:
        found += map(MarkedWord, words[done:start])
        color = f"var(--c{kinds.index(kind) % 6})" if kind in kinds else "var(--plain)"
        found.append(MarkedWord(" ".join(words[start:end]), kind, color))
        done = end
    return [*found, *map(MarkedWord, words[done:])]
