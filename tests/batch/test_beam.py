"""Beam's answers are, byte for byte, those of one machine."""

import pytest

from bertworks.batch import beam as by_beam
from bertworks.batch import job as jobs
from bertworks.batch.beam import answer_by_beam
from bertworks.batch.job import Job, answer_file
from bertworks.errors import DataError
from bertworks.runtime.agent import Agent
from tests.batch.test_job import made


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_the_bytes_are_those_of_one_machine(tmp_path, bundle, monkeypatch, out) -> None:
    for module in (jobs, by_beam):
        monkeypatch.setattr(module, "CHUNK_ROWS", 8)
    file = made(tmp_path, rows=37)
    lines = file.read_text().splitlines()
    lines[9] += ",one cell too many"
    file.write_text("\n".join(lines) + "\n")
    here, there = tmp_path / f"here-{out}", tmp_path / f"there-{out}"
    # With as many threads as a worker has: the order of sums shows in the last digit.
    answer_file(Agent.load(bundle), Job(bundle, file, here))
    state = answer_by_beam(Job(bundle, file, there))
    assert (state.told.rows, state.rejected) == (36, 1)
    assert there.read_bytes() == here.read_bytes()
    pairs = [tmp_path / f"{one.name}.rejected.jsonl" for one in (here, there)]
    assert pairs[0].read_bytes() == pairs[1].read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_parts_of_a_run_that_was_cut_off_are_not_computed_again(
    tmp_path, bundle, agent, monkeypatch
) -> None:
    for module in (jobs, by_beam):
        monkeypatch.setattr(module, "CHUNK_ROWS", 8)
    file, out = made(tmp_path, rows=20), tmp_path / "out.jsonl"
    allowed = [2]

    class Worker:
        def predict(self, rows):
            allowed[0] -= 1
            if allowed[0] < 0:
                raise RuntimeError("the worker dies")
            return agent.predict(rows)

    monkeypatch.setattr(by_beam.Answer, "setup", lambda self: setattr(self, "_agent", Worker()))
    with pytest.raises(Exception, match="the worker dies"):
        answer_by_beam(Job(bundle, file, out))
    assert not out.exists()
    allowed[0] = 1  # one chunk is left
    answer_by_beam(Job(bundle, file, out))
    assert len(out.read_text().splitlines()) == 20


def test_what_a_worker_cannot_read_is_said_as_here(tmp_path, bundle) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,other\n1,a\n")
    with pytest.raises(DataError, match="no column 'text'"):
        answer_by_beam(Job(bundle, file, tmp_path / "out.csv"))
