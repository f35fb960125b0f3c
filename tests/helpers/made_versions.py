"""Bundles of tiny random models with known answers, and model stores that hold them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from bertworks.compression.builders import Source
from bertworks.contracts.agent import AGENT
from bertworks.contracts.decision import Decision
from bertworks.contracts.known import KNOWN
from bertworks.contracts.upgrades import Arm, CanaryRecord, Figure
from bertworks.models.weights import save_folder
from bertworks.runtime import known
from bertworks.spec import Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact, write_json
from bertworks.storage.store import Store
from bertworks.tasks import for_task
from tests.helpers.tiny_model import config, make_model, random_weights, tokenizer

PASSED = Decision(True, "accuracy", [], [])
LABELS = ["bad", "good"]
CLASSIFICATION = {"type": "classification"}


class Versions:
    """Makes each bundle once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def bundle(self, seed=0, task=None, labels=LABELS, *, answers=True, serve=None, damage=None):
        """A bundle's folder; `damage(folder)` changes it before its manifest is written."""
        task = task or CLASSIFICATION
        named = json.dumps([seed, task, labels, answers, serve, damage and damage.__name__])
        folder = self.root / f"bundle-{hashlib.sha256(named.encode()).hexdigest()[:12]}"
        if not folder.exists():
            self._write(folder, seed, task, labels, answers, serve, damage)
        return folder

    def store(self, uri, *bundles, champion=1, name="mood"):
        """A store that holds bundles as versions 1, 2, …"""
        kept = Store(uri)
        for folder in bundles:
            self.add(kept, folder, name)
        if champion:
            kept.promote(name, champion)
        return kept

    def add(self, store, folder, name="mood"):
        """One more version; returns its number."""
        bundle = open_artifact(folder, "bundle")
        metrics = self.root / f"metrics-{bundle.digest[:12]}"
        if not metrics.exists():
            with artifacts.write(
                metrics, kind="metrics", producer="test", parents={"agent": bundle}
            ) as out:
                entry = {"name": "accuracy", "value": 0.9, "slice": "", "rows": 9}
                write_json(out / "metrics.json", [entry])
        return store.add(bundle, name, PASSED, open_artifact(metrics)).number

    def _write(self, folder, seed, task, labels, answers, serve, damage):
        model = make_model(folder.with_name(f"{folder.name}-model"), task, labels)
        _reseed(model, task, labels, seed)
        source = open_artifact(model, "model")
        with artifacts.write(
            folder, kind="bundle", producer="quantize", measured=[KNOWN.name]
        ) as out:
            graph = Source.read(source).graph("float32").SerializeToString()
            (out / "model.onnx").write_bytes(graph)
            shutil.copy(source / "tokenizer.json", out)
            engine = {"name": "onnxruntime", "file": "model.onnx", "options": {}}
            own = {"engine": engine, **({"serve": serve} if serve else {})}
            write_json(out / "agent.json", {**source.json("agent.json"), **own})
            if answers:
                KNOWN.write(out, known.answers_of(out, AGENT.read(out), 1))
            if damage:
                damage(out)


def record(store, outcome="promoted"):
    """What a trial of version 2 of `mood` against version 1 came to."""
    first, second = store.show("mood", 1), store.show("mood", 2)
    figure = Figure("errors", 0.01, -0.001, -0.02, 0.01, 900, 0.0, 1.4)
    return CanaryRecord(
        "mood", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05Z", outcome, "All limits are kept.",
        Arm(1, first.digest, 9000, 3, 0.004), Arm(2, second.digest, 1000, 0, 0.003), [figure],
    )  # fmt: skip


def _reseed(folder, task, labels, seed):
    """Other weights in a model that was just made; its manifest is written anew."""
    head = for_task(Task.model_validate({"max_length": 16, **task}), labels).head()
    agent = json.loads((folder / "agent.json").read_text())
    shutil.rmtree(folder)
    with artifacts.write(folder, kind="model", producer="finetune") as out:
        save_folder(out, config(), random_weights(config(), head, seed), head)
        tokenizer().save(str(out / "tokenizer.json"))
        write_json(out / "agent.json", agent)
