"""Answers the rows of a file: `bertworks predict --on cluster`, a pipeline of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bertworks.batch.job import Job, answer_file
from bertworks.batch.journal import State
from bertworks.errors import ArtifactError, GateRefused
from bertworks.notices import Notice
from bertworks.storage.store import PASSED, Store
from components.contract import StepResult, StepSection


class Section(StepSection):
    """What is answered, by whom, and where the answers go.

    Attributes:
        name: The agent.
        store: URI or path of the model store.
        version: The agent's version; None: its champion.
        file: The rows, where the pod sees them.
        out: Where the answers go, likewise.
        top: How many labels' scores are written of a row.
        keep_formulas: Whether cells that a spreadsheet would run are written as they are.
        beam: Options of Apache Beam, which then does the work; None: the pod does it.
    """

    name: str
    store: str
    file: str
    out: str
    version: int | None = None
    top: int = 5
    keep_formulas: bool = False
    beam: Sequence[str] | None = None


def run(section: Section) -> StepResult:
    """Writes the answers beside the rows' columns, and rows that cannot be read into a file apart.

    A pod that was killed is started again and goes on where it was.

    Args:
        section: See there.

    Raises:
        ArtifactError: There is no such version.
        GateRefused: It did not pass its gates.
        DataError: The file cannot be read, or none of its rows.
    """
    store = Store(section.store)
    number = section.version
    if number is None:
        champion = store.champion(section.name)
        if champion is None:
            raise ArtifactError(
                f"{section.name} has no champion in {section.store}.",
                "Run its pipeline first, or name a version.",
            )
        number = champion.number
    version = store.show(section.name, number)
    if version.state != PASSED:
        raise GateRefused(
            f"{section.name} version {number} is {version.state}.",
            "Name a version that passed its gates.",
        )
    bundle = store.fetch(section.name, number).path
    file, out = Path(section.file), Path(section.out)
    job = Job(bundle, file, out, section.top, section.keep_formulas)
    state = _answer(job, section.beam)
    numbers = {
        "rows": float(state.items),
        "answers": float(state.told.rows),
        "rejected": float(state.rejected),
        "version": float(number),
    }
    return StepResult(numbers, notices=list(_notices(job, state)))


def _answer(job: Job, beam: Sequence[str] | None) -> State:
    if beam is not None:
        from bertworks.batch.beam import answer_by_beam

        return answer_by_beam(job, beam)
    from bertworks.runtime.agent import Agent

    return answer_file(Agent.load(job.bundle), job)


def _notices(job: Job, state: State) -> Iterator[Notice]:
    rows, told = state.items, state.told
    if state.rejected:
        yield Notice(
            f"{state.rejected:,} of {rows:,} rows could not be read and have no answer; each stands "
            f"with its reason in {job.rejected}",
            "warning",
            state.rejected,
        )
    if told.truncated:
        yield Notice(
            f"{told.truncated:,} of {told.rows:,} texts are longer than the agent reads",
            "note",
            told.truncated,
        )
    if told.unsure:
        yield Notice(
            f"{told.unsure:,} of {told.rows:,} answers are not sure enough", "note", told.unsure
        )
