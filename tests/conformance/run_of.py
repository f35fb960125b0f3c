"""One small run of every step, made once for all tests of a task."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertworks.contracts.tokens import TOKENS
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.weights import save_folder
from bertworks.pages.report import page as report
from bertworks.runtime.agent import Agent
from bertworks.serving.assembly import Serving
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.spec import AgentSpec
from bertworks.spec import file as spec_file
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.text.wordpiece import train
from components.contract import StepResult
from pipelines.dag import Dag
from pipelines.site import Kubeflow
from tests.helpers import quick
from tests.helpers.steps import (
    evaluate,
    finetune,
    gate,
    ingest,
    prune,
    quantize,
    transform,
    validate,
)

ROWS = 150
MAX_LENGTH = 24
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A task, and rows that it can learn from.

    Attributes:
        task: The spec's task section, without max_length.
        row: A source's row, drawn at random; what is learned follows from its words.
        learns: What the run's metric must reach on the validation rows: at least, or where lower is
            better at most. None: this small run says nothing; another test shows that it learns.
        finetune: Settings that it learns better with.
        more: Sections of the spec that stand for those of every case.
        base: Writes the encoder to start from into a folder, for the texts of some rows; None: a BERT.
    """

    task: Row
    row: Callable[[random.Random], Row]
    learns: float | None
    finetune: Row = field(default_factory=dict)
    more: Row = field(default_factory=dict)
    base: Callable[[Path, list[str]], None] | None = None


class Run:
    """The artifacts of a run, each made when it is first asked for."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        stream = random.Random(7)
        self.rows = [case.row(stream) for _ in range(ROWS)]
        lines = [json.dumps(row) for row in self.rows]
        (folder / "rows.jsonl").write_text("\n".join(lines))
        (case.base or _write_base)(folder / "start", lines)
        (folder / "spec.yaml").write_text(yaml.safe_dump(self._spec()))
        self.results: dict[str, StepResult] = {}

    def _spec(self) -> Row:
        quick = {"precision": "float32", "batch_size": 16, "learning_rate": 5e-3}
        return {
            "name": "one",
            "task": {"max_length": MAX_LENGTH, **self.case.task},
            "data": {
                "sources": [{"uri": "rows.jsonl"}],
                "validation": 0.2,
                "test": 0.25,
                "conflicting_labels": "majority",
            },
            "base": {"uri": "start"},
            "validate": {"checks": {"near_duplicates": "ignore", "leakage": "ignore"}},
            "finetune": {**quick, "epochs": 12, "patience": 50, **self.case.finetune},
            "evaluate": {"bootstrap": 40, "slices": []},
            "compress": {
                "prune": {**quick, "epochs": 1, "speedup": 1.1, "importance_rows": 16},
                "quantize": {
                    "candidates": ["onnxruntime-int8"],
                    "max_drop": 1.0,
                    "measure_rows": 16,
                    "calibration_rows": 16,
                },
            },
            "gates": {"beat_floor": False, "max_drop": 1.0},
            **self.case.more,
        }

    @cached_property
    def loaded(self) -> spec_file.SpecFile:
        """The spec."""
        return spec_file.load(self.folder / "spec.yaml", [])

    @property
    def spec(self) -> AgentSpec:
        """The spec's sections."""
        return self.loaded.spec

    def settings(self, *changes: str) -> dict[str, Row]:
        """What each step is told, with changes to the spec."""
        loaded = spec_file.load(self.folder / "spec.yaml", list(changes))
        made = Dag(loaded.spec, Kubeflow(str(self.folder / "store"))).sections()
        found = {step: json.loads(section)["settings"] for step, section in made.items()}
        found["ingest"]["spec_folder"] = str(self.folder)
        return found

    @property
    def handler(self) -> TaskHandler:
        """The task, with the labels that the run has found."""
        known = TOKENS.read(self.tokens)
        return for_task(self.spec.task, known.labels, known.score, self.spec.metric)

    def _step(self, step: Any, name: str, inputs: dict[str, Artifact], *outputs: str) -> Artifact:
        """Times are no concern of these tests, and no kernel is worth compiling for such a run."""
        paths = {one: self.folder / f"{name}-{one}" for one in outputs}
        given = {one: artifact.path for one, artifact in inputs.items()}
        with pytest.MonkeyPatch.context() as patch:
            quick.few_rows_timed(patch.setattr)
            quick.uncompiled(patch.setattr)
            self.results[name] = step(self.settings()[name], **given, **paths)
        return open_artifact(paths[outputs[0]])

    @cached_property
    def examples(self) -> Artifact:
        """What ingest made."""
        return self._step(ingest, "ingest", {}, "examples", "corpus", "rejected", "base")

    def _beside(self, name: str) -> Artifact:
        return open_artifact(self.examples.path.with_name(f"ingest-{name}"))

    @cached_property
    def statistics(self) -> Artifact:
        """What validate made."""
        inputs = {"examples": self.examples, "base": self._beside("base")}
        return self._step(validate, "validate", inputs, "statistics")

    @cached_property
    def tokens(self) -> Artifact:
        """What transform made."""
        inputs = {"examples": self.examples}
        inputs |= {name: self._beside(name) for name in ("corpus", "base")}
        return self._step(transform, "transform", inputs, "tokens")

    @cached_property
    def model(self) -> Artifact:
        """What finetune made."""
        inputs = {"tokens": self.tokens, "initial": self._beside("base")}
        return self._step(finetune, "finetune", inputs, "model")

    @cached_property
    def metrics(self) -> Artifact:
        """What evaluate says of the model."""
        return self._step(evaluate, "evaluate", self._rows(agent=self.model), "metrics")

    @cached_property
    def pruned(self) -> Artifact:
        """What prune made."""
        inputs = {"model": self.model, "tokens": self.tokens}
        return self._step(prune, "prune", inputs, "pruned")

    @cached_property
    def bundle(self) -> Artifact:
        """What quantize made."""
        inputs = {"model": self.pruned, "tokens": self.tokens}
        return self._step(quantize, "quantize", inputs, "bundle")

    @cached_property
    def bundle_metrics(self) -> Artifact:
        """What evaluate says of the bundle."""
        return self._step(evaluate, "evaluate-bundle", self._rows(agent=self.bundle), "metrics")

    @cached_property
    def decision(self) -> Artifact:
        """What the gate decides."""
        inputs = {
            "bundle": self.bundle, "bundle_metrics": self.bundle_metrics,
            "model_metrics": self.metrics, "examples": self.examples,
        }  # fmt: skip
        return self._step(gate, "gate", inputs, "decision")

    def _rows(self, **agent: Artifact) -> dict[str, Artifact]:
        return {**agent, "examples": self.examples, "tokens": self.tokens}

    @cached_property
    def agent(self) -> Agent:
        """The bundle, loaded."""
        return Agent.load(self.bundle.path)

    @cached_property
    def app(self) -> Any:
        """What serves the bundle, to be asked in this process."""
        serving = Serving.of(threads=1)
        identity = BundleIdentity(self.bundle.digest, 1)
        bundle = LoadedBundle(self.agent, identity, serving.models.batcher, "one")
        serving.models.add(ServedModel("one", OneBundle(bundle)))
        return serving.application()[0]

    @cached_property
    def report(self) -> str:
        """The report of the run."""
        made = {
            "examples": self.examples, "statistics": self.statistics, "tokens": self.tokens,
            "model": self.model, "model_metrics": self.metrics, "pruned": self.pruned,
            "bundle": self.bundle, "bundle_metrics": self.bundle_metrics,
            "decision": self.decision,
        }  # fmt: skip
        out = self.folder / "report.html"
        paths = {name: str(artifact.path) for name, artifact in made.items()}
        report.build({"name": "one", "artifacts": paths}, out)
        return out.read_text(encoding="utf-8")


def _write_base(folder: Path, texts: list[str]) -> None:
    """An encoder with random weights, and a vocabulary of the rows' words."""
    folder.mkdir()
    tokenizer = train(texts, 200, True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = EncoderConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_heads=(2, 2), head_size=8,
        intermediate_sizes=(32, 32), max_positions=MAX_LENGTH,
    )  # fmt: skip
    fresh = initialize(encoder_shapes(config), seed=1)
    # Louder than BERT starts: a model this small learns from it in a few steps.
    weights = {name: 10 * x if x.ndim == 2 else x for name, x in fresh.items()}
    save_folder(folder, config, weights, Head("encoder"))
