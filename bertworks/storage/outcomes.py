"""How each retraining of an agent ended: one small JSON file a run, beside the model store.

    NAME/notes/RUN/STEP.json          what a step of a run that is under way has to say
    NAME/outcomes/TIME-RUN.json       how a run ended; never changed afterwards

A file is put into place whole, and each run has its own: neither a killed writer nor two writers at the
same time can harm what others wrote.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TypeVar

from bertworks.contracts.files import File, to_json
from bertworks.contracts.retraining import (
    CHALLENGE,
    COMPARISON,
    OUTCOME,
    Challenge,
    Comparison,
    Outcome,
)
from bertworks.errors import ArtifactError
from bertworks.storage import places as store_places
from bertworks.storage.artifacts import json_bytes
from bertworks.storage.store import check_name

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")
T = TypeVar("T")


class Outcomes:
    """The outcomes of one agent's retrainings.

    Args:
        uri: Path or URI of the model store.
        name: The agent.

    Raises:
        ArtifactError: It is not an agent's name.
    """

    def __init__(self, uri: str, name: str) -> None:
        check_name(name)
        self._place, self._name = store_places.place(uri), name

    def note(self, run: str, step: str, facts: Comparison | Challenge) -> None:
        """Keeps what a step found, for the record that is written when its run ends."""
        self._place.replace(f"{self._notes(run)}/{_safe(step)}.json", _json(facts))

    def notes(self, run: str) -> tuple[Comparison | None, Challenge | None]:
        """What the compare and register steps of a run noted. A damaged note counts as none."""
        folder = self._notes(run)
        return (
            _parsed(COMPARISON, self._place.read(f"{folder}/compare.json")),
            _parsed(CHALLENGE, self._place.read(f"{folder}/register.json")),
        )

    def add(self, outcome: Outcome) -> str:
        """Keeps how a run ended, and removes its notes; told twice, the later telling counts.

        Args:
            outcome: See docs/artifacts.md; `run` and `time` name the file.

        Returns:
            Where it is kept.
        """
        run = _safe(outcome.run)
        known = [one for one in self._files() if one.partition("-")[2] == f"{run}.json"]
        stamp = re.sub("[^0-9TZ]", "", outcome.time)
        path = f"{self._name}/outcomes/{known[0] if known else f'{stamp}-{run}.json'}"
        self._place.replace(path, _json(outcome))
        self._place.remove(self._notes(outcome.run))
        return self._place.uri(path)

    def every(self) -> list[Outcome]:
        """All outcomes, oldest first; one that cannot be read is left out."""
        read = (self._place.read(f"{self._name}/outcomes/{file}") for file in self._files())
        return [outcome for raw in read if (outcome := _parsed(OUTCOME, raw)) is not None]

    def _files(self) -> list[str]:
        return [one for one in self._place.files(f"{self._name}/outcomes") if one.endswith(".json")]

    def _notes(self, run: str) -> str:
        return f"{self._name}/notes/{_safe(run)}"


def now() -> str:
    """The time as outcomes have it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _safe(text: str) -> str:
    """Text as part of a file name; a run's id is another system's word."""
    safe = _UNSAFE.sub("-", text).strip("-.")[:120]
    if not safe:
        raise ArtifactError(f"{text!r} cannot name a run.", "Set KFP_RUN_ID to the run's id.")
    return safe


def _json(value: Comparison | Challenge | Outcome) -> bytes:
    return json_bytes(to_json(value))


def _parsed(kind: File[T], raw: bytes | None) -> T | None:
    try:
        return kind.parse(raw or b"", kind.name)
    except ArtifactError:
        return None
