"""A finished run of the TFX DAG, and tiny agents of other tasks."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml
from tiny_agent import SPEC

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Run:
    """A finished run of the TFX DAG."""

    folder: Path
    done: Done

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def lineage(self):
        from pipelines.tfx.lineage import Lineage

        return Lineage(self.root / "metadata.sqlite")

    def first(self, box: str, kind: str | None = None) -> Path:
        """Where the first artifact of a box lies: tests add runs to the same root."""
        return Path(self.lineage.of_box(box, kind)[0].uri)

    def pushed(self) -> list[Path]:
        return sorted((self.root / "serving").glob("*/*"))


def write_agent(folder: Path, rows: list[dict], task: dict, **changes: dict) -> None:
    """A tiny agent of another task, its rows as JSON lines."""
    spec = yaml.safe_load(SPEC)
    spec["task"] = {"max_length": 32, **task}
    spec["data"]["sources"] = [{"uri": "rows.jsonl", "license": "made up"}]
    spec["compress"]["prune"]["enabled"] = False
    spec["gates"] = {"max_drop": 1.0, "beat_floor": False}
    spec["evaluate"]["slices"] = ["length", "source"]
    for section, values in changes.items():
        spec[section] = {**spec.get(section, {}), **values}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
