"""The process that runs kfp.local: `python -m pipelines.local.child RUN_FOLDER`.

kfp.local runs a pipeline inside the calling process and prints as it goes; a process of its own keeps
that output in a file and lets the command line draw the progress.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from bertworks import progress
from bertworks.errors import BertworksError
from components.launch import BOX, RUNNER, die_with_runner
from pipelines.local.root import Root
from pipelines.local.spare import EXECUTING, Spares

CACHE_HIT = re.compile(r"Task (\S+) cache hit \(key=([0-9a-f]+)\)")
FOLDER = "system.Artifact"
ANSWER = "Output"  # KFP's name of what a component returns


class CacheHits(logging.Handler):
    """Turns KFP's log line on a cache hit into an event with the cached outputs' paths.

    Args:
        cache_root: Where KFP keeps what tasks gave.
        boxes: KFP's names of the tasks to the boxes'.
    """

    def __init__(self, cache_root: Path, boxes: Mapping[str, str]) -> None:
        super().__init__(logging.INFO)
        self.cache_root = cache_root
        self.boxes = boxes

    def emit(self, record: logging.LogRecord) -> None:
        found = CACHE_HIT.match(record.getMessage())
        if not found:
            return
        task, key = found.groups()
        (entry,) = self.cache_root.glob(f"{key}*.json")
        given = json.loads(entry.read_text("utf-8"))
        kept = [one for one in given.items() if _is_artifact(one[1])]
        kinds = {value["schema_title"]: value["uri"] for _, value in kept}
        outputs = {n: value["uri"] for n, value in kept if value["schema_title"] == FOLDER}
        facts = {"answer": given.get(ANSWER, ""), **_reported(kinds.get("system.Metrics", ""))}
        name = self.boxes.get(task, task)
        progress.emit(
            {"event": "step", "step": name, "state": "cached", "outputs": outputs, **facts}
        )


class Named(logging.Filter):
    """Says in the environment of each step that KFP starts which box it is.

    A filter, not a handler: KFP takes the root logger's handlers away while a step runs.

    Args:
        boxes: KFP's names of the tasks to the boxes'.
    """

    def __init__(self, boxes: Mapping[str, str]) -> None:
        super().__init__()
        self._boxes = boxes

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line pass."""
        if found := EXECUTING.search(record.getMessage()):
            os.environ[BOX] = self._boxes.get(found[1], found[1])
        return True


def _is_artifact(value: object) -> bool:
    return isinstance(value, dict) and "schema_title" in value


def _reported(file: str) -> dict[str, object]:
    """What the step said when it ran: its numbers, its notices, and the time that it took then."""
    try:
        said = json.loads(Path(file).read_text(encoding="utf-8"))
        return {
            "metrics": said["metrics"],
            "notices": said["notices"],
            "made_in_seconds": said["seconds"],
        }
    except (OSError, ValueError, KeyError, TypeError):  # gone, or of an earlier version
        return {}


def main(folder: Path) -> None:
    """Runs the pipeline that `plan.json` in the run's folder describes."""
    die_with_runner()
    os.environ[RUNNER] = str(os.getpid())
    warnings.filterwarnings("ignore", module="kfp.*")
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    spares = Spares(plan["imports"])

    from kfp import local

    from pipelines.local.pacing import Pace, Paced
    from pipelines.planned import of_json
    from pipelines.wiring import box_of_task, build

    root = Root(Path(plan["root"]))
    cache_root = root.pipeline_root / "cache"
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root.pipeline_root),
        raise_on_error=True,
        enable_caching=plan["cache"],
        cache_root=str(cache_root),
    )
    dag = of_json(plan["dag"])
    component = build(dag, plan["sections"])
    boxes = box_of_task(component.pipeline_spec)
    spares.boxes = boxes
    logging.getLogger().addHandler(CacheHits(cache_root, boxes))
    logging.getLogger().setLevel(logging.INFO)
    if plan.get("until"):
        pace = Pace(dag.boxes, plan["until"], again=plan["again"])
        logging.getLogger().addFilter(Paced(pace, boxes))
    logging.getLogger().addFilter(spares)
    logging.getLogger().addFilter(Named(boxes))
    try:
        with spares.in_place_of_python():
            component()
    finally:
        spares.close()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BertworksError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
