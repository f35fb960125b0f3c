"""Checkpoints in a bucket: nothing that is cut off, damaged or refused gives a wrong result."""

import json
import signal
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from test_resume import finish, start
from tiny_tokens import make_base, make_tokens

from bertworks.errors import EnvironmentFault
from bertworks.storage import checkpoint_bucket
from bertworks.storage.checkpoints import Checkpoints

ARRAYS = {"m": np.arange(6, dtype=np.float32)}


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket in memory, and no waiting between tries."""
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", "memory://agents/checkpoints")
    monkeypatch.setattr(checkpoint_bucket, "WAITS", (0.0, 0.0))
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def run():
    return Checkpoints.for_run({"a": 1}, {"tokens": "x"})


def objects(files):
    return {Path(name).name for name in files.store if "probe" not in name}


def test_another_machine_goes_on_from_what_was_saved(bucket):
    with run() as first:
        assert first.load() is None
        first.save_best("best-2.safetensors", {"w": np.ones(3)})
        (first.folder / "plan.json").write_text("{}")
        first.save({"step": 7, "best_file": "best-2.safetensors"}, ARRAYS)
    assert not first.folder.exists()
    with run() as second:
        assert second.folder != first.folder
        state, arrays, best = second.load()
        assert state["step"] == 7
        assert np.array_equal(arrays["m"], ARRAYS["m"])
        assert np.array_equal(best["w"], np.ones(3))
        assert (second.folder / "plan.json").read_text() == "{}"


def test_what_is_replaced_is_removed_and_what_stays_is_not_sent_again(bucket):
    sent = []
    put = type(bucket).put_file
    with run() as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(bucket), "put_file", lambda *a, **k: sent.append(a[2]) or put(*a, **k))
        (found.folder / "plan.json").write_text("{}")
        for step in (1, 2, 3):
            found.save({"step": step}, ARRAYS)
            found.flush()
    assert [Path(name).name.split("-")[0] for name in sent] == [
        "latest.safetensors", "plan.json", "latest.safetensors", "latest.safetensors",
    ]  # fmt: skip
    assert len(objects(bucket)) == 3  # the pointer, the plan and the last checkpoint
    with run() as again:
        assert again.load()[0]["step"] == 3


def test_what_another_process_saves_in_the_folder_is_taken_along(bucket):
    """It has no driver for the bucket, and goes on writing while its last checkpoint is taken."""
    with run() as found:
        found.follow()  # nothing is there yet
        other = Checkpoints(found.folder)
        done = threading.Event()

        def save():
            for step in range(1, 301):
                name = f"best-{step}.safetensors"
                other.save_best(name, {"w": np.full(3, step)})
                other.save({"step": step, "best_file": name}, {"m": np.full(500, step)})
            other.flush()
            done.set()

        writer = threading.Thread(target=save)
        writer.start()
        seen = set()
        while not done.is_set():
            found.follow()
            with run() as elsewhere:
                if (loaded := elsewhere.load()) is not None:
                    state, arrays, best = loaded
                    assert {state["step"]} == set(arrays["m"]) == set(best["w"])
                    seen.add(state["step"])
        writer.join()
        found.follow()
        with run() as elsewhere:
            assert elsewhere.load()[0]["step"] == 300
        assert len(seen) > 3
        assert len(objects(bucket)) == 3  # the pointer, the checkpoint and its best weights
        found.remove()
    assert not objects(bucket)


@pytest.mark.parametrize(
    ("place", "call"),
    [("memory://agents/checkpoints", "put_file"), ("memory://agents/checkpoints", "pipe_file"),
     ("local", "put_file"), ("local", "pipe_file"), ("local", "mv")],
)  # fmt: skip
def test_an_upload_that_breaks_off_leaves_the_checkpoint_before(
    bucket, monkeypatch, capsys, tmp_path, place, call
):
    if place == "local":  # a file system without objects, as sftp is one
        monkeypatch.setenv("BERTWORKS_CHECKPOINTS", f"local://{tmp_path}")
        bucket = fsspec.filesystem("local")
    with run() as found:
        found.save({"step": 1}, ARRAYS)
        found.flush()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(bucket), call, _broken)
            found.save({"step": 2}, ARRAYS)
            found.flush()
        assert "did not reach" in capsys.readouterr().err
        with run() as other:
            assert other.load()[0]["step"] == 1
        found.save({"step": 3}, ARRAYS)  # the network is back
    with run() as again:
        assert again.load()[0]["step"] == 3


def _broken(*_, **__):
    raise ConnectionError("the network is down")


def test_a_try_that_fails_is_tried_again(bucket, monkeypatch):
    calls = []
    put = type(bucket).put_file

    def sometimes(*arguments, **more):
        calls.append(1)
        return put(*arguments, **more) if len(calls) > 2 else _broken()

    with run() as found:
        monkeypatch.setattr(type(bucket), "put_file", sometimes)
        found.save({"step": 1}, ARRAYS)
    with run() as again:
        assert again.load()[0]["step"] == 1
    assert len(calls) == 3


@pytest.mark.parametrize("damage", ["object is gone", "object is cut", "pointer is cut"])
def test_a_damaged_checkpoint_is_taken_as_none(bucket, capsys, damage):
    with run() as found:
        (found.folder / "plan.json").write_text("{}")
        found.save({"step": 1}, ARRAYS)
    (pointer,) = [name for name in bucket.store if name.endswith("latest.json")]
    target = next(name for name in bucket.store if "latest.safetensors-" in name)
    if damage == "object is gone":
        bucket.rm_file(target)
    else:
        broken = pointer if damage.startswith("pointer") else target
        bucket.pipe_file(broken, bucket.cat_file(broken)[:20])
    with run() as again:
        assert again.load() is None
        assert not list(again.folder.iterdir())  # nor what belonged to it
        again.save({"step": 2}, ARRAYS)
    assert "begins anew" in capsys.readouterr().err
    with run() as once_more:
        assert once_more.load()[0]["step"] == 2


def test_two_writers_of_one_run_do_not_harm_each_other(bucket):
    """A pod that is cut off from the cluster goes on beside the one that took its place."""
    with run() as one, run() as two:
        one.save({"step": 1}, ARRAYS)
        one.flush()
        two.save({"step": 5}, ARRAYS)
        two.flush()
        one.save({"step": 2}, ARRAYS)
        one.flush()
        two.save({"step": 6}, ARRAYS)
        two.flush()
        one.save({"step": 3}, ARRAYS)
        one.flush()
        with run() as third:
            assert third.load()[0]["step"] == 3


def test_a_finished_run_leaves_nothing(bucket):
    with run() as found:
        found.save({"step": 1}, ARRAYS)
        found.remove()
    assert not objects(bucket)


def test_a_bucket_that_refuses_writing_is_named_before_any_work(bucket, monkeypatch):
    monkeypatch.setattr(type(bucket), "pipe_file", _broken)
    with (
        pytest.raises(EnvironmentFault, match=r"memory://agents/checkpoints/.*network is down"),
        run(),
    ):
        pass


def test_a_bucket_without_a_driver_is_named(monkeypatch):
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", "nosuch://agents/checkpoints")
    with pytest.raises(EnvironmentFault, match="nosuch"):
        run()


def test_the_pointer_names_size_and_hash(bucket):
    with run() as found:
        found.save({"step": 1}, ARRAYS)
    (pointer,) = [name for name in bucket.store if name.endswith("latest.json")]
    (facts,) = json.loads(bucket.cat_file(pointer)).values()
    assert facts["size"] > 0 and len(facts["sha256"]) == 64


def test_terminated_and_resumed_from_a_bucket_equals_undisturbed(tmp_path, warm_python):
    """A folder seen through fsspec stands in for the bucket, as it outlives the processes."""
    make_tokens(tmp_path / "tokens", rows=(256, 32, 16))
    make_base(tmp_path / "base")
    place = f"local://{tmp_path}/bucket"
    cut = start(warm_python, tmp_path, "resumed", place)
    while not list((tmp_path / "bucket").glob("*/latest.json")):
        assert cut.poll() is None, cut.communicate()[1][-2000:]
        time.sleep(0.01)
    cut.send_signal(signal.SIGTERM)
    said = cut.communicate()[1]
    assert cut.returncode == -signal.SIGTERM, said[-2000:]
    assert "the checkpoint is written" in said
    assert not (tmp_path / "resumed").exists()
    undisturbed = start(warm_python, tmp_path, "undisturbed")
    output = finish(start(warm_python, tmp_path, "resumed", place))
    finish(undisturbed)
    first, second = (tmp_path / name / "model.safetensors" for name in ("undisturbed", "resumed"))
    assert first.read_bytes() == second.read_bytes()
    assert "running 0/" not in output
    assert not list((tmp_path / "bucket").glob("*/*"))


@pytest.mark.parametrize(
    ("error", "calls"), [(OSError, 3), (FileNotFoundError, 1), (KeyboardInterrupt, 1)]
)
def test_only_what_may_pass_is_tried_again(bucket, error, calls):
    made: list[None] = []

    def call() -> None:
        made.append(None)
        raise error

    with pytest.raises(error):
        checkpoint_bucket._persistently(call)
    assert len(made) == calls
