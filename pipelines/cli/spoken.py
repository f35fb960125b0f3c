"""Which dialogue `chat`, `serve` and `dialogue` take: a spec's file, a bundle's folder, or a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bertworks.dialogue.bundle import Bundle, holds_dialogue, open_dialogue
from bertworks.errors import BertworksError
from bertworks.spec.dialogue import Dialogue
from bertworks.storage.store import Store


@dataclass(frozen=True)
class Spoken:
    """A dialogue to talk with.

    Attributes:
        shown: What it is called: its name, and its version where it has one.
        section: The spec's section.
        folder: What its paths are relative to.
        understanding: The bundle of the agent that understands turns; None where lists of words do.
        digest: Of its bundle; "" of a spec.
        store: Keeps a bucket's copy alive.
    """

    shown: str
    section: Dialogue
    folder: Path
    understanding: Path | None = None
    digest: str = ""
    store: Store | None = None

    @classmethod
    def of(cls, found: Bundle, shown: str, store: Store | None = None) -> Spoken:
        """Of a dialogue that a run registered."""
        return cls(
            shown,
            found.talk.section,
            found.folder,
            found.understanding,
            found.artifact.digest,
            store,
        )


def find(given: str, store: Store, settings: list[str] | None = None) -> Spoken:
    """The dialogue that is named.

    Args:
        given: A spec's file, a bundle's folder, or NAME, NAME/VERSION, NAME/latest or NAME/champion.
        store: Of the models.
        settings: Over those of a spec's file; what a run has registered stays as it is.

    Raises:
        BertworksError: There is no such dialogue, or it is an agent.
    """
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.cli.served import named

    path = Path(given)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        made = load_as(DialogueSpec, path, settings or [])
        return Spoken(made.name, made.dialogue, path.resolve().parent)
    if settings:
        raise BertworksError(
            f"--set changes a spec's file, and {given} is a dialogue that was made.",
            "Leave it out, or change the spec and run it.",
        )
    found = named(given, store)
    if isinstance(found, Path):
        opened = open_dialogue(found)
        return Spoken.of(opened, opened.talk.name)
    folder = store.fetch(found.name, found.number).path
    if not holds_dialogue(folder):
        raise BertworksError(
            f"{found.name}/{found.number} is an agent that does not talk.",
            "`bertworks predict` asks it. A dialogue is made by `bertworks run` of a spec with a "
            "`dialogue` section.",
        )
    return Spoken.of(open_dialogue(folder), f"{found.name}/{found.number}", store)
