"""Progress in a real kernel: one output, that changes in place."""

from pathlib import Path

import nbformat

from tests.facade.kernel import execute

SETUP = """
import threading, warnings
from pathlib import Path
from pipelines.local import notebook
from pipelines.local.record import Run, Step
notebook.SECONDS = 0.0
assert notebook.is_one()
"""
SHOWING = """
def show():
    run = Run(Path("run-1"), "tiny", {}, "", {name: Step(name) for name in ("ingest", "gate")})
    shown = notebook.CellTable()
    shown.start(run)
    for number in range(50):
        run.apply({"event": "step", "step": "ingest", "state": "started", "time": 1.0})
        run.apply({"event": "stage", "step": "ingest", "stage": f"reading {number}", "total": None,
                   "done": 0, "rate": 0, "unit": "", "note": "", "state": "running"})
        shown.update(run, [])
    run.apply({"event": "step", "step": "ingest", "state": "succeeded", "time": 3.0,
               "notices": [{"text": "3 rows were left out", "level": "warning"}]})
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
