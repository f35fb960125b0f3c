"""What waits for one loaded bundle: requests whose rows are to be tokenized, and rows to be computed.

Requests share a lane as flows share a line, by weighted fair queueing (Demers et al. 1989): whichever
would be done first, if all that wait were served a little in turn, is served first and whole. So a lone
text does not wait for the thousand that came before it in one request; the thousand is done when it
would be by turns; and of many large requests one is done after the other, not all at the end.
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
from bertworks.tasks.forms.form import Encoded, Row, texts_in

ENCODE_ROWS = 64
"""Rows that are tokenized at once, and before they are computed, at most."""
FIRST_ROWS = 16
"""Rows of a request that are tokenized when it comes; the others when these are computed."""
CHARACTERS = 5
"""Of a token, about."""


OVERHEAD = 12
"""Characters that a row costs beside its own: two marks and its part of a batch."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One row that is tokenized. `encoded` has its request's neighbours too, and it stands at `at`."""

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
        self._rest: list[Work] = []
        self._ready: list[Piece] = []
        self._waiting: dict[int, Work] = {}
        # Requests so far; and what each that waits would have been served since ever, by turns.
        self._count, self._clock = 0, 0.0
        # More characters than are read of a row cost nothing.
        self._most_cost = OVERHEAD + CHARACTERS * agent.most_tokens

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
        self._count += 1
        work.tag = (self._clock + sum(map(self._cost, work.rows)), self._count)
        self._waiting[id(work)] = work
        self._fresh.append(work)

    def to_encode(self) -> list[Part]:
        """Takes rows to tokenize: of new requests, or of the one whose turn it is."""
        parts: list[Part] = []
        room = ENCODE_ROWS
        while self._fresh and room > 0:
            room -= self._part(self._fresh.popleft(), min(room, FIRST_ROWS), parts)
        while not parts and self._rest:
            work = min(self._rest, key=_tag)
            if len(self._ready) >= ENCODE_ROWS and work.tag >= self._ready[0].work.tag:
                break
            self._rest.remove(work)
            self._part(work, ENCODE_ROWS, parts)
        return parts

    def _part(self, work: Work, most: int, parts: list[Part]) -> int:
        """Adds the next rows of a request, if anybody waits for it; returns how many."""
        if work.unwanted:
            self._end(work)
            return 0
        first = work.encoded
        work.encoded = min(len(work.rows), first + most)
        parts.append((work, first, work.encoded))
        return work.encoded - first

    def put_encoded(self, parts: Sequence[tuple[Part, Encoded, int]]) -> None:
        """Takes tokenized rows back, each part's with its place in what was tokenized."""
        for (work, first, last), encoded, start in parts:
            for place in range(first, last):
                piece = Piece(work, place, encoded, start + place - first)
                insort(self._ready, piece, key=_work_tag)
            if last < len(work.rows):
                self._rest.append(work)

    def forget(self, work: Work) -> None:
        """Counts a request no more that failed before its rows were put back."""
        self._waiting.pop(id(work), None)

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
        for place in sorted(places, reverse=True):
            del self._ready[place]
        taken = [window[place] for place in places]
        self.served += len(taken) * max(piece.tokens for piece in taken)
        self._clock += sum(self._cost(piece.row) for piece in taken) / len(self._waiting)
        for piece in taken:
            piece.work.taken += 1
            if piece.work.taken == len(piece.work.rows):
                self._waiting.pop(id(piece.work), None)
        return taken

    def __len__(self) -> int:
        return len(self._ready)

    def _drop(self) -> None:
        """Forgets rows that nobody waits for, and tells where the time was over."""
        unwanted = {id(piece.work): piece.work for piece in self._ready if piece.work.unwanted}
        if unwanted:
            self._ready = [piece for piece in self._ready if id(piece.work) not in unwanted]
            for work in unwanted.values():
                self._end(work)

    def _end(self, work: Work) -> None:
        """Tells of a request that nobody waits for."""
        self._waiting.pop(id(work), None)
        work.mailbox.put([work])

    def _cost(self, row: Row) -> int:
        """What a row costs, in characters: known before it is tokenized."""
        characters = sum(map(len, texts_in(row)))
        return min(OVERHEAD + characters, self._most_cost)


def _tag(work: Work) -> tuple[float, int]:
    return work.tag


def _work_tag(piece: Piece) -> tuple[float, int]:
    return piece.work.tag


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
