"""Advice of a server of several agents, of one that follows a store, and of its trials is taken."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from made_versions import Versions
from typer.testing import CliRunner
from upgrading import Server

from bertworks.serving import server
from bertworks.serving.access import joining, keyfile, keys
from bertworks.serving.assembly import Serving
from bertworks.serving.identity import Located, in_version
from bertworks.serving.settings import Served, Settings
from bertworks.serving.upgrades.trial import Rules
from bertworks.storage.store import Store
from pipelines.cli import following, served
from pipelines.cli.main import app
from tests.fixes.taking import taken
from tests.fixes.test_taken_commands import free_port, given, option


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def root(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of `mood` and one of `other`; nothing here changes them."""
    made = tmp_path_factory.mktemp("root")
    versions.store(made / "models", versions.bundle(0), versions.bundle(1))
    versions.store(made / "models", versions.bundle(0), name="other")
    return made


def models(root: Path, *words: str) -> list[Served]:
    """What `serve` makes of a command line's agents; its names are checked as at its start."""
    found = given("serve", *words)

    def local(agent: str | None, digest: str | None) -> Located:
        store = Store(root / "models")
        version = served.find(agent, store)
        assert not isinstance(version, Path)
        return in_version(store, version, digest)

    made, _ = served.models_of(found["agent"], found["name"], None, found["digest"], local)
    server._check(made, Settings())
    return made


def named(options: str, *agents: str) -> Callable[[str], tuple[str, ...]]:
    """Gives agents as the advice writes the option: `--agent NAME=AGENT`."""

    def by(fix: str) -> tuple[str, ...]:
        form = re.findall(options, fix)[0]
        return tuple(
            word
            for place, agent in enumerate(agents)
            for word in form.replace("=AGENT", f"={agent}").replace("NAME", f"m{place}").split()
        )

    return by


def test_two_versions_of_one_agent(root: Path) -> None:
    twice = ("--agent", "mood/1", "--agent", "mood/2")
    found = taken("bertworks/serving/server.py", "Name them: --agent NAME=AGENT.",
                  lambda *words: models(root, *(words or twice)),
                  named(r"--agent NAME=AGENT", "mood/1", "mood/2"))  # fmt: skip
    assert [one.name for one in found] == ["m0", "m1"]


@pytest.mark.parametrize("form", [r"--name NAME", r"--agent NAME=AGENT"])
def test_a_name_that_no_url_takes(root: Path, form: str) -> None:
    agent = ("--agent", "mood/1")
    kept = () if "=" in form else agent
    (found,) = taken("bertworks/serving/server.py", "Give it another name: --name NAME, or --agent",
                     lambda *words: models(
                         root, *((*kept, *words) if words else (*agent, "--name", "a/b"))),
                     named(form, "mood/1"))  # fmt: skip
    assert found.name == "m0"


@pytest.mark.parametrize("what", ["name", "digest"])
def test_one_name_or_digest_for_two_agents(root: Path, what: str) -> None:
    digest = Store(root / "models").show("mood", 2).digest
    two = ("--agent", "mood/2", "--agent", "other/1", f"--{what}", digest)

    def by(fix: str) -> tuple[str, ...]:
        if what == "digest":
            assert "a digest can be asked of one agent alone" in fix
            return ("--agent", "mood/2", "--digest", digest)
        form = re.findall(r"--agent MODEL=AGENT", fix)[0].replace("MODEL", "first")
        return (*form.replace("AGENT", "mood/2").split(), "--agent", "other/1")

    found = taken("pipelines/cli/served.py", "Name them: --agent MODEL=AGENT",
                  lambda *words: models(root, *(words or two)), by)  # fmt: skip
    assert [one.name for one in found] == (["agent"] if what == "digest" else ["first", "other"])


def test_which_agent_is_followed(root: Path) -> None:
    def attempt(*agents: str) -> list[Served]:
        return following.followed(agents, None, str(root / "models"), following.Given())[0]

    (found,) = taken("pipelines/cli/following.py", "Name it: --agent NAME.", attempt,
                     option("--agent", *given("serve", "--agent", "mood")["agent"]))  # fmt: skip
    assert found.identity is not None and found.identity.version == 1


def test_a_challenger_without_a_store_to_follow(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of `bertworks serve` but for the listening."""
    rules: list[Rules] = []

    def ready(serving: Serving, *settings: object) -> None:
        rules.append(serving.started[-1].__self__._following.rules)  # type: ignore[attr-defined]

    monkeypatch.setattr(server, "_listen", ready)
    words = ("serve", "--root", str(root), "--agent", "mood", "--canary", "share=0.2")
    port = ("--port", str(free_port()))

    def attempt(*more: str) -> None:
        done = CliRunner().invoke(app, [*words, *port, *more])
        if done.exception is not None:
            raise done.exception

    taken("pipelines/cli/asking.py", "Give --follow too.", attempt, option("--follow", "--follow"))
    assert rules[0].canary is not None and rules[0].canary.share == 0.2


@contextmanager
def listening(root: Path, known: Path | None = None) -> Iterator[str]:
    """The address of a server that calls its model `mood`, and follows the store."""
    serving = Server(root / "models").serving
    joining.join(serving, joining.Entrance(keys=known))
    config = uvicorn.Config(serving.application()[0], port=0, log_level="error", lifespan="off")
    running = uvicorn.Server(config)
    ready, startup = threading.Event(), running.startup

    async def started(sockets: Any = None) -> None:
        await startup(sockets)
        ready.set()

    running.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(60)
        serving.observers.close()
        serving.models.batcher.close()
        for close in serving.closed:
            close()


def status(root: Path, *words: str) -> str:
    """What `bertworks canary status` prints."""
    done = CliRunner().invoke(app, ["canary", "status", "mood", "--root", str(root), *words])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.mark.parametrize("way", ["--model", "--url"])
def test_a_trial_that_no_server_answers_for(root: Path, way: str) -> None:
    with listening(root) as url:
        right = {"--url": url, "--model": "mood"}
        wrong = {"--url": f"http://127.0.0.1:{free_port()}", "--model": "agent"}[way]

        def attempt(value: str = wrong) -> str:
            pairs = {**right, way: value}.items()
            return status(root, *(word for pair in pairs for word in pair))

        by = option(way, right[way])
        if way == "--model":
            shown = taken("pipelines/cli/canary.py", "Name the model with --model", attempt, by)
        else:
            shown = taken("pipelines/cli/canary.py", "Give --url as clients reach", attempt, by)
    assert "champion: version 1" in shown


def test_a_trial_on_a_server_that_asks_for_a_key(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keyfile.changing(tmp_path / "keys.json") as known:
        key, secret = keys.make("shop", keyfile.now())
        known[key.id] = key
    monkeypatch.delenv("BERTWORKS_KEY", raising=False)

    def by(fix: str) -> tuple[()]:
        monkeypatch.setenv(re.findall(r"Set (\w+) to your key", fix)[0], secret)
        return ()

    with listening(root, tmp_path / "keys.json") as url:
        shown = taken("bertworks/client/client.py", " to your key.",
                      lambda: status(root, "--url", url, "--model", "mood"), by)  # fmt: skip
    assert "champion: version 1" in shown
