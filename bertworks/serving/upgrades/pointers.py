"""What a model store wants to have served: the champion, and a challenger beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

from bertworks.contracts.versions import Served
from bertworks.errors import BertworksError
from bertworks.serving.identity import Located, in_store
from bertworks.storage import places as store_places
from bertworks.storage.challengers import Challengers
from bertworks.storage.store import Store

Role = Literal["champion", "challenger"]


@dataclass(frozen=True)
class Wanted:
    """What the pointers say.

    Attributes:
        champion: The version that is to serve; None: the store names none.
        challenger: The version to be tried beside it, if it is another one; None: none.
        problems: Of pointers that cannot be read: the message by role. A file system may show a file
            before all of it is there.
    """

    champion: Served | None = None
    challenger: Served | None = None
    problems: dict[Role, str] | None = None


class Source(Protocol):
    """Where versions come from. Every method may raise whatever the store's driver does."""

    def wanted(self) -> Wanted:
        """What is to be served now."""

    def stamp(self, version: Served) -> str:
        """A text that changes when anything of a version does."""

    def fetch(self, version: Served) -> Located:
        """The bundle on this machine, every file checked against its sha256.

        Raises:
            BertworksError: It is damaged, not there as a whole yet, or was refused by its gates.
        """


class StoreSource:
    """An agent of a model store.

    Args:
        uri: Path or URI of the store.
        name: The agent.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name
        self._place = store_places.place(uri)

    def wanted(self) -> Wanted:
        """What champion.json and challenger.json say."""
        problems: dict[Role, str] = {}
        champion = challenger = None
        try:
            champion = Store(self.uri).pointer(self.name)
        except BertworksError as error:
            problems["champion"] = error.message
        try:
            challenger = Challengers(self.uri, self.name).read()
        except BertworksError as error:
            problems["challenger"] = error.message
        return Wanted(champion, challenger, problems or None)

    def stamp(self, version: Served) -> str:
        """Of the record and the bundle."""
        folder = f"{self.name}/versions/{version.version}"
        record = self._place.read(f"{folder}/record.json") or b""
        said = hashlib.sha256(record).hexdigest()[:16]
        return f"{version.digest} {said} {self._place.stamp(f'{folder}/bundle')}"

    def fetch(self, version: Served) -> Located:
        """A bucket's is copied; the copy goes when nothing holds on to what is returned."""
        return in_store(self.uri, self.name, version.version, version.digest)
