"""The model store: numbered versions of each agent's bundle, and a pointer to the champion.

    NAME/versions/1/bundle/…      the bundle artifact, as it was gated
    NAME/versions/1/metrics/…     its metrics artifact
    NAME/versions/1/model/…       the model before compression, which a challenger starts from
    NAME/versions/1/examples/…    every row known by then, which a challenger is compared with
    NAME/versions/1/record.json   state, reasons, decision, metrics, digests, facts
    NAME/champion.json            which version serves, and which ones did before
    NAME/challenger.json          which version is tried on live traffic (challengers.py)
    NAME/canaries/…               how such trials ended
    NAME/outcomes/…               how each retraining ended (outcomes.py)

On a disk a version is written beside its place and renamed into it, and writers take turns. On a
bucket, which can do neither, `record.json` is written last and makes the version exist. A bundle that
was refused is kept and can be looked at, but not promoted. One that was let through stays so: stricter
gates that refuse the same bundle later are told to whoever set them, and change no record. Model and
examples may be missing: versions of before 0.1.0's retraining have none, and the model of a refused
bundle is not kept.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from bertworks.contracts.decision import Decision
from bertworks.contracts.files import File, to_json
from bertworks.contracts.metrics import METRICS
from bertworks.contracts.versions import CHAMPION, RECORD, Champion, Made, Record, Served
from bertworks.errors import ArtifactError, GateRefused
from bertworks.storage import places as store_places
from bertworks.storage import sealed, temporary
from bertworks.storage.artifacts import Artifact, json_bytes, open_artifact

T = TypeVar("T")
_History = list[Served]
_PARTS = ("model", "examples")
_RECORD_SHAPE = {"state": str, "digest": str, "decision": dict, "metrics": list}
_POINTER_SHAPE = {"version": int, "digest": str, "since": str, "history": list}

_NAME = re.compile("[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")  # As the spec's `name`.

State = Literal["passed", "refused"]
PASSED: State = "passed"
REFUSED: State = "refused"
DAMAGED = "damaged"


@dataclass(frozen=True)
class Version:
    """One bundle in the store.

    Attributes:
        name: The agent.
        number: 1, 2, 3, …
        state: "passed", "refused", or "damaged" when its record cannot be read.
        champion: Whether it is the one that serves.
        record: What record.json says; None when damaged.
        uri: Where the bundle lies.
    """

    name: str
    number: int
    state: str
    champion: bool
    record: Record | None
    uri: str

    @property
    def digest(self) -> str:
        """The bundle's digest, "" when damaged."""
        return self.record.digest if self.record else ""

    @property
    def created(self) -> str:
        """When it was kept, ISO 8601, UTC; "" when that is not known."""
        return self.record.created if self.record else ""

    @property
    def reasons(self) -> str:
        """Why the gates refused it, in words."""
        return "; ".join(self.record.decision.reasons) if self.record else ""

    @property
    def made(self) -> Made:
        """What the register step noted about how it was made."""
        return self.record.facts if self.record else Made()

    @property
    def talks(self) -> bool:
        """Whether it is a dialogue, and no single agent."""
        return self.record is not None and self.record.task == "dialogue"

    def check_answers_rows(self) -> None:
        """Raises ArtifactError where it is a dialogue, which takes turns."""
        if self.talks:
            name = f"{self.name}/{self.number}"
            raise ArtifactError(
                f"{name} is a dialogue, which takes turns and not rows.",
                f"`bertworks chat {name}` talks with it, `bertworks serve --dialogue {name}` serves it.",
            )

    def has(self, part: str) -> bool:
        """Whether "model" or "examples" was kept with it."""
        return self.record is not None and part in self.record.parts


class Store:
    """A folder or bucket of models.

    Args:
        uri: A path or an fsspec URI (s3://, gs://, memory://). The folder is made when needed.

    Every method that takes a name raises ArtifactError where it is not an agent's name.
    """

    def __init__(self, uri: str | Path) -> None:
        self.uri = str(uri)
        self._place = store_places.place(self.uri)

    def add(
        self,
        bundle: Artifact,
        name: str,
        decision: Decision,
        metrics: Artifact,
        parts: Mapping[str, Artifact] | None = None,
        made: Made | None = None,
    ) -> Version:
        """Keeps a bundle that passed its gates; the same bundle again gives the same version.

        Args:
            bundle: The bundle artifact.
            name: The agent.
            decision: What the gates decided.
            metrics: The bundle's metrics artifact.
            parts: "model" and "examples" artifacts to keep beside it.
            made: How it was made.

        Raises:
            GateRefused: The decision says that it did not pass.
        """
        if not decision.passed:
            raise GateRefused(
                f"The gates refused this bundle: {'; '.join(decision.reasons)}.",
                "Register only bundles that pass; `refuse` keeps the others.",
            )
        return self._keep(bundle, name, PASSED, decision, metrics, parts or {}, made or Made())

    def refuse(
        self,
        bundle: Artifact,
        name: str,
        decision: Decision,
        metrics: Artifact,
        parts: Mapping[str, Artifact] | None = None,
        made: Made | None = None,
    ) -> Version:
        """Keeps a bundle that did not pass, marked as refused with the reasons; see `add`.

        Returns:
            The version; still "passed" where the same bundle was let through before.
        """
        return self._keep(bundle, name, REFUSED, decision, metrics, parts or {}, made or Made())

    def promote(self, name: str, number: int) -> Version:
        """Makes a version the champion; the one before it is remembered for `rollback`.

        Raises:
            ArtifactError: There is no such version, or it is damaged.
            GateRefused: It did not pass its gates.
        """
        self.show(name, number)  # Before the turn, which makes a folder.
        with self._place.turn(name):
            wanted = self.show(name, number)
            if wanted.state == REFUSED:
                raise GateRefused(
                    f"{name} version {number} was refused: {wanted.reasons}.",
                    "Change the gates in the spec and run it again, if it is good enough after all.",
                )
            pointer = self._pointer_if_whole(name)
            if pointer and _points_at(pointer, wanted):
                return wanted
            history = [*pointer.history, _without_history(pointer)] if pointer else []
            self._point(name, wanted, history)
        return self.show(name, number)

    def rollback(self, name: str) -> Version:
        """Makes the champion before the present one the champion again.

        Earlier champions that are damaged, deleted or marked as refused are stepped over.

        Raises:
            ArtifactError: There is none that can serve, or champion.json is damaged.
        """
        if self.pointer(name) is not None:  # Else there is no folder to take a turn in.
            with self._place.turn(name):
                pointer = self.pointer(name)
                history = list(pointer.history) if pointer else []
                while history:
                    entry = history.pop()
                    before = self._whole(name, entry.version)
                    if before and before.state == PASSED and _points_at(entry, before):
                        self._point(name, before, history)
                        return self.show(name, before.number)
        raise ArtifactError(
            f"{name} has no earlier champion to go back to in {self.uri}.",
            f"`bertworks models list {name}` shows what there is; promote one of them.",
        )

    def champion(self, name: str) -> Version | None:
        """The version that serves, or None."""
        pointer = self.pointer(name)
        if pointer is None:
            return None
        found = self.show(name, pointer.version)
        if found.digest != pointer.digest:
            raise ArtifactError(
                f"{name}'s champion is version {found.number} with digest "
                f"{pointer.digest[:12]}…, but the store holds {found.digest[:12]}….",
                "Promote a version that `bertworks models list` shows as passed.",
            )
        return found

    def names(self) -> list[str]:
        """The agents that have a version here."""
        found = [name for name in self._place.names() if _NAME.fullmatch(name)]
        return [name for name in found if self._place.numbers(name)]

    def list(self, name: str) -> list[Version]:
        """All versions, oldest first; a damaged one is listed with that state."""
        check_name(name)
        found = []
        for number in self._place.numbers(name):
            try:
                found.append(self.show(name, number))
            except ArtifactError:
                uri = self._place.uri(f"{name}/versions/{number}/bundle")
                found.append(Version(name, number, DAMAGED, False, None, uri))
        return found

    def show(self, name: str, number: int) -> Version:
        """One version.

        Raises:
            ArtifactError: There is no such version, or its record cannot be read.
        """
        check_name(name)
        folder = f"{name}/versions/{number}"
        raw = self._place.read(f"{folder}/{RECORD.name}")
        uri = self._place.uri(f"{folder}/bundle")
        if raw is None:
            have = ", ".join(map(str, self._place.numbers(name))) or "none"
            raise ArtifactError(
                f"{self.uri} has no version {number} of {name}. It has: {have}.",
                f"`bertworks models list {name}` shows what there is.",
            )
        shown = f"{self._place.uri(folder)}/{RECORD.name}"
        said = sealed.read(raw, shown, _RECORD_SHAPE, RECORD.fix)
        if said["state"] not in (PASSED, REFUSED):
            raise ArtifactError(
                f"{shown} is damaged: its state is {said['state']!r:.40}, not {PASSED} or {REFUSED}.",
                RECORD.fix,
            )
        record = RECORD.of(said, shown)
        pointer = self._pointer_if_whole(name)
        serves = pointer is not None and pointer.version == number
        return Version(name, number, record.state, serves, record, uri)

    def fetch(self, name: str, number: int, part: str = "bundle") -> Artifact:
        """Opens a version's "bundle", "metrics", "model" or "examples".

        A bucket's is first copied to this machine.

        Raises:
            ArtifactError: There is no such version or part, or a file was changed.
        """
        kept = self.show(name, number)
        if part in _PARTS and not kept.has(part):
            raise ArtifactError(
                f"{name} version {number} was kept without its {part}.",
                "Run the spec again (`bertworks run`): register adds what is missing.",
            )
        found = open_artifact(self._place.local(f"{name}/versions/{number}/{part}"), part)
        parts = kept.record.parts if kept.record else {}
        expected = {"bundle": kept.digest, **parts}.get(part)
        if expected is not None and found.digest != expected:
            raise ArtifactError(
                f"{found.path} is not the {part} that was registered: the record says "
                f"{expected[:12]}…, found {found.digest[:12]}….",
                f"Register the {part} again from the run that made it.",
            )
        return found

    def read(self, name: str, number: int, part: str, file: File[T]) -> T | None:
        """A file of a version's part, without copying the part; None where it is not there.

        It is not held against the part's manifest: `fetch` is for what is computed with.

        Raises:
            ArtifactError: It is not of its type.
        """
        check_name(name)
        path = f"{name}/versions/{number}/{part}/{file.name}"
        raw = self._place.read(path)
        return None if raw is None else file.parse(raw, self._place.uri(path))

    def _keep(
        self,
        bundle: Artifact,
        name: str,
        state: State,
        decision: Decision,
        metrics: Artifact,
        parts: Mapping[str, Artifact],
        made: Made,
    ) -> Version:
        check_name(name)
        record = Record(
            name=name,
            digest=bundle.digest,
            state=state,
            decision=decision,
            metrics=METRICS.read(metrics),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            parents=dict(bundle.parents),
            parts={part: kept.digest for part, kept in parts.items()},
            facts=made,
            task=bundle.metadata.get("task"),
        )
        folders = {part: kept.path for part, kept in parts.items()}
        with self._place.turn(name):
            known = self._known(name, bundle.digest)
            if known is not None:
                self._judge_again(known, record, folders)
                return self.show(name, known.number)
            same = self._same_parts(name, record.parts)
            with temporary.scratch() as folder:
                file = folder / RECORD.name
                file.write_bytes(_sealed(record))
                number = self._place.publish(
                    name,
                    {"bundle": bundle.path, "metrics": metrics.path, **folders, RECORD.name: file},
                    same,
                )
        kept = self.show(name, number)
        for part in ("bundle", *folders):
            self.fetch(name, number, part)
        return kept

    def _same_parts(self, name: str, digests: Mapping[str, str]) -> dict[str, str]:
        """Parts that an earlier version holds byte for byte, and where: they need no second copy."""
        found = {}
        for one in self.list(name):
            for part, digest in digests.items():
                if one.record and one.record.parts.get(part) == digest:
                    with contextlib.suppress(ArtifactError):
                        self.fetch(name, one.number, part)
                        found[part] = f"{name}/versions/{one.number}/{part}"
        return found

    def _known(self, name: str, digest: str) -> Version | None:
        """The version that holds a bundle whole; one that was damaged or deleted is added anew."""
        same = (one for one in self.list(name) if one.digest == digest)
        return next((one for one in same if self._whole(name, one.number) is not None), None)

    def _whole(self, name: str, number: int) -> Version | None:
        """A version whose record and bundle are as they were registered, else None."""
        try:
            self.fetch(name, number)
            return self.show(name, number)
        except ArtifactError:
            return None

    def _judge_again(self, known: Version, judgement: Record, folders: Mapping[str, Path]) -> None:
        """The same bundle under other gates: the newer judgement counts, its age stays.

        But what was let through may serve, or be what a rollback goes to: no later no takes that back.
        Parts that it was kept without are added: before the record, which makes them exist.
        """
        folder = f"{known.name}/versions/{known.number}"
        before = known.record or judgement
        counts = before if (before.state, judgement.state) == (PASSED, REFUSED) else judgement
        parts = dict(before.parts)
        for part in folders.keys() - parts.keys():
            self._place.attach(f"{folder}/{part}", folders[part])
            parts[part] = judgement.parts[part]
        judged = replace(
            before,
            state=counts.state,
            decision=counts.decision,
            parts=parts,
            facts=before.facts if judgement.facts == Made() else judgement.facts,
        )
        if judged != known.record:
            self._place.replace(f"{folder}/{RECORD.name}", _sealed(judged))

    def pointer(self, name: str) -> Champion | None:
        """What champion.json says, whether or not that version is there; None without a file.

        Raises:
            ArtifactError: It is damaged.
        """
        check_name(name)
        file = f"{name}/{CHAMPION.name}"
        raw = self._place.read(file)
        if raw is None:
            return None
        uri = self._place.uri(file)
        fix = f"Delete the file {uri}, then run `bertworks models promote {name} N`."
        said = sealed.read(raw, uri, _POINTER_SHAPE, fix)
        for entry in (said, *said["history"]):
            if not _is_entry(entry):
                raise ArtifactError(f"{uri} is damaged: it names no version: {entry!r:.80}.", fix)
        return replace(CHAMPION, fix=fix).of(said, uri)

    def _pointer_if_whole(self, name: str) -> Champion | None:
        """The pointer; a damaged one counts as none, so that versions are seen and promoted."""
        try:
            return self.pointer(name)
        except ArtifactError:
            return None

    def _point(self, name: str, version: Version, history: _History) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        pointer = Champion(version.number, version.digest, since, history)
        self._place.replace(f"{name}/{CHAMPION.name}", _sealed(pointer))


def check_name(name: str) -> None:
    """Raises ArtifactError where a text is not an agent's name."""
    if not _NAME.fullmatch(name):
        raise ArtifactError(
            f"{name!r} is not an agent's name: lower-case letters, digits and dashes, "
            "1 to 53 of them, with no dash at either end.",
            "Give the `name` of the spec.",
        )


def _points_at(pointer: Served, version: Version) -> bool:
    """A number may be taken again when its folder was deleted; the digest tells them apart."""
    return (pointer.version, pointer.digest) == (version.number, version.digest)


def _without_history(pointer: Champion) -> Served:
    return Served(pointer.version, pointer.digest, pointer.since)


def _sealed(record: Record | Champion) -> bytes:
    value = sealed.seal(to_json(record))
    return json_bytes(value)


def _is_entry(entry: Any) -> bool:
    """Whether a pointer, or one of its history, names a version."""
    if not isinstance(entry, dict):
        return False
    number, digest = entry.get("version"), entry.get("digest")
    return type(number) is int and number >= 1 and isinstance(digest, str)
