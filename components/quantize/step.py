"""Quantize: builds candidate graphs, measures each, and bundles the fastest accurate one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.artifacts import Artifact, open_artifact, write, write_json
from bertworks.compression import quantization
from bertworks.compression.builders import Source
from bertworks.compression.quantization import Rows
from bertworks.cpus import available_threads
from bertworks.errors import DataError
from bertworks.spec import Quantize, Task
from bertworks.tasks import for_task


def run(section: dict[str, Any], *, model: Path, tokens: Path, bundle: Path) -> dict[str, Any]:
    """Writes the bundle.

    Args:
        section: The spec's `task` and `quantize`.
        model: A model artifact with a head.
        tokens: The tokens artifact: train rows calibrate, validation rows measure.
        bundle: Where the bundle artifact is written.
    """
    settings, task = (
        Quantize.model_validate(section["quantize"]),
        Task.model_validate(section["task"]),
    )
    source_model, rows = open_artifact(model, "model"), open_artifact(tokens, "tokens")
    agent, info = source_model.json("agent.json"), rows.json("info.json")
    handler = for_task(task, agent)
    source = Source.read(source_model, info["special"]["pad"])

    calibration, _ = _rows(rows, "train", settings.calibration_rows, settings.seed, None)
    validation, targets = _rows(
        rows, "validation", settings.measure_rows, settings.seed, handler.target_column
    )
    metadata: dict[str, Any] = {}
    parents = {"model": source_model, "tokens": rows}
    with (
        write(
            bundle, kind="bundle", producer="quantize", parents=parents, metadata=metadata
        ) as out,
        tempfile.TemporaryDirectory() as work,
    ):
        candidates = quantization.compress(
            source, settings, calibration, validation,
            lambda logits: handler.metric(None, targets, logits), Path(work),
        )  # fmt: skip
        chosen = next(one for one in candidates if one.chosen)
        quantization.take(chosen, out)
        shutil.copy(source_model / "tokenizer.json", out / "tokenizer.json")
        table = [one.to_json() for one in candidates]
        lineage = {name: parent.digest for name, parent in parents.items()}
        own = {
            "engine": chosen.engine,
            "candidates": table,
            "parents": lineage,
            "serve": section.get("serve", {}),
        }
        write_json(out / "agent.json", {**agent, **own})
        threads = settings.threads or available_threads()
        view = quantization.page(candidates, handler.default_metric, threads)
        (out / "candidates.html").write_text(view, encoding="utf-8")
        metrics = _metrics(candidates[0], chosen, out)
        metadata.update(engine=chosen.name, metrics=metrics)
    return {"metrics": metrics, "html": "candidates.html", "confusion": None}


def _rows(
    tokens: Artifact, split: str, count: int, seed: int, target: str | None
) -> tuple[Rows, list[Any]]:
    """A random sample of a split (the same for equal seeds), and its targets."""
    import pyarrow.parquet as pq

    files = sorted((tokens / split).glob("part-*.parquet"))
    columns: dict[str, list[Any]] = {}
    for file in files:
        for name, values in pq.read_table(file).to_pydict().items():
            columns.setdefault(name, []).extend(values)
    ids = columns.get("input_ids", [])
    if not ids:
        raise DataError(
            f"{tokens.path} has no {split} rows, which quantization needs.",
            f"Give more data, or raise data.{split} in the spec."
            if split != "train"
            else "Give more data.",
        )
    places = np.random.default_rng(seed).permutation(len(ids))[:count]

    def take(name: str | None) -> list[Any] | None:
        return [columns[name][place] for place in places] if name in columns else None

    return Rows(take("input_ids") or [], take("type_ids")), take(target) or []


def _metrics(
    baseline: quantization.Candidate, chosen: quantization.Candidate, bundle: Path
) -> dict[str, float]:
    """What the step reports: the chosen graph against the float32 one."""
    size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
    return {
        "size_mb": size / 1e6,
        "latency_ms": chosen.latency_ms or 0.0,
        "p95_ms": chosen.p95_ms or 0.0,
        "rows_per_second": chosen.rows_per_second or 0.0,
        "speedup": (chosen.rows_per_second or 0.0) / (baseline.rows_per_second or 1.0),
        "metric": chosen.metric or 0.0,
        "metric_drop": (baseline.metric or 0.0) - (chosen.metric or 0.0),
    }
