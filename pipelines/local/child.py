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
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.errors import BertworksError
from components.launch import RUNNER, die_with_runner
from pipelines.local.root import Root
from pipelines.local.spare import Spares

CACHE_HIT = re.compile(r"Task (\S+) cache hit \(key=([0-9a-f]+)\)")
FOLDER = "system.Artifact"


class CacheHits(logging.Handler):
    """Turns KFP's log line on a cache hit into an event with the cached outputs' paths."""

    def __init__(self, cache_root: Path) -> None:
        super().__init__(logging.INFO)
        self.cache_root = cache_root

    def emit(self, record: logging.LogRecord) -> None:
        found = CACHE_HIT.match(record.getMessage())
        if not found:
            return
        task, key = found.groups()
        (entry,) = self.cache_root.glob(f"{key}*.json")
        kept = [one for one in json.loads(entry.read_text("utf-8")).items() if _is_artifact(one[1])]
        kinds = {value["schema_title"]: value["uri"] for _, value in kept}
        outputs = {n: value["uri"] for n, value in kept if value["schema_title"] == FOLDER}
        task = "evaluate-bundle" if task == "evaluate-2" else task
        facts = _reported(kinds.get("system.Metrics", ""))
        progress.emit(
            {"event": "step", "step": task, "state": "cached", "outputs": outputs, **facts}
        )


def _is_artifact(value: object) -> bool:
    return isinstance(value, dict) and "schema_title" in value


def _reported(file: str) -> dict[str, Any]:
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
    spares = Spares(plan["steps"])

    from kfp import local

    from bertworks.spec import AgentSpec
    from pipelines import agent, retrain

    root = Root(Path(plan["root"]))
    cache_root = root.pipeline_root / "cache"
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root.pipeline_root),
        raise_on_error=True,
        enable_caching=plan["cache"],
        cache_root=str(cache_root),
    )
    logging.getLogger().addHandler(CacheHits(cache_root))
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger().addFilter(spares)
    # Pods' settings mean nothing here: a retry would only repeat a failure, and change the cache's key.
    module = retrain if plan["kind"] == "retrain" else agent
    pipeline = module.build(AgentSpec.model_validate(plan["spec"]), plan["sections"], cluster=False)
    try:
        with spares.in_place_of_python():
            pipeline()
    finally:
        spares.close()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BertworksError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
