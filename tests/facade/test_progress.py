"""Progress in a real kernel: one output, that changes in place."""

from pathlib import Path

import nbformat

from tests.facade.kernel import execute

SETUP = """
import threading, warnings
from pathlib import Path
from pipelines.local import notebook
from pipelines.local.events import StageEvent, StepEvent
from pipelines.local.record import Run, Step
from bertworks.notices import Notice
notebook.SECONDS = 0.0
assert notebook.is_one()
"""
SHOWING = """
def show():
    run = Run(Path("run-1"), "tiny", {}, "", {name: Step(name) for name in ("ingest", "gate")})
    shown = notebook.CellTable()
    shown.start(run)
    for number in range(50):
        run.apply(StepEvent("ingest", "started", 1.0))
        run.apply(StageEvent("ingest", f"reading {number}", "running", 0, None, "", "", 0))
        shown.update(run, [])
    run.apply(StepEvent("ingest", "succeeded", 3.0,
                        notices=[Notice("3 rows were left out", "warning")]))
    run.state = "succeeded"
    shown.stop(run)

show()
"""


def test_fifty_changes_are_one_output_with_the_last_of_them(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(code) for code in (SETUP, SHOWING)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    execute(notebook, tmp_path, tmp_path / "kernels")
    (shown,) = notebook.cells[1].outputs
    text = shown.data["text/plain"]
    assert "run-1: succeeded" in text and "warning: 3 rows were left out" in text
    assert "reading" not in text and "2.0 s" in text
    assert "<pre" in shown.data["text/html"]
