"""Artifacts are whole or absent, and damage is noticed."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.storage import artifacts


def write_one(path: Path, content: bytes = b"hello") -> artifacts.Artifact:
    with artifacts.write(path, kind="examples", producer="test", metadata={"n": 1}) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.bin").write_bytes(content)
    return artifacts.open_artifact(path, "examples")


def test_round_trip(tmp_path: Path) -> None:
    opened = write_one(tmp_path / "a")
    assert (opened / "inner/a.bin").read_bytes() == b"hello"
    assert opened.metadata == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@given(content=st.binary(max_size=64))
def test_digest_depends_on_content_alone(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("digest")
    assert write_one(folder / "a", content).digest == write_one(folder / "b", content).digest
    assert write_one(folder / "c", content + b"x").digest != write_one(folder / "a", content).digest


def test_what_a_clock_said_is_guarded_and_left_out_of_the_digest(tmp_path: Path) -> None:
    digests = []
    for name, seconds in (("a", "1.0"), ("b", "2.0"), ("c", "3.0")):
        measured = ("times.json", "none.json") if name != "c" else ()
        with artifacts.write(
            tmp_path / name, kind="model", producer="test", measured=measured
        ) as folder:
            (folder / "x").write_text("x")
            (folder / "times.json").write_text(seconds)
        digests.append(artifacts.open_artifact(tmp_path / name).digest)
    assert digests[0] == digests[1] != digests[2]
    (tmp_path / "a/times.json").write_text("1.1")
    with pytest.raises(ArtifactError, match="times.json is damaged"):
        artifacts.open_artifact(tmp_path / "a")


def test_parents_are_recorded(tmp_path: Path) -> None:
    parent = write_one(tmp_path / "a")
    with artifacts.write(
        tmp_path / "b", kind="tokens", producer="test", parents={"examples": parent}
    ) as folder:
        (folder / "x").write_text("x")
    assert artifacts.open_artifact(tmp_path / "b").parents == {"examples": parent.digest}


@given(position=st.integers(0, 4), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "a"
    write_one(path)
    file = path / "inner" / "a.bin"
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged") as raised:
        artifacts.open_artifact(path)
    assert str(file) in str(raised.value)


def test_no_flipped_bit_of_a_manifest_changes_what_is_believed(tmp_path: Path) -> None:
    whole = write_one(tmp_path / "a")
    file = tmp_path / "a/manifest.json"
    written = file.read_bytes()
    for position in range(len(written)):
        for bit in (0, 3, 6):
            damaged = bytearray(written)
            damaged[position] ^= 1 << bit
            file.write_bytes(damaged)
            try:  # What passes may only be other white space.
                assert artifacts.open_artifact(tmp_path / "a", verify=False) == whole
            except ArtifactError as error:
                assert str(file) in error.message


@pytest.mark.parametrize(
    "edit",
    [
        {"kind": "bundle"},
        {"producer": "gate"},
        {"metadata": {"n": 2}},
        {"parents": {"examples": "0" * 64}},
        {"format": 1},
        {"format": 3},
        {"seal": None},
        {"files": {"../a": {"bytes": 5, "sha256": "0" * 64}}},
        {"files": {"a": 1}},
        {"files": []},
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, edit: dict[str, object]) -> None:
    write_one(tmp_path / "a")
    file = tmp_path / "a/manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | edit))
    with pytest.raises(ArtifactError, match=r"manifest\.json") as raised:
        artifacts.open_artifact(tmp_path / "a")
    assert raised.value.fix


def test_a_manifest_of_before_there_were_seals_is_read(tmp_path: Path) -> None:
    whole = write_one(tmp_path / "a")
    file = tmp_path / "a/manifest.json"
    old = {k: v for k, v in json.loads(file.read_text()).items() if k != "seal"} | {"format": 1}
    file.write_text(json.dumps(old))
    assert artifacts.open_artifact(tmp_path / "a") == whole


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "inner/a.bin").unlink(), "no file"),
        (lambda p: (p / "inner/a.bin").write_bytes(b"hello!"), "found 6 bytes"),
        (lambda p: (p / "manifest.json").unlink(), "no manifest.json"),
        (lambda p: (p / "manifest.json").write_text("{"), "is damaged"),
        (
            lambda p: (p / "manifest.json").write_text(
                (p / "manifest.json").read_text().replace('"bytes": 5', '"bytes": 5, "x": 1')[:-4]
            ),
            "is damaged",
        ),
    ],
)
def test_damage_names_the_file(tmp_path: Path, damage, message: str) -> None:
    write_one(tmp_path / "a")
    damage(tmp_path / "a")
    with pytest.raises(ArtifactError, match=message):
        artifacts.open_artifact(tmp_path / "a")


def test_another_kind_is_refused(tmp_path: Path) -> None:
    write_one(tmp_path / "a")
    with pytest.raises(ArtifactError, match="'examples', where 'tokens' is needed"):
        artifacts.open_artifact(tmp_path / "a", "tokens")


def test_an_exception_leaves_nothing_and_keeps_the_old(tmp_path: Path) -> None:
    write_one(tmp_path / "a")
    with (
        pytest.raises(RuntimeError),
        artifacts.write(tmp_path / "a", kind="examples", producer="t") as folder,
    ):
        (folder / "b").write_text("new")
        raise RuntimeError("boom")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (artifacts.open_artifact(tmp_path / "a") / "inner/a.bin").exists()


def test_writing_again_replaces(tmp_path: Path) -> None:
    write_one(tmp_path / "a", b"one")
    again = write_one(tmp_path / "a", b"two")
    assert (again / "inner/a.bin").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    def full_disk() -> None:
        with artifacts.write(tmp_path / "a", kind="examples", producer="t") as folder:
            (folder / "b").write_text("x")
            raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault, match="No space left"):
        full_disk()
    assert list(tmp_path.iterdir()) == []


def _write_slowly(path: Path) -> None:
    with artifacts.write(path, kind="examples", producer="t") as folder:
        for index in range(1000):
            (folder / f"{index}").write_text("x")
            time.sleep(0.01)


def test_a_killed_writer_leaves_no_artifact(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(
        target=_write_slowly, args=(tmp_path / "a",)
    )
    writer.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".a.*.partial/3")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert not (tmp_path / "a").exists()
    assert list(tmp_path.glob(".a.*.partial"))
    write_one(tmp_path / "a")
