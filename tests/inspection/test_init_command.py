"""`bertworks init` as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bertworks.errors import SpecError
from pipelines.cli import init as init_cli
from pipelines.cli.main import app
from tests.inspection.made import N, as_csv, labels, texts

RUNNER = CliRunner()


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return as_csv(Path("reviews.csv"), ["review", "stars"], texts(N), labels(N, [1, 2, 3, 4, 5]))


def test_a_spec_is_written_with_reasons_and_one_screen_is_shown(reviews: str) -> None:
    done = RUNNER.invoke(app, ["init", reviews], catch_exceptions=False)
    assert done.exit_code == 0
    assert len(done.output.splitlines()) < 40
    for shown in ("review", "stars", "classification", "English", "agent.yaml", "run it:"):
        assert shown in done.output
    text = Path("agent.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Written by `bertworks init reviews.csv`")
    spec = yaml.safe_load(text)
    assert spec["name"] == "reviews"
    assert spec["data"]["sources"][0]["columns"] == {"text": "review", "label": "stars"}
    assert spec["data"]["sources"][0]["uri"] == "reviews.csv"


def test_a_file_that_is_there_is_never_overwritten(reviews: str) -> None:
    Path("agent.yaml").write_text("mine")
    done = RUNNER.invoke(app, ["init", reviews, "--yes"])
    assert isinstance(done.exception, SpecError)
    assert "-o agent-2.yaml" in done.exception.fix
    assert Path("agent.yaml").read_text() == "mine"
    done = RUNNER.invoke(app, ["init", reviews, "--yes", "-o", "agent-2.yaml"])
    assert done.exit_code == 0 and Path("agent-2.yaml").is_file()


def test_what_cannot_be_decided_is_asked(reviews: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(text: str, **_: object) -> int:
        asked.append(text)
        return 2

    monkeypatch.setattr(init_cli, "_is_terminal", lambda: True)
    monkeypatch.setattr(init_cli.typer, "prompt", answer)
    done = RUNNER.invoke(app, ["init", reviews], catch_exceptions=False)
    assert done.exit_code == 0 and asked
    assert yaml.safe_load(Path("agent.yaml").read_text())["task"]["type"] == "regression"
    assert "as you said" in Path("agent.yaml").read_text()


def test_rows_that_a_stray_quote_may_have_swallowed_are_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pos", "neg"):
        rows = [
            f"{text.replace(',', '')} {n}" for n, text in enumerate(texts(100, seed=ord(name[0])))
        ]
        if name == "pos":
            rows[3], rows[58] = f'"{rows[3]}', f'{rows[58]}"'
        Path(f"{name}.csv").write_text("\n".join(["text", *rows]))
    done = RUNNER.invoke(app, ["init", "pos.csv", "neg.csv", "--yes"], catch_exceptions=False)
    shown = " ".join(done.output.split())
    assert "2 files, 145 rows" in shown and "? read" in shown
    assert "1 quoted cells take 56 lines" in shown and "pos.csv line 5" in shown
    assert str(tmp_path) not in Path("agent.yaml").read_text()


def test_nobody_is_asked_with_yes(reviews: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_cli, "_is_terminal", lambda: True)
    done = RUNNER.invoke(app, ["init", reviews, "--yes"], catch_exceptions=False)
    assert done.exit_code == 0 and "guess" in Path("agent.yaml").read_text()
