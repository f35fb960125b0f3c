"""Errors that a user can act on.

Every error carries what is wrong (where, which rule, what was received) and what to do about it. The
command line prints exactly that, without a traceback, and exits with the error's code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertworks.notices import Notice

# What moves the cursor, changes colours or turns the reading direction.
_COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class BertworksError(Exception):
    """Something the user can mend.

    Args:
        message: What is wrong: the file, the row or field, the rule and what was received.
        fix: What to do about it, as an instruction.

    Attributes:
        kind: How `bertworks.failures` keeps it.
        notices: What else the step has to tell (`bertworks.notices`); it sets them before it raises.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.notices: Sequence[Notice] = ()

    def __str__(self) -> str:
        text = f"{self.message}\n  fix: {self.fix}" if self.fix else self.message
        # Names of files and of what archives hold are anybody's: a terminal is told nothing by them.
        return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class SpecError(BertworksError):
    """The spec is not valid: points at file, line and key."""

    exit_code = 2


class DataError(BertworksError):
    """The data breaks a rule: points at file, row, field and value."""

    exit_code = 3


class SourceError(BertworksError):
    """Bytes could not be fetched, or are not the bytes that were pinned."""

    exit_code = 4


class ArtifactError(BertworksError):
    """A step's folder is missing, incomplete, of another kind, or was changed after it was written."""

    exit_code = 5


class Diverged(BertworksError):
    """A training came to a loss that is no number."""


class GateRefused(BertworksError):
    """A model did not meet a gate.

    Attributes:
        agent: From `bertworks.Agent.fit`: the agent that was refused; else None.
    """

    exit_code = 6
    kind = "gate"
    agent: Any = None


class StepFailed(BertworksError):
    """A step of a run on this machine failed; its exit code is that of the step's own error.

    Attributes:
        step: Which box of the DAG, for example "finetune".
        reason: Why, in the step's words; what to do about it is `fix`.
        log: Path of its log.
        alone: The command that runs this step alone.
    """

    def __init__(self, step: str, reason: str, fix: str, log: str, alone: str) -> None:
        super().__init__(f"Step {step} failed.\n{reason}", fix)
        self.args = step, reason, fix, log, alone  # so that it may pass from process to process
        self.step, self.reason, self.log, self.alone = step, reason, log, alone

    def __str__(self) -> str:
        return f"{super().__str__()}\n  log: {self.log}\n  this step alone: {self.alone}"


class EnvironmentFault(BertworksError):
    """The machine says no: disk full, folder not writable, another run holds the lock."""

    exit_code = 7


class Busy(EnvironmentFault):
    """Somebody else is at work there; when they are gone it may go."""

    kind = "busy"


def innermost(error: BaseException) -> BaseException:
    """The error of ours, or of the operating system, that lies deepest under a library's; else that."""
    found, under = error, error.__cause__ or error.__context__
    while under is not None:
        if isinstance(under, (BertworksError, OSError)):
            found = under
        under = under.__cause__ or under.__context__
    return found
