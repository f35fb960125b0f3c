"""The loop: what a server is asked, to an annotator, to a data source of the next training."""

import csv

from typer.testing import CliRunner

from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.serving.observation.joining import observing
from bertworks.spec import Clean, Source, Task
from bertworks.spec.observing import Observing, Sampling
from pipelines.cli.main import app as cli
from tests.helpers.asgi import post
from tests.helpers.served import serving_of

ASKED = ["good film", "bad story .", "so so", "call ann@example.org", "good film", "plot , a b"]


def run(*command: object) -> str:
    done = CliRunner().invoke(cli, list(map(str, command)))
    assert done.exit_code == 0, done.output
    return done.output


def test_from_requests_to_rows_of_the_next_training(tmp_path, bundles, agents) -> None:
    samples, bundle = tmp_path / "samples", bundles["classification"]
    serving = serving_of({"agent": agents["classification"]})
    observing(Observing(sampling=Sampling(folder=str(samples), share=1.0)))(serving)
    app, _ = serving.application()
    for _ in range(20):  # unsure rows are kept more often, sure ones not always
        assert post(app, "/v1/models/agent:predict", {"instances": ASKED}).status == 200
    serving.observers.close()
    for close in serving.closed:
        close()

    file, out = tmp_path / "rows.csv", tmp_path / "labelled" / "1.jsonl"
    out.parent.mkdir()
    told = run("label", "export", samples, "-o", file, "--agent", bundle, "-n", 10)
    assert "5 of 5 rows" in told
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert {row["text"] for row in rows} == {*ASKED} - {ASKED[3]} | {"call [email]"}
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": "good"} for row in rows[:-1])
        writer.writerow({**rows[-1], "label": ""})
    told = run("label", "import", file, "-o", out, "--agent", bundle)
    assert "4 labelled rows" in told and "1 rows are not labelled yet" in told
    assert "0 of 0" in run("label", "export", samples, "-o", tmp_path / "2.csv", "--agent", bundle)

    (tmp_path / "log").mkdir()
    with RejectedLog(tmp_path / "log", tmp_path / "kept") as log:
        task = Task.model_validate({"type": "classification"})
        reader = Reader(task, Clean(), tmp_path, log, 10_000)
        found = [one.example for one in reader.examples([Source(uri="labelled/*.jsonl")])]
    assert {one["text"] for one in found} == {row["text"] for row in rows[:-1]}
    assert {one["label"] for one in found} == {"good"} and not reader.rejected
