"""One loaded bundle with its lane in the engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bertworks.runtime import confidence
from bertworks.runtime.agent import Agent
from bertworks.serving.engine.batcher import Batcher
from bertworks.serving.engine.lane import Lane
from bertworks.serving.engine.work import Mailbox, Work
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models import trial
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks.forms.form import Row


class LoadedBundle:
    """A bundle that answers.

    Args:
        agent: The loaded agent.
        identity: Which bundle it is.
        batcher: What computes.
        name: The model's name, for meters.
        folder: Where it was loaded from; None: nowhere that matters.
        most_rows: Rows of a batch, at most; 0: the engine's own.

    Attributes:
        held: What must live as long as the bundle, such as a bucket's copy of its files.
    """

    def __init__(
        self,
        agent: Agent,
        identity: BundleIdentity,
        batcher: Batcher,
        name: str = "",
        folder: Path | None = None,
        most_rows: int = 0,
    ) -> None:
        self.agent, self.identity, self.folder = agent, identity, folder
        self.held: object = None
        self._batcher = batcher
        self._name, self._most_rows = name, most_rows
        self._lane = batcher.lane(agent, name, most_rows=most_rows)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        batcher: Batcher,
        name: str = "",
        identity: BundleIdentity | None = None,
        most_rows: int = 0,
    ) -> LoadedBundle:
        """Loads a bundle, after checking every file's sha256, and tries it.

        Args:
            folder: A bundle artifact.
            batcher: What computes; one forward pass gets as many threads as it has.
            name: The model's name.
            identity: Which bundle it is; None: its digest alone.
            most_rows: See the class.

        Raises:
            ArtifactError: It is missing or damaged, cannot be loaded, or does not answer as it should.
        """
        agent = Agent.load(folder, threads=batcher.threads)
        trial.check(agent, str(folder))
        known = identity or BundleIdentity(open_artifact(folder, "bundle", verify=False).digest)
        return cls(agent, known, batcher, name, Path(folder), most_rows)

    @cached_property
    def fields(self) -> list[str]:
        """What its answers carry of `runtime.confidence.FIELDS`."""
        return confidence.names(self.agent.info.calibration)

    @cached_property
    def _behind(self) -> Lane:
        return self._batcher.lane(
            self.agent, self._name, background=True, most_rows=self._most_rows
        )

    def work(
        self,
        rows: Sequence[Row],
        *,
        deadline: float | None = None,
        background: bool = False,
        mailbox: Mailbox | None = None,
    ) -> Work:
        """Has rows answered; the work's future tells, on the running event loop.

        Args:
            rows: As `Agent.predict` takes them; their forms were checked.
            deadline: When it is too late to begin a row, on `time.monotonic`; None: never.
            background: Whether all other work goes first.
            mailbox: The event loop's, where there is one already.
        """
        work = Work(rows, deadline, mailbox)
        self._batcher.submit(self._behind if background else self._lane, work)
        return work

    def close(self) -> None:
        """Leaves the engine; what is asked already is answered."""
        self._batcher.drop(self._lane)
        if "_behind" in self.__dict__:
            self._batcher.drop(self._behind)
