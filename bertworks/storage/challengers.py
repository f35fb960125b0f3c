"""Which version of an agent is being tried on live traffic, and how earlier trials ended.

    NAME/challenger.json              the version that servers are to try; none where there is no file
    NAME/canaries/TIME-VERSION.json   how a trial ended; never changed afterwards
    NAME/decided/TIME-VERSION.json    what a trial came to, until that is carried out
    NAME/evidence/SERVER.json         what a server has seen of a trial that is under way

Beside the pointer to the champion, which `Store` keeps. Of servers that decide about one challenger at
the same time the first one decides: what it came to is created in `decided`, where the others find it.
Whoever finds a decision there carries it out, as often as it takes: who made it may have been killed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bertworks.contracts.files import to_json
from bertworks.contracts.upgrades import CANARY, TRIAL, CanaryRecord, TrialState
from bertworks.contracts.versions import CHALLENGER, Challenger, Served
from bertworks.errors import ArtifactError, GateRefused
from bertworks.storage import places as store_places
from bertworks.storage import sealed
from bertworks.storage.artifacts import json_bytes
from bertworks.storage.store import REFUSED, Store, Version, check_name

ABANDONED_SECONDS = 60.0
"""Evidence of a trial that is under way, not written for so long, is of a server that is gone."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")
_SHAPE = {"version": int, "digest": str, "since": str}


class Challengers:
    """The trials of one agent.

    Args:
        uri: Path or URI of the model store.
        name: The agent.

    Raises:
        ArtifactError: It is not an agent's name.
    """

    def __init__(self, uri: str, name: str) -> None:
        check_name(name)
        self._store, self._place, self._name = Store(uri), store_places.place(uri), name

    def challenge(self, number: int) -> Version:
        """Has servers try a version on a share of the traffic.

        Raises:
            ArtifactError: There is no such version, or no champion that it could challenge, or it is
                the champion.
            GateRefused: It did not pass its gates.
        """
        wanted = self._store.show(self._name, number)
        champion = self._store.champion(self._name)
        if wanted.state == REFUSED:
            raise GateRefused(
                f"{self._name} version {number} was refused: {wanted.reasons}.",
                "Try a version that passed; `bertworks models list` shows which did.",
            )
        if champion is None or champion.digest == wanted.digest:
            why = "is the champion" if champion else "has no champion to challenge"
            raise ArtifactError(
                f"{self._name} version {number} {why} in {self._store.uri}.",
                f"`bertworks models promote {self._name}/{number}` makes it the champion at once."
                if champion is None
                else f"`bertworks models list {self._name}` shows the others.",
            )
        since = datetime.now(UTC).isoformat(timespec="seconds")
        pointer = Challenger(wanted.number, wanted.digest, since)
        with self._place.turn(self._name):
            self._place.replace(self._file, json_bytes(sealed.seal(to_json(pointer))))
        return wanted

    def present(self) -> Served | None:
        """The version that is being tried; None: none, or it is the champion by now.

        Raises:
            ArtifactError: challenger.json is damaged.
        """
        pointer = self.read()
        champion = self._store.pointer(self._name)
        same = pointer is not None and champion is not None and pointer.digest == champion.digest
        return None if same else pointer

    def read(self) -> Challenger | None:
        """What challenger.json says.

        Raises:
            ArtifactError: It is damaged.
        """
        raw = self._place.read(self._file)
        if raw is None:
            return None
        uri = self._place.uri(self._file)
        fix = f"Delete the file {uri}, then run `bertworks canary start {self._name}/N`."
        return CHALLENGER.of(sealed.read(raw, uri, _SHAPE, fix), uri)

    def withdraw(self) -> bool:
        """Ends a trial without a decision; returns whether there was one."""
        there = self._place.read(self._file) is not None
        self._place.remove(self._file)
        return there

    def decide(self, record: CanaryRecord) -> bool:
        """Carries out what a trial came to, and keeps its record.

        A promotion is `Store.promote`'s; else the champion stays.

        Returns:
            False where the store names another challenger or champion by now: nothing was done then. Or
            where another server decided: then that was done.

        Raises:
            ArtifactError: The version is damaged.
            GateRefused: It was refused meanwhile.
        """
        pointer = self.read()
        if pointer is None or pointer.digest != record.challenger.digest:
            return False
        decided = self._decided(pointer)
        if self._place.read(decided) is None:
            if not self._champion_is(record):
                return False
            ours = self._place.create(decided, json_bytes(to_json(record)))
            if ours and self.read() != pointer:  # All was over between the two looks.
                self._place.remove(decided)
                return False
        made = self._carry_out(pointer, decided)
        return made is not None and (made.server, made.outcome) == (record.server, record.outcome)

    def _carry_out(self, pointer: Challenger, decided: str) -> CanaryRecord | None:
        """Does what was decided about a challenger; None: another server has done it meanwhile."""
        raw = self._place.read(decided)
        if raw is None:
            return None
        try:
            record = CANARY.parse(raw, self._place.uri(decided))
        except ArtifactError:  # The machine lost power as it was written: it is decided again.
            self._place.remove(decided)
            raise
        if record.outcome == "promoted" and self._champion_is(record):
            self._store.promote(self._name, record.challenger.version)
        with self._place.turn(self._name):
            if self.read() == pointer:  # and not one that was named meanwhile
                self.note(record)
                self._place.remove(self._file)
        self._place.remove(decided)
        return record

    def note(self, record: CanaryRecord) -> str:
        """Keeps a record; returns where."""
        stamp = re.sub("[^0-9TZ]", "", record.ended)
        path = f"{self._name}/canaries/{stamp}-{record.challenger.version}.json"
        self._place.replace(path, json_bytes(to_json(record)))
        return self._place.uri(path)

    def every(self) -> list[CanaryRecord]:
        """All records, oldest first; one that cannot be read is left out."""
        folder = f"{self._name}/canaries"
        found = []
        for file in self._place.files(folder):
            try:
                raw = self._place.read(f"{folder}/{file}") or b""
                found.append(CANARY.parse(raw, self._place.uri(f"{folder}/{file}")))
            except ArtifactError:
                continue
        return found

    def evidence(self, server: str) -> TrialState | None:
        """What a server had seen of the trial that is under way; None: nothing that is whole."""
        raw = self._place.read(self._evidence(server))
        if raw is None:
            return None
        try:
            return TRIAL.parse(raw, self._place.uri(self._evidence(server)))
        except ArtifactError:
            return None

    def abandoned(self, server: str, now: datetime) -> list[tuple[str, TrialState]]:
        """What servers that are gone had seen of trials: those that ended, or write no more.

        Args:
            server: Who asks: its own is not among them.
            now: The time.

        Returns:
            Names of the servers and what they saw, who saw most first.
        """
        folder = self._evidence(server).rpartition("/")[0]
        found = []
        for file in self._place.files(folder):
            name = file.removesuffix(".json")
            state = None if self._evidence(server) == f"{folder}/{file}" else self.evidence(name)
            if state is not None and (state.left or _age(state.kept, now) > ABANDONED_SECONDS):
                found.append((name, state))
        return sorted(found, key=lambda one: -sum(one[1].requests.values()))

    def keep_evidence(self, server: str, state: TrialState) -> None:
        """Keeps what a server has seen."""
        self._place.replace(self._evidence(server), json_bytes(to_json(state)))

    def drop_evidence(self, server: str) -> None:
        """Removes it."""
        self._place.remove(self._evidence(server))

    def _champion_is(self, record: CanaryRecord) -> bool:
        champion = self._store.pointer(self._name)
        return champion is not None and champion.digest == record.champion.digest

    def _decided(self, pointer: Challenger) -> str:
        stamp = re.sub("[^0-9TZ]", "", pointer.since)
        return f"{self._name}/decided/{stamp}-{pointer.version}-{pointer.digest[:12]}.json"

    def _evidence(self, server: str) -> str:
        return f"{self._name}/evidence/{_UNSAFE.sub('-', server) or 'server'}.json"

    @property
    def _file(self) -> str:
        return f"{self._name}/{CHALLENGER.name}"


def _age(kept: str, now: datetime) -> float:
    """Seconds since then; without an end where it is not told."""
    return (now - datetime.fromisoformat(kept)).total_seconds() if kept else float("inf")
