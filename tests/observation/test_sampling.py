"""Rows that a server keeps: how many, which ones, in which files, and what is left after a kill."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from bertworks.errors import EnvironmentFault
from bertworks.serving.exchange import Exchange
from bertworks.serving.observation import files as sample_files
from bertworks.serving.observation.feedback import Feedback
from bertworks.serving.observation.files import SampleFiles, read_rows
from bertworks.serving.observation.sampling import Sampler, masked_words
from bertworks.serving.refusals import Refused
from bertworks.spec.observing import Observing, Sampling
from tests.helpers.asgi import post
from tests.helpers.tiny_model import TEXTS
from tests.observation.conftest import served
from tests.observation.test_told import ask


def kept(folder: Path, kind: str = "rows") -> list[dict]:
    return [row for file in sorted(folder.glob(f"{kind}-*")) for row in read_rows(file)]


def test_rows_are_kept_with_what_was_predicted(tmp_path, agent) -> None:
    wanted = Sampling(folder=str(tmp_path), share=1.0, mask=False)
    serving = served("kept", agent, Observing(sampling=wanted))
    ask(serving, TEXTS, "kept", [(b"x-request-id", b"r-7")])
    ask(serving, [3], "kept")
    _close(serving)
    rows = kept(tmp_path)
    answers = {text: one["label"] for text, one in zip(TEXTS, agent.predict(TEXTS), strict=True)}
    assert rows and {row["text"]: row["predicted"] for row in rows}.items() <= answers.items()
    assert {(row["request"], row["model"], row["version"]) for row in rows} == {
        ("r-7", "kept", "3")
    }
    assert all(0 < row["share"] <= 1 and 0 < row["sureness"] <= 1 for row in rows)
    # Whoever reads these files is told by their rights: they hold what clients wrote.
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("rows-*")} == {"0o600"}


def test_personal_data_is_masked_unless_it_is_asked_for(tmp_path, agent) -> None:
    wanted = Sampling(folder=str(tmp_path), share=1.0)
    serving = served("masked", agent, Observing(sampling=wanted))
    ask(serving, ["write to ann@example.org or so"] * 40, "masked")
    _close(serving)
    assert {row["text"] for row in kept(tmp_path)} == {"write to [email] or so"}


def test_a_number_that_stands_in_several_words_is_masked() -> None:
    words = ["call", "+44", "20", "7946", "0958", "or", "ann@example.org", "now"]
    hidden = masked_words(words)
    assert hidden == ["call", *["[phone]"] * 4, "or", "[email]", "now"]
    assert masked_words(["good", "film"]) == ["good", "film"] and masked_words([]) == []


def test_unsure_rows_are_kept_more_often_and_rates_can_be_reckoned(tmp_path, agent) -> None:
    files = SampleFiles(tmp_path, "rows", 1e9, 1e9)
    serving = served("share", agent, Observing())
    sampler = Sampler(serving.models, files, 0.2, mask=False, draw=random.Random(1))
    bundle = next(iter(serving.models)).champion
    sure = np.tile([0.99, 0.99, 0.99, 0.4], 1000)
    rows = [f"{'unsure' if one < 0.5 else 'sure'} {place}" for place, one in enumerate(sure)]
    answers = [{"label": "good", "score": float(one)} for one in sure]
    digest = bundle.identity.digest
    sampler.answered(
        Exchange("v1", "share", version="3", digest=digest, rows=rows, answers=answers)
    )
    files.close()
    found = kept(tmp_path)
    unsure = [row for row in found if row["text"].startswith("unsure")]
    assert 600 < len(found) < 1000  # 0.2 of 4,000 on average
    assert len(unsure) / 1000 > 3 * (len(found) - len(unsure)) / 3000
    assert sum(1 / row["share"] for row in unsure) == pytest.approx(1000, rel=0.15)


def test_files_are_closed_by_size_and_by_age(tmp_path) -> None:
    now = [0.0]
    files = SampleFiles(tmp_path, "rows", 200, 60, lambda: now[0])
    for number in range(5):
        files.add({"text": "x" * 80, "n": number})
    assert len(list(tmp_path.glob("rows-*.parquet"))) == 2
    now[0] = 61.0
    files.add({"text": "late"})
    assert len(list(tmp_path.glob("rows-*.parquet"))) == 3
    files.close()
    assert len(kept(tmp_path)) == 6
    assert not list(tmp_path.glob(".*"))


def test_a_lean_server_writes_packed_lines(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sample_files, "find_spec", lambda _: None)
    files = SampleFiles(tmp_path, "rows", 1e9, 1e9)
    files.add({"text": "é\ud800", "n": None})
    files.close()
    (file,) = tmp_path.glob("rows-*.jsonl.gz")
    assert read_rows(file) == [{"text": "é?", "n": None}]


def test_what_a_killed_server_left_is_kept_and_told(tmp_path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from bertworks.serving.observation.files import SampleFiles\n"
        "files = SampleFiles(Path(sys.argv[1]), 'rows', 1e9, 1e9)\n"
        "for n in range(3): files.add({'text': 'row', 'n': n})\n"
        'files._stream.write(b\'{"text": "half\'); files._stream.flush()\n'
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    mine = SampleFiles(tmp_path, "rows", 1e9, 1e9)
    assert [row["n"] for row in kept(tmp_path)] == [0, 1, 2]
    assert not list(tmp_path.glob(".*"))
    # The file of a server that lives is left alone.
    mine.add({"text": "open"})
    SampleFiles(tmp_path, "rows", 1e9, 1e9)
    assert len(kept(tmp_path)) == 3
    mine.close()
    assert len(kept(tmp_path)) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentFault, match="cannot be kept"):
        SampleFiles(tmp_path / "samples", "rows", 1, 1)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be kept"):
        SampleFiles(tmp_path / "file", "rows", 1, 1)


def test_ingest_reads_what_feedback_left(tmp_path, agent) -> None:
    wanted = Sampling(folder=str(tmp_path), share=0.0, mask=False)
    serving = served("told-off", agent, Observing(sampling=wanted))
    app, _ = serving.application()
    path = "/v1/models/told-off:predict"
    headers = [(b"x-request-id", b"r-1")]
    assert post(app, path, {"instances": TEXTS[:2]}, headers).headers["x-request-id"] == "r-1"
    _told(serving)

    def say(**body):
        return post(app, "/v1/feedback", body)

    assert say(request="r-1", row=1, label="good").json() == {"kept": True}
    for status, body in [
        (404, {"request": "r-2", "label": "good"}),
        (422, {"request": "r-1", "row": 2, "label": "good"}),
        (422, {"request": "r-1", "row": True, "label": "good"}),
        (422, {"request": "r-1", "label": 3}),
        (422, {"label": "good"}),
    ]:
        assert say(**body).status == status
    assert post(app, "/v1/feedback", b"[" * 100).status in (400, 422)
    assert post(app, "/v1/feedback", b'"' + b"x" * 70_000 + b'"').status == 413
    _close(serving)
    (file,) = tmp_path.glob("feedback-*.parquet")
    assert pq.read_table(file).to_pylist()[0]["label"] == "good"

    from bertworks.data.rows.reading import Reader
    from bertworks.data.rows.rejected import RejectedLog
    from bertworks.spec import Clean, Source, Task

    task = Task.model_validate({"type": "classification"})
    (tmp_path / "log").mkdir()
    with RejectedLog(tmp_path / "log", tmp_path / "kept") as log:
        reader = Reader(task, Clean(), tmp_path, log, 10_000)
        found = [one.example for one in reader.examples([Source(uri="feedback-*.parquet")])]
    assert [(one["text"], one["label"]) for one in found] == [(TEXTS[1], "good")]


def test_feedback_is_on_ones_own_requests(tmp_path, agent) -> None:
    files = SampleFiles(tmp_path, "feedback", 1e9, 1e9)
    serving = served("own", agent, Observing())
    feedback = Feedback(serving.models, files, mask=False)
    one, two = SimpleNamespace(id="one"), SimpleNamespace(id="two")
    for caller, text in ((one, "good"), (two, "bad")):
        feedback.answered(
            Exchange("v1", "own", "r", caller=caller, version="3", digest="d" * 64,
                     rows=[text], answers=agent.predict([text])),
        )  # fmt: skip
    body = b'{"request": "r", "label": "so so"}'
    assert feedback.take(body, one) == feedback.take(body, two) == {"kept": True}
    with pytest.raises(Refused, match="no such request"):
        feedback.take(body)
    files.close()
    assert [row["text"] for row in kept(tmp_path, "feedback")] == ["good", "bad"]


def test_feedback_on_words_is_a_tag_a_word(tmp_path, tagger) -> None:
    wanted = Sampling(folder=str(tmp_path), share=0.0, mask=False)
    serving = served("words", tagger, Observing(sampling=wanted))
    app, _ = serving.application()
    answered = post(app, "/v1/models/words:predict", {"instances": ["good film"]})
    identifier = answered.headers["x-request-id"]
    _told(serving)
    wrong = post(app, "/v1/feedback", {"request": identifier, "tags": ["O"]})
    assert wrong.status == 422 and "2 texts" in wrong.json()["error"]
    unknown = post(app, "/v1/feedback", {"request": identifier, "tags": ["O", "B-Per"]})
    assert unknown.status == 422 and "'B-Per'" in unknown.json()["error"]
    assert "'O', " in unknown.json()["error"]
    right = {"request": identifier, "tags": ["O", "B-PER"]}
    assert post(app, "/v1/feedback", right).status == 200
    _close(serving)
    (row,) = kept(tmp_path, "feedback")
    assert (row["tokens"], row["tags"]) == (["good", "film"], ["O", "B-PER"])
    assert json.loads(row["predicted"]) and "text" not in row


def _told(serving) -> None:
    serving.observers.close()
    serving.observers._thread = None


def _close(serving) -> None:
    serving.observers.close()
    for close in serving.closed:
        close()
