"""Advice of deploy is taken: settings of the spec, options, and what is on the cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bertworks.errors import EnvironmentFault
from components.deploy import deployment, lookup, manifests, present
from components.deploy.settings import Serving, settings_of
from pipelines.cluster.deploy import cli as deploy_cli
from tests.fixes.taking import Bench, as_written, change, taken


def settings(bench: Bench, *changes: str, store: str | None = None) -> Serving:
    """The deploy step's section, read as the step reads it; `store` is that of --store."""
    from pipelines.deploying import deploy_section

    spec = bench.spec(*changes).spec
    if store is None or any("resources.store=" in one for one in changes):
        store = spec.resources.store or "/bertworks/models"
    return settings_of(deploy_section(spec, store), 1, "", "runs")


@pytest.mark.parametrize("way", ["store", "claim"])
def test_a_store_on_a_volume_that_is_not_there(bench: Bench, way: str) -> None:
    bench.content["resources"] = {
        "volume": {"claim": None, "mount": "/bertworks"}, "store": "s3://others",
    }  # fmt: skip
    ways = {
        "store": change("resources.store", "s3://models"),
        "claim": lambda fix: (
            ("resources.volume.claim=agents",) if "name the volume's claim" in fix else ()
        ),
    }
    taken("components/deploy/settings.py", "Set `resources.store` to a bucket (s3://…, gs://…), or",
          lambda *changes: settings(bench, *changes, store="/bertworks/models"), ways[way])  # fmt: skip


@pytest.mark.parametrize("where", ["/bertworks/models", "s3://models"])
def test_a_store_beside_the_volume(bench: Bench, where: str) -> None:
    def by(fix: str) -> tuple[str, ...]:
        assert "a path under /bertworks" in fix
        return change("resources.store", where)(fix)

    taken("components/deploy/settings.py", "Set `resources.store` to a path under ",
          lambda *changes: settings(bench, *changes, store="/elsewhere"), by)  # fmt: skip


@pytest.mark.parametrize("way", ["serve.deploy.namespace=null", "resources.store=gs://models"])
def test_a_volume_of_another_namespace(bench: Bench, way: str) -> None:
    bench.content["serve"] = {"deploy": {"namespace": "other"}}
    taken("components/deploy/settings.py", "Leave the namespace out, or keep the models in a bucket",
          lambda *changes: settings(bench, *changes), lambda _: (way,))  # fmt: skip


def test_processors_that_are_no_number(bench: Bench) -> None:
    from pipelines.deploying import deploy_section

    def attempt(cpu: str = "many") -> int | None:
        section = deploy_section(bench.spec().spec, "/bertworks/models")
        deploy = section.serve.deploy.model_copy(update={"cpu": cpu})
        serve = section.serve.model_copy(update={"deploy": deploy})
        return settings_of(section.model_copy(update={"serve": serve}), 1, "").threads

    for place in range(3):
        taken("components/deploy/settings.py", "Write for example 2, 0.5 or 500m.", attempt,
              lambda fix, place=place: (re.findall(r"[\d.]*\dm?", fix)[place],))  # fmt: skip


def test_a_name_too_long_for_kserve(bench: Bench) -> None:
    bench.content["name"] = "a" * 44
    bench.content["serve"] = {"deploy": {"kind": "kserve"}}

    def attempt(*changes: str) -> list[Any]:
        spec = bench.spec(*changes).spec
        kind = spec.serve.deploy.kind
        assert kind != "auto"
        return manifests.render(Serving(spec.name, 1, "", "/m", "i:1"), kind, "runs")

    taken(
        "components/deploy/manifests.py", "set `serve.deploy.kind: deployment`", attempt, as_written
    )
    taken("components/deploy/manifests.py", "Shorten the name", attempt, lambda _: ("name=mood",))


class Plain:
    """A cluster of objects, without KServe."""

    namespace = "runs"

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        named = (one for one in self.objects if one["metadata"]["name"] == name)
        return next((one for one in named if one["kind"] == kind), None)

    def knows(self, _: str) -> bool:
        return False


def test_no_kserve(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "kinds_of", lambda _: ["deployment"])
    monkeypatch.setattr(present, "live", lambda *_: None)
    bench.content["serve"] = {"deploy": {"kind": "kserve"}}

    def attempt(*changes: str) -> str:
        wanted = bench.spec(*changes).spec.serve.deploy.kind
        return present.choose_kind(Plain(), "mood", wanted)  # type: ignore[arg-type]

    kind = taken("components/deploy/present.py", "set `serve.deploy.kind: deployment`", attempt,
                 as_written)  # fmt: skip
    assert kind == "deployment"


@pytest.mark.parametrize("way", ["name", "namespace"])
def test_an_object_of_somebody_else(bench: Bench, way: str) -> None:
    bench.content["name"] = "mood"
    theirs = {"kind": "Service", "metadata": {"name": "bertworks-mood", "namespace": "runs"}}

    def attempt(*changes: str) -> None:
        spec = bench.spec(*changes).spec
        place = spec.serve.deploy.namespace or "runs"
        here = Plain(*([theirs] if place == "runs" else []))
        if found := here.get("Service", manifests.object_name(spec.name)):
            present.check_ours(found, spec.name, place)

    by = {
        "name": lambda fix: ("name=other",) if "another `name`" in fix else (),
        "namespace": change("serve.deploy.namespace", "others"),
    }[way]
    taken("components/deploy/present.py", "Choose another `name` or `serve.deploy.namespace`",
          attempt, by)  # fmt: skip


def test_an_image_of_another_version(bench: Bench) -> None:
    """The lookup's words are those of the image that the spec names."""
    from bertworks import __version__

    said = {"old:0": "No module named bertworks.serving.facts"}
    bench.content["serve"] = {"deploy": {"image": "old:0"}}

    def attempt(*changes: str) -> tuple[int, str]:
        image = bench.spec(*changes).spec.serve.deploy.image
        return lookup._read(said.get(image, json.dumps({"version": 3, "digest": "d"})))

    by = change("serve.deploy.image", f"bertworks/serving:{__version__}")
    assert taken("components/deploy/lookup.py", "`serve.deploy.image`", attempt, by) == (3, "d")


def test_nothing_to_go_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """ "bertworks deploy mood --version N": the command takes these words."""
    import typer.main

    from pipelines.cli.main import app

    monkeypatch.setattr(deployment, "kinds_of", lambda _: ["deployment"])
    monkeypatch.setattr(deployment, "live", lambda *_: None)
    command = typer.main.get_command(app).commands["deploy"]  # type: ignore[attr-defined]

    def attempt(*words: str) -> None:
        if words:
            parsed = command.make_context("deploy", list(words), resilient_parsing=True)
            assert parsed.params["version"] == 2 and parsed.params["agent"] == "mood"
        else:
            deployment.roll_back(Plain(), "mood")  # type: ignore[arg-type]

    def by(fix: str) -> tuple[str, ...]:
        words = re.findall(r"bertworks deploy (.*)\.", fix)[0].replace("N", "2").split()
        return tuple(words)

    taken("components/deploy/deployment.py", "Deploy a version by its number: bertworks deploy",
          attempt, by)  # fmt: skip


def test_a_dry_run_needs_a_version(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.deploying import deploy_section

    def nowhere(*_: Any) -> None:
        raise EnvironmentFault("There is no cluster.", "None.")

    monkeypatch.setattr(deploy_cli, "_cluster", nowhere)
    section = deploy_section(bench.spec().spec, "/bertworks/models")
    dry = next(
        value for name, value in vars(deploy_cli).items()
        if callable(value) and "manifests as they would be applied" in (value.__doc__ or "")
    )  # fmt: skip

    def attempt(version: int | None = None) -> None:
        dry(section, "tiny", version, "runs", None)

    def by(fix: str) -> tuple[int]:
        assert "--version" in fix
        return (3,)

    taken("pipelines/cluster/deploy/cli.py", "Say which with --version.", attempt, by)


def test_a_store_without_a_champion(tmp_path: Path) -> None:
    from kept import REFUSED, keep

    from bertworks.errors import GateRefused
    from bertworks.serving.facts import facts

    keep(tmp_path / "models", tmp_path, decisions=(REFUSED,))

    def attempt(number: int | None = None) -> dict[str, Any]:
        return facts(str(tmp_path / "models"), "mood", number)

    def by(fix: str) -> tuple[int]:
        assert "--version" in fix
        return (1,)

    with pytest.raises(GateRefused):  # the version is found, and its gates are asked
        taken("bertworks/serving/facts.py", "name a version with --version", attempt, by)
    keep(tmp_path / "models", tmp_path / "more")  # "run its pipeline first"
    assert facts(str(tmp_path / "models"), "mood", None)["version"] == 1
