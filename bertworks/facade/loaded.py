"""What a loaded agent does: it is asked, measured, shown, kept and served."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.contracts.metrics import METRICS, overall
from bertworks.errors import ArtifactError
from bertworks.facade import asked, settings
from bertworks.facade.given import Given
from bertworks.facade.report import Report, build
from bertworks.facade.server import Server
from bertworks.runtime import agent as runtime
from bertworks.spec import AgentSpec, Task
from bertworks.storage.artifacts import copy_artifact, open_artifact
from bertworks.storage.scratch import Scratch
from bertworks.storage.store import Store

PathLike = str | os.PathLike[str]


class LoadedAgent:
    """A bundle that answers, and what is known of it; `bertworks.Agent` is one that can be made."""

    def __init__(
        self,
        bundle: Path,
        *,
        name: str,
        version: int | None = None,
        metrics: Path | None = None,
        spec: AgentSpec | None = None,
        record: Mapping[str, Any] | None = None,
        report: Path | None = None,
        store: Store | None = None,
        threads: int | None = None,
        max_batch: int = 32,
    ) -> None:
        self.path, self.name, self.version = bundle, name, version
        self.spec, self.record = spec, record
        self._metrics, self._report = metrics, report
        self._servers: list[Server] = []
        self._store = store  # keeps a bucket's copy alive
        self._runtime = runtime.Agent.load(bundle, threads=threads, max_batch=max_batch)

    @property
    def task(self) -> Task:
        """What it does."""
        return self._runtime.task

    @property
    def labels(self) -> list[str]:
        """What it may answer; empty for regression."""
        return list(self._runtime.labels)

    @property
    def info(self) -> dict[str, Any]:
        """The bundle's agent.json."""
        return dict(json.loads((self.path / "agent.json").read_text("utf-8")))

    @property
    def _columns(self) -> Mapping[str, list[str]]:
        """What the sources call the columns that it is asked with, by role."""
        return self._runtime.info.columns or {}

    def predict(self, rows: Any) -> asked.Answers:
        """Answers for each row, in the order given.

        Args:
            rows: Texts; pairs of texts for a task on pairs; texts or lists of words for tagging. Or
                dicts, a DataFrame or a Series with them: their columns may be called as those that
                the agent was made from, or text, or text_a and text_b, or tokens. What was read of
                objects inside of rows (`review.text`) is found there again.

        Returns:
            A dict a row: label, score (its probability) and scores; several labels: labels, scores;
            regression: score; tagging: tokens, tags, scores, entities; understanding: intent,
            intent_score, and as tagging. All: truncated, whether the row's end was not read. A DataFrame
            of these, with the index of the rows, where a DataFrame or Series came in.

        Raises:
            DataError: A row is not as the task takes it.
        """
        given = asked.rows_of(rows, self._runtime.form.roles, self._columns)
        return asked.like(rows, self._runtime.predict(given))

    def evaluate(
        self,
        rows: Given,
        *,
        text: str | tuple[str, str] | None = None,
        label: str | list[str] | None = None,
        score: str | None = None,
        tokens: str | None = None,
        tags: str | None = None,
    ) -> dict[str, float]:
        """Scores on labelled rows: every measure of the task, by its name.

        Args:
            rows: As `data` of `fit`. Columns are as there unless told; of a loaded agent, `label`,
                `score` and `tags` are "label" and "tags" unless told.
            text, label, score, tokens, tags: As for `fit`.

        Raises:
            DataError: No rows, many that are refused, or a label that the agent does not know.
        """
        from bertworks.facade import scoring

        told = {"text": text, "label": label, "score": score, "tokens": tokens, "tags": tags}
        like = settings.source_like(self.spec, self._columns)
        return scoring.scores(self._runtime, rows, told, like)

    @property
    def metrics(self) -> dict[str, float]:
        """What the bundle scored on the test rows of the run that made it.

        Raises:
            ArtifactError: It was loaded from a lone folder, which has no scores.
        """
        if self._metrics is None:
            raise ArtifactError(
                f"{self.path} holds the agent alone, not what it scored.",
                "Load it by its name in the model store, or ask agent.evaluate(rows).",
            )
        return {one.name: one.value for one in overall(METRICS.read(self._metrics)).values()}

    @property
    def report(self) -> Report:
        """The report of the run that made it; of a loaded agent, what the store knows of it."""
        if self._report is None or not self._report.is_file():
            self._folder = Scratch()  # as long as the agent lives
            parts = {"bundle": self.path, "bundle_metrics": self._metrics}
            known = {name: str(path) for name, path in parts.items() if path is not None}
            self._report = Path(self._folder.name) / "report.html"
            build(self.record or {"name": self.name, "artifacts": known}, self._report)
        return Report(self._report)

    def save(self, path: PathLike | None = None) -> Path:
        """Copies the bundle into a folder, which `load` and `bertworks serve` take.

        Args:
            path: The folder; NAME-VERSION in the working folder unless told. A bundle that is there
                is replaced in one piece.

        Raises:
            ArtifactError: Something else is there.
        """
        number = "" if self.version is None else f"-{self.version}"
        folder = Path(f"{self.name}{number}" if path is None else path)
        _check_free(folder)
        copy_artifact(open_artifact(self.path, "bundle"), folder)
        return folder

    def serve(
        self,
        port: int | None = None,
        host: str = "127.0.0.1",
        threads: int | None = None,
        *,
        open: bool = False,
    ) -> Server:
        """Serves it over HTTP, in a process of its own that ends with this one.

            server = agent.serve(port=8080)      # returns when it answers
            server.stop()                        # or server.wait(), in a program

        Args:
            port: The port; the spec's serve.port unless told. 0: a free one, see the server's url.
            host: This machine alone unless told; "0.0.0.0" for all, with `open=True`.
            threads: CPU threads of one forward pass; the spec's serve.threads unless told.
            open: Whether whoever reaches the host may ask. A server that asks for keys is started with
                `bertworks serve --keys`.

        Raises:
            EnvironmentFault: It cannot listen there, or others could ask and nobody said `open`.
            SpecError: The port or the threads are no such number.
        """
        if port is None:
            port = self._runtime.info.port
        server = Server(self.path, host, port, threads, "agent", everybody=open)
        self._servers.append(server)  # it ends with its handle, which a cell may throw away
        return server

    def __repr__(self) -> str:
        version = "" if self.version is None else f"/{self.version}"
        labels = f", {len(self.labels)} labels" if self.labels else ""
        return f"<Agent {self.name}{version}: {self.task.kind.type}{labels}>"


def _check_free(folder: Path) -> None:
    """Raises where something is at a place that is no bundle, which may be replaced."""
    if folder.is_dir() and any(folder.iterdir()):
        try:
            open_artifact(folder, "bundle", verify=False)
            return
        except ArtifactError:
            pass
    elif folder.is_dir() or not folder.exists():
        return
    raise ArtifactError(f"{folder} is there already, and is no bundle.", "Name another folder.")
