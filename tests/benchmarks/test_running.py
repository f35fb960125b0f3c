"""What a benchmark measures is what its own run left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness.running import run

SPEC = "name: nothing\ntask: {type: classification}\ndata: {sources: [{uri: missing.csv}]}\n"


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("change", [[], ["no.such.key=1"]])
def test_a_run_that_fails_is_never_taken_for_an_earlier_one(
    tmp_path: Path, earlier: bool, change: list[str]
) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    root = tmp_path / "root"
    if earlier:
        (root / "runs/20310101-000000-nothing").mkdir(parents=True)
        (root / "runs/20310101-000000-nothing/run.json").write_text(
            json.dumps({"artifacts": {"bundle_metrics": "/there"}, "spec": {"gates": {}}})
        )
    with pytest.raises(SystemExit, match=r"spec\.yaml.* left no bundle to measure"):
        run(tmp_path / "spec.yaml", root, change)
