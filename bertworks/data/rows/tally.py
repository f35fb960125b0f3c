"""What reading mended, merged or guessed: counted by kind, with the first places of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bertworks.contracts.examples import Changed, Place
from bertworks.data.rows.spots import Spot
from bertworks.notices import Level, Notice
from bertworks.shortened import shortened

KEPT = 20
"""Places, and different details, that are kept for each kind."""

_SHOWN = 3
_LENGTH = 60


@dataclass(frozen=True)
class Kind:
    """One way in which what was read is not what stands in the file.

    Attributes:
        name: Its key in records.
        text: What was done, with {count}, {first} (where it was seen first) and perhaps {details}, the
            most frequent ones, or {counted}, all that are kept, each with how often; or {total} and
            {most}, of what `Tally.add` was given as `amount`.
        level: As of a `Notice`.
        fix: The setting of a source that changes it.
    """

    name: str
    text: str
    level: Level = "note"
    fix: str = ""


class Tally:
    """Counts what was mended, merged or guessed; memory is bounded by the number of kinds."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._totals: Counter[Kind] = Counter()
        self._most: dict[Kind, int] = {}
        self._details: dict[Kind, Counter[str]] = {}
        self._places: dict[Kind, list[Place]] = {}

    def add(
        self, kind: Kind, spot: Spot, value: str = "", detail: str = "", amount: int = 0
    ) -> None:
        """Counts one case.

        Args:
            kind: What was done.
            spot: Where.
            value: What stood there.
            detail: What was made of it, where cases of one kind differ.
            amount: How much it took, where cases of one kind differ in that.
        """
        self.counts[kind] += 1
        self._totals[kind] += amount
        self._most[kind] = max(self._most.get(kind, 0), amount)
        details = self._details.setdefault(kind, Counter())
        if detail and (detail in details or len(details) < KEPT):
            details[detail] += 1
        places = self._places.setdefault(kind, [])
        if len(places) < KEPT:
            places.append(Place(spot.file, spot.row, shortened(value, 200), spot.line))

    def take(self, other: Tally, origin: Callable[[int], Spot] | None = None) -> None:
        """Adds what another one counted, its files by their own names and without what stood there.

        Args:
            other: Of one file, where `origin` is given.
            origin: Where one of its rows, by its number, came from.
        """
        for kind, count in other.counts.items():
            self.counts[kind] += count
            self._totals[kind] += other._totals[kind]
            self._most[kind] = max(self._most.get(kind, 0), other._most[kind])
            self._details.setdefault(kind, Counter()).update(other._details[kind])
            places = [
                _moved(one, origin(one.row))
                if origin and one.row
                else replace(one, file=Path(one.file).name, value="")
                for one in other._places[kind]
            ]
            self._places[kind] = [*self._places.get(kind, []), *places][:KEPT]

    def notices(self, more: str = "") -> list[Notice]:
        """One notice a kind, the warnings first."""
        kinds = sorted(self.counts, key=lambda kind: kind.level != "warning")
        return [
            Notice(
                f"{self.text(kind)}. {kind.fix}".rstrip(" "), kind.level, self.counts[kind], more
            )
            for kind in kinds
        ]

    def changed(self) -> dict[str, Changed]:
        """What changed.json holds, by the kinds' names."""
        return {
            kind.name: Changed(count, dict(self._details[kind]), self._places[kind])
            for kind, count in self.counts.items()
        }

    def text(self, kind: Kind) -> str:
        """What was done, filled in."""
        place, details = self._places[kind][0], self._details[kind].most_common()
        shown = ", ".join(detail for detail, _ in details[:_SHOWN])
        rest = len(details) - _SHOWN
        first = str(Spot(place.file, place.row, place.line))
        if place.value:
            first += f": {shortened(place.value, _LENGTH)!r}"
        return kind.text.format(
            count=self.counts[kind],
            first=first,
            details=shown + (f" and {rest} more" if rest > 0 else ""),
            counted=", ".join(f"{detail} ({count})" for detail, count in details),
            total=self._totals[kind],
            most=self._most[kind],
        )


def _moved(place: Place, spot: Spot) -> Place:
    return replace(place, file=spot.file, row=spot.row, line=spot.line)
