"""`bertworks.Agent`: made, asked, measured, kept and served from Python."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path
from typing import Any

from bertworks.contracts.files import to_json
from bertworks.errors import BertworksError, GateRefused
from bertworks.facade import inferring, settings
from bertworks.facade.advice import for_python
from bertworks.facade.given import Given
from bertworks.facade.loaded import LoadedAgent, PathLike
from bertworks.spec import AgentSpec
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import REFUSED, Store, Version


class Agent(LoadedAgent):
    """An agent: made by `fit`, or loaded by `load`.

    >>> agent = Agent.load("sentiment")  # a bundle's folder, or a name in the model store
    >>> agent
    <Agent sentiment: classification, 2 labels>
    >>> answers = agent.predict(["good film", "bad story"])
    >>> [sorted(answer) for answer in answers]
    [['label', 'score', 'scores', 'truncated'], ['label', 'score', 'scores', 'truncated']]

    A DataFrame comes back as one, with the same index:

    >>> import pandas
    >>> rows = pandas.DataFrame({"text": ["good film", "so so"]}, index=[7, 8])
    >>> list(rows.join(agent.predict(rows)).columns)
    ['text', 'label', 'score', 'scores', 'truncated']

    What it is worth on rows of one's own, and a copy of it elsewhere:

    >>> scores = agent.evaluate([{"text": "good film", "label": "positive"}])
    >>> 0.0 <= scores["accuracy"] <= 1.0
    True
    >>> Agent.load(agent.save("copies/sentiment")).predict(["good film"]) == answers[:1]
    True

    Attributes:
        name: The agent's name; of a lone bundle, its folder's.
        version: Its number in the model store; None where it is a lone bundle.
        path: The bundle's folder.
        spec: What it was made from; None where it was loaded.
        record: The run that made it, as run.json has it; None where it was loaded.
    """

    @classmethod
    def fit(
        cls,
        data: Given = None,
        *,
        text: str | tuple[str, str] | None = None,
        label: str | list[str] | None = None,
        score: str | None = None,
        tokens: str | None = None,
        tags: str | None = None,
        extra: str | list[str] | None = None,
        validation: Given = None,
        test: Given = None,
        spec: settings.Spec | None = None,
        name: str | None = None,
        root: PathLike | None = None,
        cache: bool = True,
        progress: bool = True,
        **setting: Any,
    ) -> Agent:
        """Makes an agent: the whole DAG of `bertworks run`, with its cache, gates, store and report.

            agent = Agent.fit("reviews.csv", text="review", label="stars")
            agent = Agent.fit(frame, text=("question", "answer"), label="fits", max_length=64)
            agent = Agent.fit(rows, score="rating", finetune={"epochs": 3}, test=other_rows)
            agent = Agent.fit("reviews.csv", tune={"minutes": 20})  # searches the settings
            agent = Agent.fit("news.jsonl", tokens="words", tags="entities", minimum=0.8)
            agent = Agent.fit(spec="reviews.yaml", set={"finetune.epochs": 1})

        The same call again takes what is finished from the cache, and one that was interrupted goes on
        from its last checkpoint. It may be called from any thread; two at once need a `root` each.

        Args:
            data: The rows: a path, glob or URI (csv, tsv, jsonl, parquet, arrow, conll; see the spec's
                data.sources[].uri), a DataFrame or another Arrow table, or a list of dicts. A spec
                (an AgentSpec, a path that ends in .yaml) is taken for `spec`.
            text: The text's column, "text" unless told; two of them for a task on pairs. Where no column
                is named and the rows have no `text` and `label`, columns and task are found as
                `bertworks init` finds them; what had to be guessed is warned of.
            label: The column of the label, "label" unless told, or of several in one cell with
                `multi_label=True`; a list of columns of 0 and 1, each of which is a label. Labels are
                texts: of the numbers 1 to 5 they are "1" to "5".
            score: The column of a number: the agent learns to give it (regression).
            tokens: The column with lists of words, for tagging; with `label`, the intent, for
                understanding.
            tags: The column with a tag a word, likewise.
            extra: More columns to keep, for `evaluate={"slices": [...]}`.
            validation: The share of the rows (0.1 unless told) for choosing the best epoch and
                candidate, or rows of their own.
            test: The share of the rows (0.1 unless told) that is measured on, or rows of their own.
            spec: What to start from: an AgentSpec, a mapping, or the path of a YAML file. With `data`,
                those rows are read as its first source says.
            name: The agent's name in the store; the file's unless told, or "agent".
            root: The folder of runs, artifacts and models; BERTWORKS_ROOT or .bertworks unless told.
            cache: Whether steps that were done before on the same are taken from then.
            progress: Whether to show what is going on.
            **setting: Settings of the spec: a section as a mapping, `gates={"minimum": 0.9}`; one with
                its section before it, `gates__minimum=0.9`; by their own name max_length, long_text,
                max_windows, multi_label, max_rows, minutes (of the whole run), epochs,
                learning_rate, batch_size, speedup, metric, minimum, max_latency_ms and
                max_size_mb; `base="..."`, `task="tagging"`; and any, over all others, in
                `set={"finetune.epochs": 1}`.

        Raises:
            SpecError: A setting is not known or breaks a rule.
            DataError: The rows are no rows, lack a column, or are too few.
            GateRefused: A gate refused the agent; the error's `agent` is it nevertheless.
            StepFailed: A step failed: its `step`, `reason`, `fix` and `log` say which, why, what to do
                and where to read more.
            KeyboardInterrupt: Ctrl-C; the run was ended, and the same call goes on from there.
            SystemExit: SIGTERM or SIGHUP, likewise, where it is called in the main thread.
        """
        pipelines = _pipelines("pipelines.facade")
        place = None if root is None else os.fspath(root)
        columns = {
            "text": text, "label": label, "score": score, "tokens": tokens, "tags": tags,
            "extra": extra,
        }  # fmt: skip
        try:
            rows = pipelines.rows_folder(place)
            if (
                spec is None
                and not settings.is_spec(data)
                and inferring.nothing_is_said(data, columns, setting)
            ):
                data, spec = inferring.inferred(data, rows, progress)
            loaded = settings.spec_of(
                data,
                spec=spec,
                name=name,
                columns=columns,
                shares={"validation": validation, "test": test},
                settings=setting,
                rows=rows,
            )
            ended = pipelines.run_here(loaded, place, cache=cache, progress=progress)
        except BertworksError as error:
            for_python(error)
            raise
        if isinstance(ended.error, GateRefused) and "bundle" in ended.run.artifacts:
            ended.error.agent = cls._of_run(ended, loaded.spec, pipelines.models_of(place))
        if ended.error is not None:
            raise for_python(ended.error) from None
        return cls._of_run(ended, loaded.spec, pipelines.models_of(place))

    @classmethod
    def load(
        cls,
        agent: PathLike | None = None,
        *,
        store: PathLike | None = None,
        root: PathLike | None = None,
        threads: int | None = None,
        max_batch: int = 32,
    ) -> Agent:
        """Loads an agent; TensorFlow is not needed.

        Args:
            agent: A bundle's folder (as `save` writes it, or as a server has it), or NAME (the
                champion), NAME/VERSION or NAME/latest of the model store; None: the newest champion.
            store: The model store, a folder or bucket; the root's unless told.
            root: As for `fit`.
            threads: CPU threads of one forward pass; None: all that may be used.
            max_batch: Rows that one forward pass takes, at most.

        Raises:
            ArtifactError: It is damaged, or no bundle.
            BertworksError: There is no such agent.
        """
        named = None if agent is None else os.fspath(agent)
        if named is not None and Path(named).is_file():
            raise BertworksError(
                f"{named} is a file, not an agent.",
                "Name the bundle's folder, or NAME or NAME/VERSION in the model store; an agent is "
                "made of rows by Agent.fit, and asked by predict.",
            )
        if named is not None and (Path(named) / "manifest.json").is_file():
            name = Path(named).resolve().name
            return cls(Path(named), name=name, threads=threads, max_batch=max_batch)
        try:
            kept = Store(os.fspath(store) if store is not None else _models(root))
            found = _pipelines("pipelines.cli.served").find(named, kept)
            return cls._of_version(found, kept, threads, max_batch)
        except BertworksError as error:
            for_python(error)
            raise

    @classmethod
    def _of_run(cls, ended: Any, spec: AgentSpec, models: str) -> Agent:
        """The agent that a run left, in the store or out of it."""
        artifacts = ended.run.artifacts
        bundle, store = open_artifact(artifacts["bundle"], "bundle"), Store(models)
        same = [one.number for one in store.list(spec.name) if one.digest == bundle.digest]
        return cls(
            store.fetch(spec.name, same[-1]).path if same else bundle.path,
            name=spec.name,
            version=same[-1] if same else None,
            metrics=Path(artifacts["bundle_metrics"]),
            spec=spec,
            record=to_json(ended.run),
            report=ended.run.folder / "report.html",
        )

    @classmethod
    def _of_version(
        cls, found: Version, store: Store, threads: int | None, max_batch: int
    ) -> Agent:
        if found.state == REFUSED:
            warnings.warn(
                f"{found.name}/{found.number} is refused: its gates did not pass.", stacklevel=3
            )
        return cls(
            store.fetch(found.name, found.number).path,
            name=found.name,
            version=found.number,
            metrics=store.fetch(found.name, found.number, "metrics").path,
            store=store,
            threads=threads,
            max_batch=max_batch,
        )


def _pipelines(module: str) -> Any:
    # By name, when it is asked for: the library stands below the pipelines, and a server has no kfp.
    return importlib.import_module(module)


def _models(root: PathLike | None) -> str:
    place = None if root is None else os.fspath(root)
    return str(_pipelines("pipelines.local.root").find_root(place).models)
