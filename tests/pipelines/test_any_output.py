"""Whatever the output can show: nothing printed is an error, and what it cannot show stays readable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAY = """
import sys
import typer
from rich.console import Console
from rich.text import Text
from pipelines.cli.command import print_anywhere, takes
from pipelines.local.display import LiveTable, ProgressLines
from pipelines.local.events import StepEvent
from pipelines.local.record import Run, Step
from bertworks.notices import Notice
from pipelines.cli import predictions
from bertworks.batch.texts import Given
from pathlib import Path

print_anywhere()
step = Step("ingest", state="failed")
step.notices = [Notice("label 'café 电' → \\ud800 is rare …", "warning")]
run = Run(Path(sys.argv[1]), "naïve", {}, "spec.yaml", {"ingest": step})
event = StepEvent("ingest", "failed", 1.0)
for display in (ProgressLines(), LiveTable()):
    display.start(run)
    display.update(run, [event])
    display.stop(run)
typer.echo("✓ café")
typer.secho("✗ café", err=True, fg="red")
stream = predictions._data_stream("jsonl")
predictions.Writer("jsonl").write(stream, Given("é", {"text": "é电"}), {"label": "✓"})
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_nothing_that_is_printed_is_an_error(tmp_path: Path, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT), "LANG": "C"}
    done = subprocess.run(
        [sys.executable, "-c", SAY, str(tmp_path)],
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode(encoding)
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert b"\x1b" not in done.stdout + done.stderr  # colour is for terminals
    *_, record = out.splitlines()
    assert json.loads(record) == {"text": "é电", "label": "✓"}
    mark, cafe = ("✓", "café") if encoding == "utf-8" else ("+", "café")
    if encoding == "ascii":
        cafe = r"caf\xe9"
        assert "-> " in out and "is rare ..." in out
    assert f"{mark} {cafe}" in out and cafe in err
    assert r"\ud800" in out


def test_a_table_of_data_is_utf8_whatever_the_output_shows(tmp_path: Path) -> None:
    code = (
        "from pipelines.cli.command import print_anywhere; from pipelines.cli import predictions as p;"
        "from bertworks.batch.texts import Given; print_anywhere();"
        "w = p.Writer('csv'); w.write(p._data_stream('csv'), Given('', {'text': 'é'}), {'label': '电'})"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout.decode() == "text,label\né,电\n"
