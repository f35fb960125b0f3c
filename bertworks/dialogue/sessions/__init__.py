"""Where dialogues are kept between turns: a store that outlives the process, and a room that uses it."""

from bertworks.dialogue.sessions.room import ID, Answered, Conflict, Room
from bertworks.dialogue.sessions.store import SqliteStore, Stored

__all__ = ["ID", "Answered", "Conflict", "Room", "SqliteStore", "Stored"]
