"""Advice that names options of the command line is taken: the option is given, and it works."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bertworks.batch.texts import Form, read
from bertworks.contracts.agent import AgentRecord
from bertworks.errors import BertworksError, SpecError
from bertworks.storage import artifacts, temporary
from bertworks.storage.artifacts import write, write_json
from bertworks.storage.store import Store
from bertworks.tasks.forms import form_named
from pipelines.cli import models as models_cli
from pipelines.cli import predictions, served
from pipelines.cli.main import app
from pipelines.cluster.schedule.cron import parse
from pipelines.cluster.schedule.zones import place
from pipelines.local import record
from pipelines.local import root as roots
from tests.fixes.taking import Bench, taken
from tests.helpers.retrain_rows import keep_version

Attempt = Callable[..., Any]


def option(name: str, *values: Any) -> Callable[[str], tuple[Any, ...]]:
    """Values for an option that the advice names and some command has."""

    def of(fix: str) -> tuple[Any, ...]:
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", fix), (name, fix)
        return values

    return of


def given(command: str, *words: str) -> dict[str, Any]:
    """What the command line makes of the words."""
    found: Any = typer.main.get_command(app)
    for part in command.split():
        found = found.commands[part]
    parsed: dict[str, Any] = found.make_context(command, list(words), resilient_parsing=True).params
    return parsed


def refused_then(attempt: Attempt, value: Any) -> Attempt:
    return lambda *chosen: attempt(*(chosen or (value,)))


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    root = given("run", "a.yaml", "--root", str(tmp_path / "r"))["root"]
    found = taken("pipelines/local/root.py", "Choose another one with --root",
                  refused_then(roots.open_root, str(tmp_path / "file/root")),
                  option("--root", root))  # fmt: skip
    assert found.models.is_dir()


def test_a_root_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BERTWORKS_ROOT", str(tmp_path / "file/root"))

    def attempt(root: str | None = None) -> roots.Root:
        if root:
            monkeypatch.setenv("BERTWORKS_ROOT", root)
        return roots.open_root(None)

    taken("pipelines/local/root.py", "or set BERTWORKS_ROOT", attempt,
          option("BERTWORKS_ROOT", str(tmp_path / "other")))  # fmt: skip


def test_a_root_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {str(tmp_path / "full"): 10**6}

    class Usage:
        def __init__(self, folder: Path) -> None:
            self.free = free.get(str(folder), 10**12)

    monkeypatch.setattr(roots.shutil, "disk_usage", Usage)
    taken("pipelines/local/root.py", "Free some space, or choose another disk with --root.",
          refused_then(roots.open_root, str(tmp_path / "full")),
          option("--root", str(tmp_path / "roomy")))  # fmt: skip


def test_a_root_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "TIDYING_SECONDS", 0)
    first = roots.open_root(str(tmp_path / "one"))

    def attempt(root: str) -> None:
        with roots.locked(roots.open_root(root)):
            pass

    holder = os.open(first.path / roots.LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        taken("pipelines/local/root.py", "or run beside it with another --root",
              refused_then(attempt, str(first.path)),
              option("--root", str(tmp_path / "two")))  # fmt: skip
    finally:
        os.close(holder)
    attempt(str(first.path))  # "wait for it"


@pytest.mark.parametrize("error", [28, 13])
def test_a_step_whose_folder_cannot_be_written(tmp_path: Path, error: int) -> None:
    """A full disk and a missing right: another --root is another folder."""
    broken = tmp_path / "broken"

    def attempt(root: Path = broken) -> Path:
        with write(root / "artifact", kind="base", producer="ingest") as out:
            if root == broken:
                raise OSError(error, os.strerror(error))
            write_json(out / "config.json", {})
        return root

    by = option("--root", tmp_path / "other")
    if error == 28:
        taken("bertworks/storage/replacing.py", "choose another disk with --root", attempt, by)
    else:
        taken("bertworks/storage/replacing.py", "or choose another one with --root.", attempt, by)
    assert artifacts.open_artifact(tmp_path / "other/artifact")


def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.launch import _full_disk

    monkeypatch.setattr(temporary, "check", lambda: None)
    fault = _full_disk(OSError(28, "No space left on device", "/r/x"))
    assert "--root" in fault.fix and given("run", "a.yaml", "--root", "/s")["root"] == "/s"


def test_no_run_in_the_root(tmp_path: Path) -> None:
    kept = roots.open_root(str(tmp_path / "kept"))
    (kept.runs / "1").mkdir()
    (kept.runs / "1/run.json").write_text(json.dumps({"id": "1", "started": 1}))
    found = taken("pipelines/local/record.py", "name another folder with --root",
                  refused_then(lambda root: record.latest(roots.open_root(root)), str(tmp_path / "new")),
                  option("--root", str(tmp_path / "kept")))  # fmt: skip
    assert found.id == "1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "kept/models")
    keep_version(made, tmp_path / "v1", 1, {})
    made.promote("tiny", 1)
    return made


@pytest.mark.parametrize("agent", ["tiny", None])
def test_no_agent_in_the_root(store: Store, tmp_path: Path, agent: str | None) -> None:
    def attempt(root: str = str(tmp_path / "new")) -> Any:
        return served.find(agent, Store(roots.find_root(root).models))

    taken("pipelines/cli/served.py", "or name another folder with --root", attempt,
          option("--root", str(tmp_path / "kept")))  # fmt: skip


def test_no_model_in_the_root(store: Store, tmp_path: Path) -> None:
    def attempt(root: str = str(tmp_path / "new")) -> Any:
        return models_cli.named(Store(roots.find_root(root).models), "tiny")

    taken("pipelines/cli/models.py", "--root names another folder", attempt,
          option("--root", str(tmp_path / "kept")))  # fmt: skip


def test_no_retraining_in_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bertworks.contracts.retraining import Outcome
    from bertworks.storage.outcomes import Outcomes
    from pipelines.cli.retrain import outcomes

    other = str(tmp_path / "other")
    ended = Outcome("tiny", "1", "2026-11-26T00:00:00Z", "promoted", "tiny: promoted")
    Outcomes(other, "tiny").add(ended)
    taken("pipelines/cli/retrain.py", "or name the model store with --store.",
          refused_then(lambda store: outcomes("tiny", store=store), str(tmp_path / "none")),
          option("--store", given("models outcomes", "tiny", "--store", other)["store"]))  # fmt: skip
    assert "promoted" in capsys.readouterr().out


def test_a_name_that_no_store_takes(store: Store, bench: Bench) -> None:
    def by(fix: str) -> tuple[str]:
        assert "`name` of the spec" in fix
        return (bench.spec().spec.name,)

    found = taken("bertworks/storage/store.py", "Give the `name` of the spec.",
                  refused_then(store.list, "../tiny"), by)  # fmt: skip
    assert [one.number for one in found] == [1]


def test_a_store_needs_a_name_and_a_number(store: Store) -> None:
    def attempt(uri: str = store.uri, agent: str = "tiny") -> Any:
        uri = store.uri if uri == "/bertworks/models" else uri
        return served.locate(agent, uri, None, Path)

    def by(fix: str) -> tuple[str, str]:
        words = given("serve", *re.findall("For example: (.*)", fix)[0].split())
        assert words["agent"] == ["sentiment/3"]
        return words["store"], words["agent"][0].replace("sentiment/3", "tiny/1")

    taken("pipelines/cli/served.py", "For example: --store /bertworks/models --agent sentiment/3",
          attempt, by)  # fmt: skip


def test_a_limit_that_is_none() -> None:
    def by(fix: str) -> tuple[list[str]]:
        name = re.findall(r"one of ([a-z_]+)", fix)[0]
        return (given("serve", "--limit", f"{name}=3")["limit"],)

    taken("pipelines/cli/served.py", "Give --limit NAME=VALUE with one of ",
          lambda words=["size=1"]: served.limits_of(None, words), by)  # fmt: skip
    with pytest.raises(SpecError, match="There is no limit 'size'"):
        served.limits_of(None, ["size=1"])


def test_a_file_where_an_agent_is_meant(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("a text\n")

    def attempt(agent: str = str(file), texts: Path | None = None) -> Any:
        if texts:
            predictions._check_file(texts, [])
        return served.find(agent, store)

    def by(fix: str) -> tuple[str, Path]:
        words = given("predict", "--agent", "tiny", "--file", str(file))
        assert option("--file", 1)(fix) and "NAME/VERSION" in fix
        return words["agent"], words["file"]

    taken("pipelines/cli/served.py", "texts to predict for are given with --file", attempt, by)


def test_an_output_of_no_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from bertworks.runtime import agent as runtime
    from bertworks.spec import Task

    agent = SimpleNamespace(
        task=Task(),
        info=AgentRecord(Task(), 128),
        predict=lambda rows: [{"label": "a"} for _ in rows],
    )
    monkeypatch.setattr(runtime.Agent, "load", lambda _: agent)

    def attempt(out: Path | None = tmp_path / "out.xls", form: str = "jsonl") -> None:
        predictions.predict_stream(tmp_path, ["a"], None, out, form)

    by = lambda fix: (tmp_path / re.findall(r"OUT\.\w+", fix)[0],)  # noqa: E731
    taken(
        "pipelines/cli/predictions.py",
        "Name the file OUT.jsonl, or give --format jsonl.",
        attempt,
        by,
    )
    assert (tmp_path / "OUT.jsonl").read_text()
    taken("pipelines/cli/predictions.py", "give --format jsonl.",
          lambda form="xls": attempt(None, form), option("--format", "jsonl"))  # fmt: skip


@pytest.mark.parametrize("way", ["text", "spec's"])
def test_a_file_without_the_texts_column(tmp_path: Path, way: str) -> None:
    def attempt(column: str = "what") -> list[Any]:
        file = tmp_path / "rows.csv"
        file.write_text(f"id,{column}\n1,good\n")
        return [one.row for one in read([], file, Form(columns={"text": ["review"]}))]

    def by(fix: str) -> tuple[str]:
        assert "data.sources[].columns" in fix
        return (re.findall(r"Name the column (\w+)", fix)[0] if way == "text" else "review",)

    rows = taken("bertworks/batch/texts.py", "data.sources[].columns did", attempt, by)
    assert rows == ["good"]


@pytest.mark.parametrize("way", ["lines", "--agent"])
def test_sentences_for_an_agent_that_does_no_tagging(tmp_path: Path, way: str) -> None:
    def attempt(name: str = "rows.conll", words: bool = False) -> list[Any]:
        (tmp_path / name).write_text("good O\nfilm O\n\n")
        return [
            one.row
            for one in read([], tmp_path / name, Form(form_named("words" if words else "text")))
        ]

    def by(fix: str) -> tuple[Any, ...]:
        assert ".txt file" in fix and option("--agent", 1)(fix)
        return ("rows.txt",) if way == "lines" else ("rows.conll", True)

    taken("bertworks/batch/rows.py", "or name another agent with --agent", attempt, by)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_address_that_is_not_ours() -> None:
    from bertworks.serving.server import _check_address

    for which in range(2):
        taken("bertworks/serving/server.py", "Give an address of this machine with --host",
              lambda host="no.such.host.invalid": _check_address(host, free_port()),
              lambda fix, which=which: (re.findall(r"[\d.]+\d", fix)[which],))  # fmt: skip


def test_a_text_that_is_not_utf8_goes_into_a_file(tmp_path: Path) -> None:
    from bertworks.batch.texts import Form, read
    from pipelines.cli.command import check_arguments

    text = "caf\xe9".encode("cp1252")

    def attempt(*words: str) -> list[Any]:
        check_arguments(["predict", *(words or [os.fsdecode(text)])])
        return [one.row for one in read([], Path(words[1]), Form())]

    def by(fix: str) -> tuple[str, ...]:
        encoding = re.findall("iconv -f ([A-Z0-9-]+)", fix)[0]
        file = tmp_path / "texts.txt"
        file.write_text(text.decode(encoding), encoding="utf-8")
        return "--file", str(file)

    found = taken("pipelines/cli/command.py", "give a text in a file: --file", attempt, by)
    assert found == ["caf\xe9"]


@pytest.mark.parametrize("way", ["--port", "--host"])
def test_a_port_that_is_taken(way: str) -> None:
    from bertworks.serving.server import _check_address

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        chosen = ("127.0.0.1", free_port()) if way == "--port" else ("127.0.0.2", port)
        taken("bertworks/serving/server.py", "Choose another port with --port, or another address",
              lambda *chosen: _check_address(*(chosen or ("127.0.0.1", port))),
              option(way, *chosen))  # fmt: skip


NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize("way", ["--timezone", "schedule.timezone"])
def test_a_zone_inside_a_cron_line(bench: Bench, way: str) -> None:
    def attempt(line: str = "CRON_TZ=Asia/Tokyo 0 3 * * 1", zone: str = "UTC") -> Any:
        return place(parse(line), zone, "UTC", NOW)

    def by(fix: str) -> tuple[str, str]:
        assert way in fix
        words = given("schedule set", "a.yaml", "--timezone", "Asia/Tokyo")["timezone"]
        spec = bench.spec("schedule.cron='0 3 * * 1'", "schedule.timezone=Asia/Tokyo").spec
        return "0 3 * * 1", words if way == "--timezone" else spec.schedule.timezone

    assert taken(
        "pipelines/cluster/schedule/cron.py", "--timezone or schedule.timezone", attempt, by
    )


@pytest.mark.parametrize("way", ["--allow-dst-shift", "--timezone"])
def test_clocks_that_drift_apart(way: str) -> None:
    def attempt(zone: str = "Europe/Berlin", allow: bool = False) -> Any:
        return place(parse("0 3 * * 1"), zone, "UTC", NOW, allow_dst_shift=allow)

    def by(fix: str) -> tuple[Any, ...]:
        zone = re.findall(r"--timezone (\w+)", fix)[0]
        chosen = given("schedule set", "a.yaml", "--allow-dst-shift")
        return (zone,) if way == "--timezone" else ("Europe/Berlin", chosen["allow_dst_shift"])

    taken("pipelines/cluster/schedule/zones.py", "accept the other hour for a part of the year",
          attempt, by)  # fmt: skip


def test_a_compile_for_a_store_that_pods_cannot_see() -> None:
    from pipelines.cli.main import compile as compile_

    def attempt(store: str = "models") -> None:
        try:
            compile_(Path("none.yaml"), store=store)
        except BertworksError as error:
            if "none.yaml" not in error.message:  # the store is taken, and the spec is looked for
                raise

    for place_ in range(2):
        taken("pipelines/cli/main.py",
              "Write for example s3://bucket/models or /bertworks/models", attempt,
              lambda fix, n=place_: (re.findall(r"\S*/models", fix)[n],))  # fmt: skip


def test_an_address_of_kubeflow() -> None:
    from pipelines.cluster.kfp.connection import normal_host

    def by(fix: str) -> tuple[str]:
        address = re.findall(r"https://\S+\w", fix)[0]
        return (given("submit", "a.yaml", "--host", address)["host"],)

    taken("pipelines/cluster/kfp/connection.py", "Set --host or KFP_HOST, for example",
          lambda host="ftp://x y": normal_host(host), by)  # fmt: skip
