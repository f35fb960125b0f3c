"""The knowledge base: rows of a CSV, JSON or SQLite file, queried and never guessed from."""

from bertworks.dialogue.knowledge.base import Entity, Knowledge, clauses, normal, words
from bertworks.dialogue.knowledge.following import Followed
from bertworks.dialogue.knowledge.reading import ENDINGS, read

__all__ = ["ENDINGS", "Entity", "Followed", "Knowledge", "clauses", "normal", "read", "words"]
