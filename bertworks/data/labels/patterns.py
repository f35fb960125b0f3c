"""Regular expressions of a spec, bounded in time: one that goes back and forth cannot hang a run."""

from __future__ import annotations

import regex

from bertworks.errors import DataError

SECONDS = 1.0
"""Processor time for one text."""

TRIES = 3
"""Texts that may take longer, before the run stops."""


class Slow(Exception):
    """A text took longer than `SECONDS`."""


class Pattern:
    """A compiled regular expression whose searches end.

    Args:
        pattern: As in the spec.
        setting: The setting that it stands in, for messages.

    Attributes:
        groups: Number of groups.
    """

    def __init__(self, pattern: str, setting: str) -> None:
        self.text, self.setting = pattern, setting
        self._compiled = regex.compile(pattern)
        self._slow = 0
        self.groups: int = self._compiled.groups

    def search(self, text: str) -> regex.Match[str] | None:
        """The first match.

        Raises:
            Slow: It took too long on this text; `rule` says so.
            DataError: It has done so `TRIES` times.
        """
        try:
            return self._compiled.search(text, timeout=SECONDS)
        except TimeoutError:
            self._slow += 1
        if self._slow >= TRIES:
            raise DataError(
                f"The source's {self.setting} {self.text!r} takes more than {SECONDS:g} s on a single "
                f"text, {self._slow} times by now. Last: {text[:80]!r}",
                "Write it without repetitions inside repetitions, such as (a+)+ or (.*,)*.",
            ) from None
        raise Slow

    @property
    def rule(self) -> str:
        """The rule that a slow text breaks."""
        return f"{self.setting} takes more than {SECONDS:g} s"
