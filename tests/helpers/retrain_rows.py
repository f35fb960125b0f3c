"""Examples artifacts and stores for the retraining tests, made in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bertworks.contracts.decision import Decision
from bertworks.contracts.files import to_json
from bertworks.contracts.metrics import Metric
from bertworks.contracts.versions import Made
from bertworks.data.rows.shards import ShardWriter, examples_schema
from bertworks.data.rows.split import content_id, split_of
from bertworks.spec import Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store

SPLITS = ("train", "validation", "test")
PASSED = Decision(True, "accuracy", [], [])


def row(text: str, label: str, **more: Any) -> dict[str, Any]:
    """A row with the id of its content."""
    return {"id": content_id(text), "text": text, "label": label, "source": "made", **more}


def made_rows(count: int, start: int = 0, word: str = "plot") -> list[dict[str, Any]]:
    """Rows of two labels."""
    numbers = range(start, start + count)
    return [row(f"the {word} number {n} was here", "np"[n % 2]) for n in numbers]


def write_examples(
    path: Path,
    rows: Iterable[dict[str, Any]],
    task: Task | None = None,
    split: str | None = None,
    extra: tuple[str, ...] = (),
    clean: dict[str, Any] | None = None,
) -> Artifact:
    """An examples artifact; rows go by their hash (a fifth to validation, a fifth to test)."""
    task, kept = task or Task(), sorted(rows, key=lambda one: one["id"])
    counts = {}
    with artifacts.write(path, kind="examples", producer="test") as folder:
        for name in SPLITS:
            with ShardWriter(folder / name, examples_schema(task, list(extra))) as writer:
                for one in kept:
                    if (split or split_of(one["id"], "", 0.2, 0.2)) == name:
                        writer.add(one)
            counts[name] = writer.rows
        info = {
            "task": task.model_dump(mode="json"), "rows": counts, "labels": [],
            "extra": list(extra), "read": len(kept), "duplicates": 0, "conflicts": 0,
            "left_out": 0, "rejected": 0, "sources": [],
            **({"clean": clean} if clean else {}),
        }  # fmt: skip
        artifacts.write_json(folder / "info.json", info)
    return open_artifact(path, "examples")


def splits_of(examples: Artifact) -> dict[str, str]:
    """Id to split."""
    from bertworks.retraining.rows import rows_of

    return {one["id"]: split for split in SPLITS for one in rows_of(examples, split)}


def small_artifact(path: Path, kind: str, files: dict[str, Any], **more: Any) -> Artifact:
    """An artifact with JSON files."""
    with artifacts.write(path, kind=kind, producer="test", **more) as folder:
        for name, value in files.items():
            artifacts.write_json(folder / name, value)
    return open_artifact(path, kind)


def keep_version(
    store: Store,
    folder: Path,
    number: int,
    parts: dict[str, Artifact],
    made: Made | None = None,
    promote: bool = True,
    metrics: Sequence[Metric] = (),
) -> None:
    """Adds a version without a real bundle to a store."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = small_artifact(folder / f"bundle{number}", "bundle", {"agent.json": number})
    scored = small_artifact(
        folder / f"metrics{number}", "metrics", {"metrics.json": [to_json(one) for one in metrics]},
        parents={"agent": bundle},
    )  # fmt: skip
    version = store.add(bundle, "tiny", PASSED, scored, parts, made)
    if promote:
        store.promote("tiny", version.number)
