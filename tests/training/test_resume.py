"""A run that is killed and started again ends with the same bytes as one that was not disturbed."""

import errno
import fcntl
import os
import random
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_tokens import make_base, make_tokens

from bertworks.errors import EnvironmentFault
from bertworks.storage.checkpoints import Checkpoints

HERE = Path(__file__).parent
EPOCHS = 12


def start(python, root, model, checkpoints=None):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("BERTWORKS_CHECKPOINTS", None)
    if checkpoints:
        environment["BERTWORKS_CHECKPOINTS"] = str(checkpoints)
    command = [python, HERE / "tiny_tokens.py", root, model, str(EPOCHS)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    output = process.communicate()[1]
    assert process.returncode == 0, output[-2000:]
    return output


def test_killed_and_resumed_equals_undisturbed(tmp_path, warm_python):
    make_tokens(tmp_path / "tokens", rows=(256, 32, 16))
    make_base(tmp_path / "base")
    kept = tmp_path / "checkpoints"
    undisturbed = start(warm_python, tmp_path, "undisturbed")
    killed = start(warm_python, tmp_path, "resumed", kept)
    while not list(kept.glob("*/latest.safetensors")):
        assert killed.poll() is None, killed.communicate()[1][-2000:]
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.5))
    killed.kill()
    killed.communicate()
    was_cut = not (tmp_path / "resumed").exists()
    output = finish(start(warm_python, tmp_path, "resumed", kept))
    finish(undisturbed)
    first, second = (tmp_path / name / "model.safetensors" for name in ("undisturbed", "resumed"))
    assert first.read_bytes() == second.read_bytes()
    assert not was_cut or "running 0/" not in output  # it went on from where it was
    assert not list(kept.iterdir())


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", str(tmp_path))
    with Checkpoints.for_run({"a": 1}, {"tokens": "x"}) as found:
        yield found


def test_what_was_saved_is_loaded(checkpoints):
    assert checkpoints.load() is None
    best = {"w": np.arange(3, dtype=np.float32)}
    checkpoints.save_best("best-2.safetensors", best)
    checkpoints.save({"step": 7, "best_file": "best-2.safetensors"}, {"m": np.ones(2)})
    checkpoints.flush()
    state, arrays, found = checkpoints.load()
    assert state["step"] == 7
    assert np.array_equal(arrays["m"], np.ones(2))
    assert np.array_equal(found["w"], best["w"])


def test_older_best_weights_are_removed(checkpoints):
    for epoch in (1, 2):
        checkpoints.save_best(f"best-{epoch}.safetensors", {"w": np.ones(1)})
        checkpoints.save({"best_file": f"best-{epoch}.safetensors"}, {})
    checkpoints.flush()
    assert [path.name for path in checkpoints.folder.glob("best-*")] == ["best-2.safetensors"]


def test_what_nobody_went_on_from_for_a_month_is_removed(tmp_path):
    month = 31 * 86_400
    for name, age in (("a" * 32, month), ("b" * 32, 86_400), ("notes", month)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "latest.safetensors").write_bytes(b"x")
        for path in (tmp_path / name / "latest.safetensors", tmp_path / name):
            os.utime(path, (time.time() - age,) * 2)
    with Checkpoints(tmp_path / ("c" * 32)):
        pass
    assert {path.name[0] for path in tmp_path.iterdir()} == {"b", "c", "n"}


def test_a_damaged_checkpoint_is_taken_as_none(checkpoints, capsys):
    checkpoints.save({"step": 7}, {"m": np.ones(200)})
    checkpoints.flush()
    file = checkpoints.folder / "latest.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert checkpoints.load() is None
    assert "begins anew" in capsys.readouterr().err


def test_two_processes_cannot_train_the_same_run(checkpoints):
    again = Checkpoints(checkpoints.folder, lock_wait=0.3)
    with pytest.raises(EnvironmentFault, match="Another process"), again:
        pass


def test_a_process_that_is_at_its_end_is_waited_for(checkpoints):
    threading.Timer(0.5, checkpoints.__exit__).start()
    with Checkpoints(checkpoints.folder, lock_wait=20) as again:
        assert again.load() is None


def test_a_volume_without_locks_is_used_without(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Checkpoints(tmp_path) as found:
        found.save({"step": 3}, {"m": np.ones(2)})
        found.flush()
        assert found.load()[0]["step"] == 3
    assert "cannot be locked" in capsys.readouterr().err


def test_other_settings_or_inputs_have_other_checkpoints(checkpoints):
    again, other, elsewhere = (
        Checkpoints.for_run(section, digests).folder
        for section, digests in (
            ({"a": 1}, {"tokens": "x"}), ({"a": 2}, {"tokens": "x"}), ({"a": 1}, {"tokens": "y"}),
        )
    )  # fmt: skip
    assert again == checkpoints.folder
    assert len({again, other, elsewhere}) == 3


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault, match="file"), Checkpoints.for_run({}, {}):
        pass


def test_without_the_variable_there_are_none(monkeypatch):
    monkeypatch.delenv("BERTWORKS_CHECKPOINTS", raising=False)
    assert Checkpoints.for_run({}, {}) is None


def test_saves_that_take_long_come_rarely(tmp_path, monkeypatch):
    """A twentieth of the time at most, and every two minutes at least; quick ones as often as asked."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr("bertworks.storage.checkpoints.time", clock)
    took = [0.0]

    def written(*_):
        now[0] += took[0]

    monkeypatch.setattr("bertworks.storage.checkpoints._write", written)
    with Checkpoints(tmp_path) as found:

        def after(seconds_of_a_save, seconds_since):
            took[0] = seconds_of_a_save
            found.save({"step": 1}, {})
            found.flush()
            now[0] += seconds_since
            return found.affordable()

        assert found.affordable()  # the first one
        assert after(0.4, 0.0)
        assert not after(2.0, 37.0) and after(2.0, 38.0)
        assert not after(60.0, 119.0) and after(60.0, 120.0)
