"""Answers for whole files: killed runs go on with the same bytes, and bad rows are kept apart."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.batch import job as jobs
from bertworks.batch import outputs
from bertworks.batch.job import Job, answer_file, tell
from bertworks.batch.pace import Pace
from bertworks.batch.rows import Followed, open_table, read_records
from bertworks.data.rows.tally import Tally
from bertworks.errors import DataError, EnvironmentFault
from bertworks.runtime.agent import Agent
from bertworks.storage.locks import lock
from tests.helpers.tiny_model import bundle_of, make_model

ROWS = 41
WORDS = ("good film", "bad story .", "so so", "the very good plot", "b")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", 4)
    monkeypatch.setattr(outputs, "PART_ROWS", 8)


class Killed(BaseException):
    """Ends a run as a signal would: nothing behind it is done."""


class Dying:
    """An agent that dies in its n-th chunk."""

    def __init__(self, agent: Agent, chunks: int) -> None:
        self._agent, self._left = agent, chunks
        self.task, self.info = agent.task, agent.info

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return self._agent.predict(rows)


def made(folder: Path, name: str = "rows.csv", rows: int = ROWS) -> Path:
    file = folder / name
    records = [
        {"id": i, "text": f"{WORDS[i % 5]} {'film ' * (i % 7)}", "n": i / 8} for i in range(rows)
    ]
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), file)
    elif name.endswith((".arrow", ".feather")):
        typed(pa.Table.from_pylist(records), file)
    elif ".csv" in name:
        text = "id,text,n\n" + "".join(f"{r['id']},{r['text']},{r['n']}\n" for r in records)
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    else:
        file.write_text("".join(json.dumps(one) + "\n" for one in records))
    return file


def typed(table: pa.Table, file: Path) -> None:
    """The table as a stream of Arrow's, or in Feather."""
    if file.suffix == ".feather":
        feather.write_feather(table, str(file), chunksize=9)
        return
    with ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=9)


@pytest.mark.parametrize(
    "out", ["a.jsonl", "a.csv", "a.tsv", "a.csv.gz", "a.jsonl.gz", "a.parquet"]
)
@pytest.mark.parametrize(
    "source", ["rows.csv", "rows.csv.gz", "rows.parquet", "rows.arrow", "rows.feather"]
)
def test_a_killed_run_goes_on_with_the_same_bytes(tmp_path, bundle, agent, source, out) -> None:
    file = made(tmp_path, source)
    whole, again = tmp_path / f"whole-{out}", tmp_path / f"again-{out}"
    answer_file(agent, Job(bundle, file, whole))
    for chunks in (0, 1, 5):
        with pytest.raises(Killed):
            answer_file(Dying(agent, chunks), Job(bundle, file, again))
        assert not again.exists()
    # What was written after the last state is cut off.
    work = tmp_path / f".{again.name}.work"
    if (work / "answers").exists():
        with (work / "answers").open("ab") as stream:
            stream.write(b"half a li")
    state = answer_file(Dying(agent, 9), Job(bundle, file, again))
    assert (state.items, state.told.rows) == (ROWS, ROWS)
    assert again.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_rows_come_in_order_with_their_columns(tmp_path, bundle, agent) -> None:
    file, out = made(tmp_path, "rows.parquet"), tmp_path / "out.parquet"
    answer_file(agent, Job(bundle, file, out, top=2))
    table, source = pq.read_table(out), pq.read_table(file)
    assert table.select(["id", "text", "n"]).equals(source)
    assert table.schema.field("scores").type == pa.map_(pa.string(), pa.float64())
    assert {len(one) for one in table["scores"].to_pylist()} == {2}
    wanted = agent.predict(source["text"].to_pylist())
    assert table["label"].to_pylist() == [one["label"] for one in wanted]
    assert table["score"].to_pylist() == pytest.approx([one["score"] for one in wanted], abs=1e-5)


def test_types_that_only_arrow_has_stand_in_parquet_as_what_they_mean(
    tmp_path, bundle, agent
) -> None:
    file, out = tmp_path / "rows.arrow", tmp_path / "out.parquet"
    texts = pa.array([WORDS[number % 5] for number in range(ROWS)])
    numbers = pa.array([number % 3 for number in range(ROWS)])
    months = pa.array([(1, 2, 3)] * ROWS, pa.month_day_nano_interval())
    columns = {
        "text": texts.cast(pa.string_view()),
        "kind": texts.dictionary_encode(),
        "runs": pa.compute.run_end_encode(numbers),
        "months": months,
    }
    typed(pa.table(columns), file)
    assert answer_file(agent, Job(bundle, file, out)).told.rows == ROWS
    table = pq.read_table(out)
    assert table["text"].to_pylist() == table["kind"].to_pylist() == texts.to_pylist()
    assert table["runs"].to_pylist() == numbers.to_pylist()
    assert table["months"].to_pylist() == ["[1, 2, 3]"] * ROWS


def test_how_far_a_run_is_grows_from_row_to_row(tmp_path) -> None:
    for name in ("rows.parquet", "rows.arrow", "rows.feather"):
        file, followed = made(tmp_path, name, rows=3000), Followed()
        shares = [followed.share for _ in read_records(file, Tally(), False, followed)]
        assert len(shares) == 3000 and shares == sorted(shares)
        assert 0 < shares[0] < 0.5 and 0.9 < shares[-1] <= 1, name


def test_a_stream_that_was_cut_is_told_before_a_row_is_answered(tmp_path, bundle, agent) -> None:
    file = made(tmp_path, "rows.arrow")
    file.write_bytes(file.read_bytes()[:-8])
    for out in ("a.csv", "a.parquet"):
        with pytest.raises(DataError, match="rows.arrow is not a whole Arrow file"):
            answer_file(Dying(agent, 0), Job(bundle, file, tmp_path / out))
        assert not list(tmp_path.glob("*a.*")) and not list(tmp_path.glob(".*"))


def test_bad_rows_are_kept_apart_with_their_reasons(tmp_path, bundle, agent, capsys) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.csv"
    good = [f'{{"text": "good film {i}"}}\n' for i in range(9)]
    file.write_text("".join([*good[:3], '{"text": 7}\n', "[1,\n", *good[3:], '{"other": "x"}\n']))
    job = Job(bundle, file, out)
    tell(job, answer_file(agent, job))
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["text"] for row in rows] == [f"good film {i}" for i in range(9)]
    bad = [
        json.loads(line) for line in (tmp_path / "out.csv.rejected.jsonl").read_text().splitlines()
    ]
    assert [(one["row"], one["received"]) for one in bad] == [
        (4, {"text": 7}), (5, "[1,"), (12, {"other": "x"}),
    ]  # fmt: skip
    assert "rows.jsonl row 5: not JSON" in bad[1]["error"] and all(one["fix"] for one in bad)
    assert "3 of 12 rows could not be read" in capsys.readouterr().err
    # Mended, the file of bad rows says that there is none any more.
    file.write_text("".join(good))
    answer_file(agent, Job(bundle, file, out))
    assert (tmp_path / "out.csv.rejected.jsonl").read_text() == ""


def test_bad_rows_are_kept_once_by_a_killed_run(tmp_path, bundle, agent) -> None:
    file, out = tmp_path / "rows.csv", tmp_path / "out.jsonl"
    file.write_text("id,text\n" + "".join(f"{i},b{',x' * (i % 5 == 0)}\n" for i in range(30)))
    with pytest.raises(Killed):
        answer_file(Dying(agent, 4), Job(bundle, file, out))
    answer_file(agent, Job(bundle, file, out))
    bad = (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in bad] == [1, 6, 11, 16, 21, 26]
    assert [json.loads(one)["id"] for one in out.read_text().splitlines()] == [
        str(i) for i in range(30) if i % 5
    ]


def test_a_file_of_bad_rows_alone_is_an_error(tmp_path, bundle, agent) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("nothing\nof json\n")
    with pytest.raises(DataError, match="None of the 2 rows .* not JSON"):
        answer_file(agent, Job(bundle, file, tmp_path / "out.jsonl"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


def test_another_input_or_agent_begins_anew(tmp_path, bundle, agent) -> None:
    file, out = made(tmp_path), tmp_path / "out.jsonl"
    with pytest.raises(Killed):
        answer_file(Dying(agent, 5), Job(bundle, file, out))
    made(tmp_path, rows=9)
    state = answer_file(Dying(agent, 3), Job(bundle, file, out))
    assert state.items == 9 and len(out.read_text().splitlines()) == 9


def test_nothing_is_written_over_what_is_read_or_by_two(tmp_path, bundle, agent) -> None:
    file = made(tmp_path, "out.csv.rejected.jsonl")
    before = file.read_bytes()
    with pytest.raises(DataError, match="they would be lost"):
        answer_file(agent, Job(bundle, file, tmp_path / "out.csv"))
    assert file.read_bytes() == before
    work = tmp_path / ".two.csv.work"
    work.mkdir()
    with lock(work / "lock"), pytest.raises(EnvironmentFault, match="Another process is writing"):
        answer_file(agent, Job(bundle, file, tmp_path / "two.csv"))


def test_columns_of_several_types_become_text_in_parquet(tmp_path, bundle, agent) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.parquet"
    values: list[Any] = [1, 2.5, None, *[None] * 9, "x", {"a": 1}, [1]]
    file.write_text("".join(json.dumps({"text": "b", "v": one}) + "\n" for one in values))
    answer_file(agent, Job(bundle, file, out))
    found = pq.read_table(out)["v"].to_pylist()
    assert found[:3] == ["1.0", "2.5", None] and found[12:] == ["x", '{"a": 1}', "[1]"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=12))
def test_any_text_comes_back_from_every_format(tmp_path_factory, bundle, agent, texts) -> None:
    folder = tmp_path_factory.mktemp("any")
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), folder / "rows.parquet")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        job = Job(bundle, folder / "rows.parquet", folder / name, keep_formulas=True)
        assert answer_file(agent, job).told.rows == len(texts)
    found = [json.loads(line)["text"] for line in (folder / "a.jsonl").open(encoding="utf-8")]
    assert found == texts
    if texts:
        assert pq.read_table(folder / "a.parquet")["text"].to_pylist() == texts
        with (folder / "a.csv").open(encoding="utf-8", newline="") as stream:
            assert [row["text"] for row in csv.DictReader(stream)] == texts


def test_the_pace_tells_rate_and_remaining_time() -> None:
    now, share = [0.0], [0.0]
    pace = Pace(lambda: share[0], lambda: now[0])
    share[0] = 0.2
    pace.skip(200)
    now[0], share[0] = 10.0, 0.6
    pace.advance(400)
    assert pace.line() == "600 rows, 40 rows/s, 60 %, about 10.0 s left"


@pytest.mark.slow
def test_a_run_that_is_killed_by_the_system_goes_on(tmp_path, bundle) -> None:
    file = made(tmp_path, rows=60_000)
    whole, again = tmp_path / "whole.csv", tmp_path / "again.csv"

    def begin(out: Path) -> subprocess.Popen[bytes]:
        code = "from pipelines.cli.main import main; main()"
        arguments = ["predict", "--agent", str(bundle), "--file", str(file), "-o", str(out)]
        return subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE)

    assert begin(whole).wait() == 0
    state, seen = tmp_path / ".again.csv.work" / "state.json", 0
    for _ in range(3):
        running = begin(again)
        while running.poll() is None and _items(state) < seen + 4096:
            os.sched_yield()
        seen = _items(state)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not again.exists()
    assert begin(again).wait() == 0
    assert again.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path, bundle) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from bertworks.batch.job import Job, answer_file\n"
        "from bertworks.runtime.agent import Agent\n"
        "bundle, file, out = map(Path, sys.argv[1:])\n"
        "answer_file(Agent.load(bundle, threads=1), Job(bundle, file, out))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(rows: int, out: str) -> float:
        file = made(tmp_path, f"{rows}.csv", rows)
        command = [sys.executable, "-c", code, str(bundle), str(file), str(tmp_path / out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout) / 1024

    for out in ("out.csv", "out.parquet"):
        assert peak(120_000, out) < peak(20_000, out) + 60  # MiB


def _items(state: Path) -> int:
    try:
        return int(json.loads(state.read_text())["items"])
    except (OSError, ValueError):
        return 0


@pytest.mark.parametrize("source", ["rows.csv", "rows.parquet", "rows.arrow", "rows.feather"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.jsonl"])
def test_a_file_without_rows_gives_the_columns_of_one_with_rows(
    tmp_path, bundle, agent, source, name
) -> None:
    (tmp_path / "one").mkdir()
    full, empty = made(tmp_path / "one", source, rows=1), tmp_path / source
    if source.endswith(".csv"):
        empty.write_text("id,text,n\n")
    elif source.endswith(".parquet"):
        pq.write_table(pq.read_table(full).slice(0, 0), empty)
    else:
        with open_table(full) as table:
            typed(table.schema.empty_table(), empty)
    answer_file(agent, Job(bundle, full, tmp_path / "one" / name))
    assert answer_file(agent, Job(bundle, empty, tmp_path / name)).told.rows == 0
    found, wanted = tmp_path / name, tmp_path / "one" / name
    if name.endswith(".parquet"):
        table = pq.read_table(found)
        assert table.num_rows == 0 and table.schema.equals(pq.read_table(wanted).schema)
    elif "jsonl" in name:
        assert found.read_bytes() == b""
    else:
        opened = gzip.open if name.endswith(".gz") else open
        with opened(found, "rt") as one, opened(wanted, "rt") as other:
            lines = one.read().splitlines()
            assert lines == other.read().splitlines()[:1]


def test_two_outputs_of_one_name_keep_their_bad_rows_apart(tmp_path, bundle, agent) -> None:
    for number, ending in enumerate(("jsonl", "csv", "jsonl.gz"), 1):
        file = tmp_path / f"{number}.jsonl"
        file.write_text('{"text": "b"}\n' + "[1,\n" * number)
        answer_file(agent, Job(bundle, file, tmp_path / f"a.{ending}"))
    counts = {
        one.name: len(one.read_text().splitlines()) for one in tmp_path.glob("*.rejected.jsonl")
    }
    assert counts == {
        "a.jsonl.rejected.jsonl": 1, "a.csv.rejected.jsonl": 2, "a.jsonl.gz.rejected.jsonl": 3,
    }  # fmt: skip


def test_texts_are_cleaned_as_the_agent_learned_them(tmp_path) -> None:
    clean = {"html": True, "unicode": "NFKC", "whitespace": True}
    model = make_model(
        tmp_path / "model", {"type": "classification"}, ["bad", "good", "so so"], clean=clean
    )
    cleaning = Agent.load(bundle_of(model, tmp_path / "bundle"), threads=1)
    raw = ["<p>the ｖｅｒｙ good &#x66;ilm</p>", "ｂａｄ  story", "b<br>a"]
    for name, texts in (("raw", raw), ("plain", ["the very good film", "bad story", "b a"])):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"text": one}) + "\n" for one in texts), encoding="utf-8"
        )
        job = Job(tmp_path / "bundle", tmp_path / f"{name}.jsonl", tmp_path / f"{name}-out.jsonl")
        answer_file(cleaning, job)
    found = [
        [json.loads(line) for line in (tmp_path / f"{name}-out.jsonl").read_text().splitlines()]
        for name in ("raw", "plain")
    ]
    for row in (*found[0], *found[1]):
        del row["text"]
    assert found[0] == found[1] and len(found[0]) == 3
