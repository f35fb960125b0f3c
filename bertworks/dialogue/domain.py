"""What a dialogue is about: the columns of the knowledge base, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.dialogue.acts import THIS


@dataclass(frozen=True)
class Domain:
    """The slots of a dialogue.

    Attributes:
        key: The column that names an entity, no two alike.
        informable: Columns by which the user chooses, in the order in which they are asked for.
        requestable: Columns that the user may ask for once an entity is offered. By nature the
            informable ones are among what may be asked for, too.
        entity: What an entity is called, "restaurant".
    """

    key: str
    informable: tuple[str, ...]
    requestable: tuple[str, ...]
    entity: str = "entry"

    def __post_init__(self) -> None:
        named = [self.key, *self.informable, *self.requestable]
        if twice := sorted({one for one in named if named.count(one) > 1}):
            raise ValueError(f"a column has one use. Received twice: {', '.join(twice)}")
        if not self.informable:
            raise ValueError("`informable` needs a column by which the user can choose")
        if THIS in named or "" in named:
            raise ValueError(f"no slot can be called {THIS!r} or be without a name")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the knowledge base that the dialogue needs."""
        return (self.key, *self.informable, *self.requestable)

    @property
    def told(self) -> tuple[str, ...]:
        """What the user may ask for of an entity."""
        return (*self.requestable, *self.informable)
