"""`bertworks chat`: lines in, answers out, and a dialogue that goes on another time."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertworks.dialogue.sessions import SqliteStore
from bertworks.errors import BertworksError
from pipelines.cli.main import app
from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    return tmp_path / "town.yaml"


def chat(spec: Path, said: str, *options: str) -> Result:
    found = CliRunner().invoke(
        app, ["chat", str(spec), "--root", str(spec.parent / "root"), *options], input=said
    )
    assert found.exit_code == 0, found.output
    return found


def test_a_talk_in_the_terminal(spec: Path) -> None:
    found = chat(spec, "cheap chinese\nnorth\nits number\nthanks, bye\nnever read\n")
    assert found.stdout.splitlines() == [
        "Hello. How can I help you?",
        "Which area would you like?",
        "How about Golden Lantern? Its price range is cheap. Its food is chinese. Its area is north.",
        "Golden Lantern: Its phone is 01223 100001.",
        "Goodbye.",
    ]
    assert "nothing trained understands here" in found.stderr


def test_a_trace_shows_what_was_decided(spec: Path) -> None:
    shown = chat(spec, "cheap chinese\n", "--trace").stdout
    assert "chosen      ask:area [rule: many_matches (1): ask]" in shown


def test_a_talk_goes_on_another_time(spec: Path) -> None:
    first = chat(spec, "cheap chinese\n")
    (name,) = re.findall(r"--session (\w+)", first.stderr)
    again = chat(spec, "north\n", "--session", name)
    assert again.stdout.splitlines()[:2] == ["> cheap chinese", "Which area would you like?"]
    assert "Golden Lantern" in again.stdout
    other = chat(spec, "hello\n", "--session", "unknown")
    assert "there is no dialogue unknown" in other.stderr


def test_empty_and_endless_lines_are_answered(spec: Path) -> None:
    shown = chat(spec, "\n" + "x" * 10_000 + "\n", "--trace").stdout
    assert shown.count("I did not understand that") == 2
    assert "8,000 of 10,000 characters were not read" in shown


def test_how_it_went_is_kept_when_it_is_typed(spec: Path) -> None:
    found = chat(spec, "/bad\ncheap chinese\n/bad\n/good\nnorth\n")
    assert found.stderr.count("note: kept") == 2 and "nothing was said yet" in found.stderr
    assert len(found.stdout.splitlines()) == 3  # these words are no turns
    ((stored, traces),) = SqliteStore(spec.parent / "root" / "sessions.db", 60.0).all()
    assert stored.outcome == 1.0 and len(traces) == 2


def test_an_id_is_what_it_is_over_http(spec: Path) -> None:
    found = CliRunner().invoke(
        app, ["chat", str(spec), "--root", str(spec.parent / "root"), "--session", "no such"]
    )
    assert isinstance(found.exception, BertworksError)
    assert "'no such' is no id of a dialogue" in found.exception.message
    (name,) = re.findall(r"--session (\S+)", chat(spec, "north\n").stderr)
    assert "(any more)" not in chat(spec, "cheap chinese\n", "--session", name).stderr
