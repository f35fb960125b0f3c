"""The command line's own words: closing lines, unexpected errors, how it was called."""

import io
import os
import socket
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from asgi import post

from bertworks.batch.texts import Form, read
from bertworks.contracts.decision import DECISION, Decision, Rule
from bertworks.contracts.registered import REGISTERED, Registered
from bertworks.contracts.runs import RunRecord
from bertworks.errors import DataError, SpecError
from pipelines.cli import command
from pipelines.cli import main as cli
from pipelines.cli.verdict import closing_lines


def test_a_command_in_a_message_can_be_typed_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "bertworks"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command.called() == str(program)
    monkeypatch.setenv("PATH", str(program.parent))
    assert command.called() == "bertworks"
    monkeypatch.setattr(sys, "argv", ["pipelines/cli/main.py"])
    assert command.called() == "bertworks"


@pytest.mark.parametrize("reported", [True, False])
def test_the_closing_lines_name_this_runs_version(tmp_path: Path, reported: bool) -> None:
    rules = [
        Rule("minimum", 0.8, 0.8412345, True),
        Rule("beat_champion", None, None, True, note="none yet"),
    ]
    for name in ("decision", "registered"):
        (tmp_path / name).mkdir()
    DECISION.write(tmp_path / "decision", Decision(True, "accuracy", rules, []))
    REGISTERED.write(tmp_path / "registered", Registered("tiny", 3, "models/tiny/3", "d" * 64))
    if reported:
        (tmp_path / "report.html").write_text("")
    artifacts = {name: str(tmp_path / name) for name in ("decision", "registered")}
    done = RunRecord(name="tiny", seconds=1.0, artifacts=artifacts, folder=tmp_path)
    said = "\n".join(closing_lines(done, "a b"))
    assert "minimum: 0.8412 (limit 0.8)" in said
    assert "beat_champion: none yet" in said
    assert "--root 'a b' --agent tiny/3" in said
    assert ("could not be built" in said) is not reported


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "x"), ValueError("odd")])
def test_an_unexpected_error_has_no_traceback_unless_asked(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["bertworks"])
    monkeypatch.delenv("BERTWORKS_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert str(error) in said and "fix:" in said
    monkeypatch.setattr(sys, "argv", ["bertworks", "--debug"])
    with pytest.raises(type(error)):
        cli.main()


def test_bytes_that_are_not_utf8_on_stdin_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = types.SimpleNamespace(buffer=io.BytesIO(b"good\r\n\xff\n"), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", typed)
    rows = read([], None, Form())
    assert next(rows).row == "good"
    with pytest.raises(DataError, match="stdin line 2 is not UTF-8"):
        next(rows)


def test_a_cell_that_is_not_there_is_empty_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": null}\n{"text": "a"}\n')
    rows = read([], tmp_path / "rows.jsonl", Form())
    assert [given.row for given in rows] == ["", "a"]


def test_compile_takes_no_store_relative_to_this_shell(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ndata: {sources: [{uri: /bertworks/a.csv}]}\n")
    with pytest.raises(SpecError, match="as the pods see it. Received: 'models'"):
        cli.app(
            ["compile", str(tmp_path / "a.yaml"), "--store", "models", "-o", str(tmp_path / "o")],
            standalone_mode=False,
        )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", os.fsdecode(b"caf\xe9")],
        ["run", os.fsdecode(b"caf\xe9.yaml")],
        ["run", "spec.yaml", "--set", os.fsdecode(b"name=caf\xe9")],
        ["predict", os.fsdecode(b"--agent=caf\xe9"), "a text"],
        [os.fsdecode(b"\xff")],
    ],
)
def test_an_argument_that_is_not_utf8_is_named(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bertworks", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == SpecError.exit_code
    assert "is not UTF-8. Received: b'" in said and "fix: " in said and "Traceback" not in said


def test_names_of_files_may_be_any_bytes(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    command.check_arguments(["predict", "--file", "x", "-o", os.fsdecode(b"new \xe9.csv")])
    with pytest.raises(SpecError, match="Argument 2"):
        command.check_arguments(["predict", os.fsdecode(name)])
    with open(name, "w"):
        command.check_arguments(["predict", os.fsdecode(name), os.fsdecode(b"--file=" + name)])


def served(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> Any:
    """The server that `bertworks serve` makes, stopped before it listens."""
    from bertworks.serving.http.listening import Listener

    made: list[Any] = []
    monkeypatch.setattr(Listener, "listen", lambda self: made.append(self))
    words = ["serve", "--agent", str(folder), "--port", str(free_port()), *options]
    monkeypatch.setattr(sys, "argv", ["bertworks", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    return made[0]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
@pytest.mark.parametrize("repository", [False, True])
def test_serve_listens_where_it_is_told_and_unloads_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, repository: bool
) -> None:
    monkeypatch.delenv("BERTWORKS_HOST", raising=False)
    folder = tiny_model.bundle_of(
        tiny_model.make_model(tmp_path / "model", {}, ["a", "b"]), tmp_path / "bundle"
    )
    options = [] if host == "127.0.0.1" else ["--host", host]
    options += ["--open"] if host == "0.0.0.0" else []  # nobody is asked for a key
    server = served(monkeypatch, folder, *options, *(["--repository"] if repository else []))
    assert server.config.host == host
    unloaded = post(server.config.app, "/v2/repository/models/agent/unload", {})
    assert unloaded.status == (200 if repository else 404)
    if not repository:
        assert "--repository" in unloaded.json()["error"]
