"""Where dialogues are kept between turns: a store that outlives the process, and a room that uses it."""

from bertworks.dialogue.sessions.room import ID, Answered, Conflict, Forgotten, Over, Room
from bertworks.dialogue.sessions.store import SqliteStore, Stored, Withdrawn

__all__ = [
    "ID", "Answered", "Conflict", "Forgotten", "Over", "Room", "SqliteStore", "Stored", "Withdrawn",
]  # fmt: skip
