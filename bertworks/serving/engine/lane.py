"""What waits for one loaded bundle: requests whose rows are to be tokenized, and rows to be computed.

Two requests share a lane as two flows share a line: each row stands where its request would be if all
requests were served a token in turn (start-time fair queueing, Goyal et al. 1996), so that a lone text
does not wait for the thousand that came before it in one request.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from bertworks.runtime.agent import Agent
from bertworks.runtime.inference import ROWS
from bertworks.serving.engine import batches
from bertworks.serving.engine.work import Work
from bertworks.tasks.forms.form import Encoded, Row

ENCODE_ROWS = 64
"""Rows that are tokenized at once, and before they are computed, at most."""
FIRST_ROWS = 16
"""Rows of a request that are tokenized when it comes; the others when these are computed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One row that is tokenized. `encoded` has its request's neighbours too, and it stands at `at`."""

    tag: float
    work: Work
    place: int
    encoded: Encoded
    at: int

    @property
    def tokens(self) -> int:
        """How many it has."""
        return len(self.encoded.ids[self.at])

    @property
    def row(self) -> Row:
        """What was asked."""
        return self.work.rows[self.place]


Part = tuple[Work, int, int]
"""Rows of a request: from, to."""


class Lane:
    """What waits for one bundle. The batcher's lock guards all of it.

    Args:
        agent: What computes.
        name: The model's, for meters.
        background: Whether others always go first: for answers that nobody waits for.
        most_rows: Rows of a batch, at most.

    Attributes:
        served: Tokens computed, as the batcher counts them for fairness.
        closed: Whether it is to be forgotten when it is empty.
    """

    def __init__(
        self, agent: Agent, name: str = "", *, background: bool = False, most_rows: int = 0
    ) -> None:
        self.agent, self.name, self.background = agent, name, background
        self.most_rows = min(most_rows or ROWS, ROWS)
        self.served, self.closed = 0.0, False
        self._fresh: deque[Work] = deque()
        self._rest: deque[Work] = deque()
        self._ready: list[Piece] = []
        self._clock = 0.0

    @property
    def waits(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._ready or self._fresh or self._rest)

    @property
    def rows(self) -> int:
        """Rows that wait, tokenized or not."""
        waiting = (len(work.rows) - work.encoded for work in (*self._fresh, *self._rest))
        return len(self._ready) + sum(waiting)

    def add(self, work: Work) -> None:
        """Takes a request's rows."""
        work.tag = self._clock
        self._fresh.append(work)

    def to_encode(self) -> list[Part]:
        """Takes rows to tokenize: of new requests, or when few are left to compute of older ones."""
        source = self._fresh
        if not source and self._rest:
            if len(self._ready) >= ENCODE_ROWS and self._rest[0].tag > self._clock:
                return []
            source = self._rest
        parts: list[Part] = []
        room = ENCODE_ROWS
        while source and room > 0:
            work = source.popleft()
            if work.unwanted:
                work.mailbox.put([work])
                continue
            first = work.encoded
            work.encoded = min(len(work.rows), first + min(room, FIRST_ROWS))
            room -= work.encoded - first
            parts.append((work, first, work.encoded))
        return parts

    def put_encoded(self, parts: Sequence[tuple[Part, Encoded, int]]) -> None:
        """Takes tokenized rows back, each part's with its place in what was tokenized."""
        for (work, first, last), encoded, start in parts:
            tag = max(work.tag, self._clock)
            for place in range(first, last):
                piece = Piece(tag, work, place, encoded, start + place - first)
                insort(self._ready, piece, key=_tag)
                tag += piece.tokens
            work.tag = tag
            if last < len(work.rows):
                self._rest.append(work)

    def take(self, share: int) -> list[Piece]:
        """Takes the next batch.

        Args:
            share: How many threads are free to share what waits; 1: this one.
        """
        self._drop()
        if not self._ready:
            return []
        window = list(islice(self._ready, batches.LOOK_AHEAD * self.most_rows))
        most = min(self.most_rows, -(-len(self._ready) // share))
        places = batches.choose([piece.tokens for piece in window], most)
        self._clock = max(self._clock, self._ready[0].tag)
        for place in sorted(places, reverse=True):
            del self._ready[place]
        taken = [window[place] for place in places]
        self.served += len(taken) * max(piece.tokens for piece in taken)
        return taken

    def __len__(self) -> int:
        return len(self._ready)

    def _drop(self) -> None:
        """Forgets rows that nobody waits for, and tells where the time was over."""
        unwanted = {id(piece.work): piece.work for piece in self._ready if piece.work.unwanted}
        if unwanted:
            self._ready = [piece for piece in self._ready if id(piece.work) not in unwanted]
            for work in unwanted.values():
                work.mailbox.put([work])


def _tag(piece: Piece) -> float:
    return piece.tag


def encoded_of(pieces: Sequence[Piece]) -> Encoded:
    """The tokens of some rows as one `Encoded`."""
    first = pieces[0].encoded

    def column(name: str) -> list | None:  # type: ignore[type-arg]
        if getattr(first, name) is None:
            return None
        return [getattr(piece.encoded, name)[piece.at] for piece in pieces]

    return Encoded(
        ids=[piece.encoded.ids[piece.at] for piece in pieces],
        truncated=[piece.encoded.truncated[piece.at] for piece in pieces],
        types=column("types"),
        words=column("words"),
        starts=column("starts"),
        kept=column("kept"),
    )
