"""How much was used today, counted in a file that outlives the server.

Writing the file for each request would cost more than many an answer. So a caller's count in the file
runs ahead of what was used, by a hundredth of the quota at most: a server that is killed counts a little
too much after its restart, never too little. One that stops in order writes what was really used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.errors import EnvironmentFault
from bertworks.storage.locks import lock
from bertworks.storage.replacing import replacing

if TYPE_CHECKING:
    from filelock import FileLock

FILE, LOCK = "usage.json", "usage.lock"
AHEAD = 100
"""The count in the file is ahead by the quota over this, at most."""
_KINDS = ("requests", "texts")


@dataclass
class Used:
    """What one caller used today, and what the file says of it."""

    requests: int = 0
    texts: int = 0
    requests_written: int = 0
    texts_written: int = 0


class Quotas:
    """What callers used today.

    Args:
        folder: Where the counts are kept, for one server; None: in memory, until it ends.
        clock: The time; days are those of UTC.
        tell: Is told that the counts cannot be written, once.

    Raises:
        EnvironmentFault: Another server counts there, or it cannot be written.
    """

    def __init__(
        self,
        folder: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._folder, self._clock, self._tell = folder, clock, tell
        self._lock: FileLock | None = None
        self._failing = False
        self._day, self._used = clock().date(), dict[str, Used]()
        if folder is not None:
            self._lock = _taken(folder)
            try:
                self._used = self._read(folder / FILE)
            except EnvironmentFault:
                self._lock.release()
                raise

    def left(self, caller: str, kind: str, quota: int) -> int:
        """How many units of a kind, "requests" or "texts", the caller has left today."""
        self._turn()
        used = self._used.get(caller)
        return quota - (getattr(used, kind) if used else 0)

    def use(self, caller: str, kind: str, units: int, quota: int) -> None:
        """Counts units; the file is written before its count is passed."""
        self._turn()
        used = self._used.setdefault(caller, Used())
        count = getattr(used, kind) + units
        setattr(used, kind, count)
        if self._folder is not None and count > getattr(used, f"{kind}_written"):
            setattr(
                used, f"{kind}_written", max(count, min(count + max(quota // AHEAD, 1) - 1, quota))
            )
            self._write()

    def until_tomorrow(self) -> int:
        """Seconds until the next day, at least one."""
        now = self._clock()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        return max(int((midnight - now).total_seconds()) + 1, 1)

    def close(self) -> None:
        """Writes what was really used, and lets another server count here."""
        if self._lock is None:
            return
        for used in self._used.values():
            used.requests_written, used.texts_written = used.requests, used.texts
        self._write()
        self._lock.release()
        self._lock = None

    def _turn(self) -> None:
        today = self._clock().date()
        if today != self._day:
            self._day, self._used = today, {}

    def _write(self) -> None:
        if self._folder is None:
            return
        counts = {
            caller: {kind: getattr(used, f"{kind}_written") for kind in _KINDS}
            for caller, used in self._used.items()
        }
        try:
            with replacing(self._folder / FILE) as beside:
                beside.write_text(json.dumps({"day": self._day.isoformat(), "used": counts}))
            self._failing = False
        except (EnvironmentFault, OSError) as error:
            # A full disk is no reason to refuse who has quota left; what was used is still counted.
            if not self._failing:
                self._tell(f"Quotas cannot be written and are counted in memory: {error}")
            self._failing = True

    def _read(self, file: Path) -> dict[str, Used]:
        """Today's counts; of another day, or where there is no file, none."""
        try:
            record = json.loads(file.read_text())
            if record["day"] != self._day.isoformat():
                return {}
            return {
                caller: Used(**counts, **{f"{kind}_written": counts[kind] for kind in _KINDS})
                for caller, counts in record["used"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise EnvironmentFault(
                f"{file} is no count of quotas ({type(error).__name__}).",
                "Remove it, and today's counts begin anew; or name another folder with --state.",
            ) from None


def _taken(folder: Path) -> FileLock:
    held = lock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except TimeoutError:
        raise EnvironmentFault(
            f"Another server counts its quotas in {folder}.",
            "Give each server a folder of its own with --state.",
        ) from None
    except OSError as error:
        raise EnvironmentFault(
            f"{folder} cannot hold the counts of quotas: {error.strerror}.",
            "Name a folder that may be written with --state.",
        ) from None
    return held
