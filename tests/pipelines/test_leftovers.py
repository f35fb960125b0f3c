"""What a killed command leaves: the next command marks its run and removes its files, and no other's."""

import ast
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_agent import REPOSITORY
from web_site import Site

from bertworks.errors import EnvironmentFault
from bertworks.storage.scratch import LOCK, Scratch, remove_abandoned
from pipelines.local import root as roots
from pipelines.local.record import latest

HOLD = """
import sys
from pathlib import Path
from bertworks.storage.scratch import Scratch
from pipelines.local.root import locked, open_root
with locked(open_root(sys.argv[1])), Scratch() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""
# Each program makes its folder as the product does, says which, and waits.
MAKERS = {
    "a context": """
from bertworks.storage import temporary
opened = temporary.scratch()
folder = opened.__enter__()
""",
    "checkpoints of a bucket": """
import os
os.environ["BERTWORKS_CHECKPOINTS"] = "memory://checkpoints"
from bertworks.storage.checkpoints import Checkpoints
checkpoints = Checkpoints.for_run({}, {}).__enter__()
folder = checkpoints.folder.parent
""",
    "downloads that are not kept": """
from pathlib import Path
from bertworks.data.sources import cache
folder = cache._of_this_process(Path("/usual"))
""",
}
MAKES_FOLDERS = {
    "mkdtemp", "TemporaryDirectory", "gettempdir", "mkstemp", "mktemp", "NamedTemporaryFile",
}  # fmt: skip
MAY_MAKE_THEM = {
    "bertworks/storage/scratch.py": "it is what all others use",
    "components/ingest/step.py": "in the artifact that it writes, whose own leftovers are removed",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> roots.Root:
    """A root, and a place for temporary files of its own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(roots, "TIDYING_SECONDS", 0.0)
    return roots.open_root(str(tmp_path / "root"))


def start(place: roots.Root) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds the root as a run does; its scratch folder."""
    command = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert command.stdout is not None
    return command, Path(command.stdout.readline().strip())


def kill(command: subprocess.Popen[str]) -> None:
    command.send_signal(signal.SIGKILL)
    command.communicate(timeout=60)


def record(place: roots.Root, state: str, name: str = "1-tiny") -> Path:
    folder = place.runs / name
    folder.mkdir(parents=True)
    steps = [{"name": "ingest", "state": "succeeded"}, {"name": "finetune", "state": "running"}]
    run = {"id": name, "state": state, "started": 1.0, "seconds": 0.0, "steps": steps}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "events.jsonl").touch()
    os.utime(folder / "events.jsonl", (11.0, 11.0))
    return folder / "run.json"


def test_a_killed_run_is_marked_and_cleared_away_by_the_next_command(place) -> None:
    command, scratch = start(place)
    (scratch / "kfp-workspace-1").mkdir()
    (scratch / "tmp.Xy").mkdir()
    file = record(place, "running")
    for partial in (
        place.models / "tiny/versions/.ab.partial",
        place.pipeline_root / "r/.m.ab.partial",
    ):
        partial.mkdir(parents=True)
    (place.models / "tiny/.lock").touch()
    assert latest(roots.find_root(str(place.path))).state == "running"  # it is at work
    assert scratch.exists()
    kill(command)
    done = latest(roots.find_root(str(place.path)))
    assert done.state == "interrupted" and done.seconds == 10.0
    assert [step.state for step in done.steps] == ["succeeded", "interrupted"]
    assert "killed" in json.loads(file.read_text())["message"]
    assert not scratch.exists()
    assert (
        list(place.models.rglob(".*.partial"))
        == list(place.pipeline_root.rglob(".*.partial"))
        == []
    )


def test_a_live_run_keeps_all_that_is_its(place) -> None:
    command, scratch = start(place)
    file = record(place, "running")
    partial = place.pipeline_root / "r/.m.ab.partial"
    partial.mkdir(parents=True)
    roots.find_root(str(place.path))
    with pytest.raises(EnvironmentFault, match=f"process {command.pid}"), roots.locked(place):
        pass
    assert remove_abandoned() == []
    assert json.loads(file.read_text())["state"] == "running"
    assert scratch.exists() and partial.exists()
    kill(command)
    with roots.locked(place):
        assert json.loads(file.read_text())["state"] == "interrupted"
        assert not scratch.exists() and not partial.exists()


def test_a_run_that_ends_leaves_nothing_to_tidy(place) -> None:
    with roots.locked(place):
        pass
    assert (place.path / "lock").read_bytes() == b""
    with pytest.raises(ValueError, match="x"), roots.locked(place):
        raise ValueError("x")
    assert (place.path / "lock").read_bytes() == b""


def test_a_model_whose_turn_another_process_has_is_left_alone(place) -> None:
    partial = place.models / "tiny/versions/.ab.partial"
    partial.mkdir(parents=True)
    with open(place.models / "tiny/.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with roots.locked(place):
            assert partial.exists()
    with roots.locked(place):
        assert not partial.exists()


def test_only_abandoned_folders_of_ours_are_removed(place) -> None:
    tmp = Path(tempfile.gettempdir())
    for name in ("bertworks-of-another-program", "tmp.abc", "kfp-workspace-x", "bertworks-dead"):
        (tmp / name).mkdir()
    (tmp / "bertworks-dead" / LOCK).touch()
    (tmp / "bertworks-link").symlink_to(tmp / "bertworks-dead")
    with Scratch() as mine:
        assert [one.name for one in remove_abandoned()] == ["bertworks-dead"]
        assert Path(mine).exists()
    assert not Path(mine).exists()
    assert (tmp / "bertworks-of-another-program").exists() and (tmp / "tmp.abc").exists()


def folders_in(tmp: Path) -> list[Path]:
    return sorted(tmp.glob("bertworks-*"))


def test_what_a_killed_init_held_goes_with_the_next_command(
    place, tmp_path: Path, bertworks: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    tmp, asked, answer = Path(tempfile.gettempdir()), threading.Event(), threading.Event()

    def wait(_: object) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        answer.wait()
        return 404, {}, b""

    with Site(other=(404, {}, b"")) as site:
        site.answers["/rows.csv"] = wait
        command = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "init", f"{site.url}/rows.csv"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, cwd=tmp_path,
        )  # fmt: skip
        assert asked.wait(600) and command.poll() is None
        held = folders_in(tmp)
        assert held
        assert bertworks("models", "list", cwd=tmp_path).returncode == 0
        assert folders_in(tmp) == held, "they are of a process that lives"
        kill(command)
        answer.set()
    assert folders_in(tmp) == held
    assert bertworks("models", "list", cwd=tmp_path).returncode == 0
    assert folders_in(tmp) == []


@pytest.mark.parametrize("maker", MAKERS)
def test_whoever_makes_a_folder_owns_it_while_it_lives(place, maker: str) -> None:
    code = f"{MAKERS[maker]}\nprint(folder, flush=True)\ninput()"
    command = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert command.stdout is not None
    folder = Path(command.stdout.readline().strip())
    assert folder.is_dir() and folders_in(Path(tempfile.gettempdir())) == [folder]
    assert remove_abandoned() == [] and folder.is_dir()
    kill(command)
    assert remove_abandoned() == [folder] and not folder.exists()


def test_a_lock_is_found_only_where_it_is_held(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that clears away meanwhile cannot take the lock before its owner does."""
    seen = []

    def rename(self: Path, target: Path) -> Path:
        seen.append((target.exists(), remove_abandoned()))
        os.rename(self, target)
        return target

    monkeypatch.setattr(Path, "rename", rename)
    with Scratch() as mine:
        assert seen == [(False, [])]
        assert (Path(mine) / LOCK).exists() and remove_abandoned() == []


def makers_in(text: str) -> Iterator[str]:
    """What of the standard library a source makes temporary folders with."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in MAKES_FOLDERS:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "tempfile":
            yield from MAKES_FOLDERS & {one.name for one in node.names}


def test_no_module_makes_temporary_folders_in_a_way_of_its_own() -> None:
    """Else what a killed process leaves would stay."""
    found = set()
    for folder in ("bertworks", "components", "pipelines"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            text = file.read_text("utf-8")
            if "tempfile" in text and list(makers_in(text)):
                found.add(str(file.relative_to(REPOSITORY)))
    assert found == set(MAY_MAKE_THEM)


@pytest.mark.parametrize(
    "text",
    ["import tempfile\ntempfile.mkdtemp()", "from tempfile import TemporaryDirectory",
     "import tempfile as t\nt.NamedTemporaryFile()"],
)  # fmt: skip
def test_the_look_sees_it(text: str) -> None:
    assert list(makers_in(text))
