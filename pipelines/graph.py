"""What follows what among some boxes of the table: wires, order, branches, the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pipelines.box import Box, Kind, Output
from pipelines.boxes import TABLE


class Place(NamedTuple):
    """Where a box is drawn: the boxes from which a line leads to it, and its row."""

    after: list[str]
    row: int


@dataclass(frozen=True)
class Branch:
    """Boxes that run only where another one says so.

    Attributes:
        answer: What it has to say.
        boxes: The names of those that run then, in running order.
        feeds: Its outputs that they take: in them is nothing where it says otherwise.
    """

    answer: str
    boxes: tuple[str, ...]
    feeds: frozenset[str]


@dataclass(frozen=True)
class Graph:
    """Boxes, and how those of them hang together that are there.

    Attributes:
        given: The boxes, in any order.
    """

    given: tuple[Box, ...]

    @classmethod
    def named(cls, names: Iterable[str], table: tuple[Box, ...] = TABLE) -> Graph:
        """Of the boxes with these names; one that is unknown is left out."""
        wanted = set(names)
        return cls(tuple(box for box in table if box.name in wanted))

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """Each after those that it depends on, else in the order of the table.

        Raises:
            ValueError: Boxes wait for each other, or two want to be the last.
        """
        waiting = list(self.given)
        order: list[Box] = []
        if len(last := [box.name for box in waiting if box.closes]) > 1:
            raise ValueError(f"pipelines/boxes.py: one box may close a run, not {', '.join(last)}")
        while waiting:
            placed = {box.name for box in order}
            ready = next((one for one in waiting if set(self.before(one)) <= placed), None)
            if ready is None:
                names = ", ".join(box.name for box in waiting)
                raise ValueError(f"pipelines/boxes.py: these boxes wait for each other: {names}")
            waiting.remove(ready)
            order.append(ready)
        return tuple(order)

    def takes(self, box: Box) -> dict[str, Output]:
        """Each parameter of a box, and the output that it gets.

        Raises:
            ValueError: Nothing that the parameter could take is there.
        """
        found = self._found(box)
        for parameter, sources in box.takes.items():
            if parameter not in found:
                named = ", ".join(f"{one.box}.{one.name}" for one in sources)
                raise ValueError(
                    f"pipelines/boxes.py: {box.name} takes {parameter} from {named or 'nowhere'}, "
                    "which this DAG does not have"
                )
        return found

    def before(self, box: Box) -> list[str]:
        """The names of the boxes that must have ended before this one begins."""
        if box.closes:
            return [one.name for one in self.given if not one.closes]
        named = [*box.after, *(source.box for source in self._found(box).values())]
        return [name for name in dict.fromkeys(named) if name in self._names]

    def _found(self, box: Box) -> dict[str, Output]:
        return {
            parameter: source
            for parameter, sources in box.takes.items()
            if (source := next((one for one in sources if one.box in self._names), None))
        }

    def branches(self, kind: Kind) -> dict[str, Branch]:
        """The boxes that decide in this kind of DAG, and on what."""
        found = {}
        for box in self.boxes:
            follow = self._following(box.name)
            if kind in box.goes_on and follow:
                taken = {
                    source.name
                    for one in follow
                    for source in self._found(one).values()
                    if source.box == box.name
                }
                names = tuple(one.name for one in follow)
                found[box.name] = Branch(box.goes_on[kind], names, frozenset(taken))
        return found

    def drawn(self) -> dict[str, Place]:
        """Each box's place in the report's picture, by name.

        Lines that others make plain are left out: a line from ingest to each that reads its rows
        would hide the DAG's shape.
        """
        rows: dict[str, int] = {}
        found = {}
        for box in self.boxes:
            before = self.before(box)
            plain = [one for one in before if not any(self._leads(one, to) for to in before)]
            rows[box.name] = max([box.row, *(rows[name] for name in plain)])
            found[box.name] = Place(plain, rows[box.name])
        return found

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(box.name for box in self.given)

    @cached_property
    def _ancestors(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for box in self.boxes:
            before = self.before(box)
            found[box.name] = set(before).union(*(found[name] for name in before))
        return found

    def _leads(self, first: str, last: str) -> bool:
        return first in self._ancestors[last]

    def _following(self, name: str) -> list[Box]:
        """What depends on a box; what closes the run does so on none."""
        return [box for box in self.boxes if self._leads(name, box.name) and not box.closes]
