"""The runner of cases: tells right from wrong, and exits so."""

from __future__ import annotations

import sys

import pytest

from tests.cases import run

SPEC = """\
name: case
data: {sources: [{uri: data.csv}], validation: 0.2, test: 0.2}
base: {uri: scratch}
"""


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(tmp_path / "downloads"))

    def call(name: str, labels: list[str]) -> int:
        folder = tmp_path / "cases" / name
        folder.mkdir(parents=True)
        rows = [f"a text of number {n},{labels[n % len(labels)]}" for n in range(60)]
        (folder / "data.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
        (folder / "spec.yaml").write_text(SPEC)
        (folder / "README").write_text("Labels. Right: as here.")
        monkeypatch.setattr(sys, "argv", ["run", str(tmp_path / "cases"), name])
        return run.main()

    return call


def test_a_case_that_is_right_and_one_that_is_not(case, capsys):
    assert case("label-nfd", ["café", "cafe\u0301", "bar"]) == 0
    assert "1 cases, 0 not right" in capsys.readouterr().out
    assert case("label-case", ["spam", "ham"]) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said and "1 cases, 1 not right" in said


def test_a_case_that_nobody_knows_is_no_failure(case, capsys):
    assert case("no-such-case", ["a", "b"]) == 0
    assert "no expectation" in capsys.readouterr().out
