"""The audit log: every way to change it is noticed, and no way to end the server breaks it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.serving.audit import chain, files
from bertworks.serving.audit import log as logs
from bertworks.serving.audit.chain import Broken
from bertworks.serving.audit.log import AuditLog

REPOSITORY = Path(__file__).parents[2]


def write(folder, count, **more):
    """Writes records and ends in order; returns what was told."""
    told = []
    log = AuditLog(folder, tell=told.append, **more)
    for number in range(count):
        assert log.write({"kind": "answer", "number": number})
    log.close()
    return told


def numbers(folder):
    """The records' numbers in the order of the files."""
    lines = [line for number in files.numbers(folder)
             for line in files.path_of(folder, number).read_bytes().splitlines()]  # fmt: skip
    return [
        record["number"] for line in lines if (record := chain.read(line)) and "number" in record
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3)
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), min_size=1, max_size=8)


def chained(records):
    """The lines of records, with their ends."""
    head, lines = chain.NONE, []
    for record in records:
        line = chain.line_of({**record, "kind": "answer"}, head)
        head = chain.digest(line)
        lines.append(line + b"\n")
    return lines


@given(RECORDS)
def test_what_was_written_verifies_and_is_what_was_said(records):
    lines = chained([{k: v for k, v in one.items() if k != "previous"} for one in records])
    assert all(line.count(b"\n") == 1 for line in lines)
    found = chain.verify(lines, chain.NONE)
    assert found.lines == found.answers == len(records)
    assert found.head == chain.digest(lines[-1][:-1])


@given(RECORDS, st.data())
def test_any_changed_byte_but_in_the_last_line_is_noticed_at_its_place(records, data):
    lines = chained([*records, {"last": 1}])
    place = data.draw(st.integers(0, len(lines) - 2))
    at = data.draw(st.integers(0, len(lines[place]) - 2))
    changed = bytearray(lines[place])
    changed[at] ^= data.draw(st.integers(1, 255))
    text = b"".join([*lines[:place], bytes(changed), *lines[place + 1 :]])
    with pytest.raises(Broken) as caught:
        chain.verify(
            text.splitlines(keepends=True) if b"\r" not in text else split(text), chain.NONE
        )
    assert caught.value.line in (place + 1, place + 2)


def split(text):
    return [line + b"\n" for line in text.split(b"\n")[:-1]]


@given(RECORDS, st.data())
def test_lines_left_out_moved_or_added_are_noticed(records, data):
    lines = chained([{"first": 1}, *records, {"last": 1}])
    place = data.draw(st.integers(1, len(lines) - 2))
    swapped = [*lines[: place - 1], lines[place], lines[place - 1], *lines[place + 1 :]]
    forged = (
        chain.line_of({"kind": "answer", "forged": 1}, chain.digest(lines[place - 1][:-1])) + b"\n"
    )
    for changed in (
        lines[:place] + lines[place + 1 :], swapped, [*lines[:place], forged, *lines[place:]],
        [*lines[:place], lines[place], *lines[place:]],
    ):  # fmt: skip
        with pytest.raises(Broken) as caught:
            chain.verify(changed, chain.NONE)
        assert caught.value.line in (place, place + 1, place + 2)


def test_lone_halves_of_surrogate_pairs_can_be_written():
    line = chain.line_of({"text": "\ud800"}, chain.NONE)
    assert chain.read(line)


def test_files_are_rotated_by_size_and_the_chain_goes_on(tmp_path):
    told = write(tmp_path, 200, max_bytes=4000)
    present = files.numbers(tmp_path)
    assert len(present) > 3 and numbers(tmp_path) == list(range(200))
    assert all(files.path_of(tmp_path, one).stat().st_size <= 4000 for one in present)
    assert sum("is full" in one for one in told) == len(present) - 1
    checked = files.verify(tmp_path)
    assert checked.files == len(present) and checked.found.answers == 200
    assert checked.found.head in told[-1]
    assert files.verify(tmp_path, head=told[0].split()[-1].rstrip(".")).found.answers == 200
    for one in present:
        assert files.verify(files.path_of(tmp_path, one)).files == 1


def test_a_restart_goes_on_where_it_ended(tmp_path):
    for _ in range(3):
        write(tmp_path, 10, max_bytes=1500)
    assert numbers(tmp_path) == 3 * list(range(10))
    assert files.verify(tmp_path).found.answers == 30


def broken(path, head=None):
    with pytest.raises(ArtifactError) as caught:
        files.verify(path, head)
    return str(caught.value)


def test_the_first_broken_line_is_named(tmp_path):
    write(tmp_path, 60, max_bytes=4000)
    file = files.path_of(tmp_path, 2)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"number":', b'"Number":')
    file.write_bytes(b"".join(lines))
    assert f"{file}, line 6: it or the line before it was changed" in broken(tmp_path)


def test_what_is_missing_between_is_named(tmp_path):
    write(tmp_path, 60, max_bytes=3000)
    files.path_of(tmp_path, 2).unlink()
    assert "audit-000002.jsonl is missing" in broken(tmp_path)


def test_what_was_cut_from_a_full_files_end_is_noticed(tmp_path):
    write(tmp_path, 60, max_bytes=3000)
    file = files.path_of(tmp_path, 1)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    assert "does not end as" in broken(file) and "does not end as" in broken(tmp_path)
    files.head_of(file).unlink()
    assert f"{files.path_of(tmp_path, 2)}, line 1" in broken(tmp_path)


def test_what_was_cut_from_the_very_end_is_noticed_by_the_head(tmp_path):
    head = write(tmp_path, 5)[-1].split()[-1].rstrip(".")
    files.verify(tmp_path, head)
    file = files.path_of(tmp_path, 1)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    files.verify(tmp_path)
    assert "no line has the SHA-256" in broken(tmp_path, head)


def test_old_files_may_be_taken_elsewhere(tmp_path):
    write(tmp_path, 60, max_bytes=3000)
    files.path_of(tmp_path, 1).unlink()
    assert files.verify(tmp_path).first == 2


def test_what_is_no_log_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "audit-000001.jsonl"):
        assert "is no audit log" in broken(path)


@pytest.mark.parametrize("cut", [1, 2, 20, 90])
def test_a_torn_line_is_told_and_closed_at_the_start(tmp_path, cut):
    write(tmp_path, 3)
    file = files.path_of(tmp_path, 1)
    file.write_bytes(file.read_bytes()[:-cut])
    if cut > 1:
        assert "line 4: it is torn" in broken(tmp_path)
    told = write(tmp_path, 2)
    assert any("1 torn lines" in one for one in told) == (cut > 1)
    checked = files.verify(tmp_path)
    assert checked.found.torn == (cut > 1)
    assert numbers(tmp_path) == ([0, 1, 2, 0, 1] if cut == 1 else [0, 1, 0, 1])


@settings(max_examples=30)
@given(st.data())
def test_a_log_that_is_cut_anywhere_again_and_again_can_be_gone_on_with(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("log")
    for _ in range(data.draw(st.integers(1, 4))):
        write(folder, data.draw(st.integers(0, 3)), max_bytes=1200)
        last = files.path_of(folder, files.numbers(folder)[-1])
        size = last.stat().st_size
        os.truncate(last, data.draw(st.integers(max(size - 400, 0), size)))
        if data.draw(st.booleans()):
            with last.open("ab") as opened:
                opened.write(data.draw(st.sampled_from([b"\0" * 9, b"{", b"{}\n", b"\n", b"a\nb"])))
    write(folder, 1, max_bytes=1200)
    files.verify(folder)


def test_a_torn_line_in_the_middle_is_no_excuse_for_a_forged_one(tmp_path):
    write(tmp_path, 3)
    file = files.path_of(tmp_path, 1)
    file.write_bytes(file.read_bytes()[:-20])
    write(tmp_path, 1)
    lines = file.read_bytes().splitlines(keepends=True)
    assert chain.read(lines[3]) is None
    lines[3] = lines[3].replace(b"kind", b"Kind")
    file.write_bytes(b"".join(lines))
    assert "line 4" in broken(tmp_path)


def test_one_server_writes_to_a_folder(tmp_path):
    log = AuditLog(tmp_path)
    with pytest.raises(EnvironmentFault, match="Another server"):
        AuditLog(tmp_path)
    log.close()
    AuditLog(tmp_path).close()


def test_a_disk_that_is_full_for_a_while(tmp_path, monkeypatch):
    """Half of a line gets there, then nothing, then all again."""
    told, room = [], [10**9]

    def limited(descriptor, data):
        part = data[: room[0]]
        room[0] -= len(part)
        if data and not part:
            raise OSError(28, "No space left on device")
        return os_write(descriptor, part)

    os_write = os.write
    monkeypatch.setattr(logs.os, "write", limited)
    log = AuditLog(tmp_path, tell=told.append)
    assert log.write({"kind": "answer", "number": 0})
    room[0] = 30
    assert [log.write({"kind": "answer", "number": one}) for one in (1, 2, 3)] == [False] * 3
    room[0] = 10**9
    assert log.write({"kind": "answer", "number": 4}) and log.lost == 3
    log.close()
    assert numbers(tmp_path) == [0, 4] and files.verify(tmp_path).found.torn == 1
    lost = [record for line in files.path_of(tmp_path, 1).read_bytes().splitlines()
            if (record := chain.read(line)) and record["kind"] == "lost"]  # fmt: skip
    assert [one["records"] for one in lost] == [3]
    assert sum("cannot be written" in one for one in told) == 1


def test_every_line_is_written_through_when_asked(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(logs.os, "fsync", synced.append)
    log = AuditLog(tmp_path, sync="each")
    before = len(synced)
    for number in range(5):
        log.write({"number": number})
    assert len(synced) - before == 5
    log.close()


WRITER = """
import os, sys, threading
from pathlib import Path
from bertworks.serving.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]), max_bytes=40_000)
threading.excepthook = lambda error: os._exit(3)  # or who waits for a line waits for ever
def run(name):
    number = 0
    while True:
        log.write({"kind": "answer", "name": name, "number": number, "filling": "x" * 300})
        number += 1
        if number == 300:
            os.write(1, b"many\\n")  # whole, whatever the other threads write
for name in range(3):
    threading.Thread(target=run, args=(name,), daemon=True).start()
threading.Event().wait()
"""


def killed_writer(folder):
    """A writer that is killed in the midst of its work."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as writer:
        assert writer.stdout.readline() == b"many\n"
        writer.send_signal(signal.SIGKILL)


def test_a_killed_writer_leaves_a_log_that_is_whole(tmp_path):
    killed_writer(tmp_path)
    told = write(tmp_path, 1)
    assert files.verify(tmp_path).found.answers >= 300
    by_name = {}
    for number in files.numbers(tmp_path):
        for line in files.path_of(tmp_path, number).read_bytes().splitlines():
            record = chain.read(line)
            if record and "name" in record:
                by_name.setdefault(record["name"], []).append(record["number"])
    assert all(found == list(range(len(found))) for found in by_name.values())
    assert told


@pytest.mark.slow
def test_writers_that_are_killed_again_and_again(tmp_path):
    for _ in range(20):
        killed_writer(tmp_path)
        write(tmp_path, 1)
        files.verify(tmp_path)


def test_a_line_is_json_that_others_can_read(tmp_path):
    write(tmp_path, 1)
    lines = files.path_of(tmp_path, 1).read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["begin", "answer"]
