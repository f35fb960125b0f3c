"""Advice of the spec's reader, and on what the environment must hold, is taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bertworks.secrets import filled_in
from bertworks.spec.file import load
from tests.fixes.taking import Bench, taken


def test_a_set_without_a_value(bench: Bench) -> None:
    def by(fix: str) -> tuple[str, ...]:
        return tuple(re.findall(r"--set (\S+)", fix))

    loaded = taken("bertworks/spec/file.py", "Write for example --set ",
                   lambda change="finetune.epochs": bench.spec(change), by)  # fmt: skip
    assert loaded.spec.finetune.epochs == 2


def test_a_list_is_numbered_from_0(bench: Bench) -> None:
    def by(fix: str) -> tuple[str, ...]:
        assert fix == "Number them from 0."
        return ("data.sources.0.license=MIT",)

    taken("bertworks/spec/file.py", "Number them from 0.",
          lambda change="data.sources.1=MIT": bench.spec(change), by)  # fmt: skip


def test_a_spec_starts_with_a_name(tmp_path: Path) -> None:
    def attempt(start: str = "") -> object:
        file = tmp_path / "spec.yaml"
        content = f"{start}\ndata: {{sources: [{{uri: rows.csv}}]}}\n" if start else "- my-agent\n"
        file.write_text(content, encoding="utf-8")
        return load(file)

    taken("bertworks/spec/file.py", "Start with `name: my-agent`.", attempt,
          lambda fix: tuple(re.findall("`(.*)`", fix)))  # fmt: skip


def test_a_key_that_is_nearly_right(bench: Bench) -> None:
    """What is to be written instead stands in the message, beside the line."""
    from bertworks.errors import SpecError

    bench.content["finetune"] = {"epoch": 2}
    with pytest.raises(SpecError) as caught:
        bench.spec()
    bench.content["finetune"] = {re.findall("Did you mean `(.*?)`", caught.value.message)[0]: 2}
    assert bench.spec().spec.finetune.epochs == 2


def test_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_TOKEN", raising=False)

    def by(fix: str) -> tuple[dict[str, str]]:
        name = re.findall(r"export (\w+)=", fix)[0]
        return ({name: "secret"},)

    def attempt(environment: dict[str, str] | None = None) -> str:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        return filled_in("https://host/rows.csv?token=${HUB_TOKEN}")

    assert taken("bertworks/secrets.py", "resources.steps.ingest.secrets", attempt, by).endswith(
        "secret"
    )


def test_a_variable_for_pods_is_a_secret_of_the_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "resources.steps.ingest.secrets: {NAME: {secret: NAME, key: KEY}}": as it stands there."""
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    with pytest.raises(Exception, match="HUB_TOKEN") as caught:
        filled_in("https://host/rows.csv?token=${HUB_TOKEN}")
    said = re.findall(r"(resources\.steps\.ingest\.secrets): (\{.*\})", str(caught.value))[0]
    loaded = bench.spec("=".join(said).replace("NAME", "hub").replace("KEY", "token"))
    assert loaded.spec.resources.of("ingest").secrets["HUB_TOKEN"].secret == "hub"


@pytest.mark.parametrize("content", ["a: 2026-13-45", "a: [1, 2"])
def test_values_that_yaml_cannot_read(tmp_path: Path, content: str) -> None:
    from bertworks.bounded_yaml import read
    from bertworks.errors import SpecError

    with pytest.raises(SpecError):
        read(content, "spec.yaml")
    key, value = content.split(": ")
    assert read(yaml.safe_dump({key: value}), "spec.yaml")[0] == {key: value}


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    from bertworks.bounded_yaml import read

    taken("bertworks/bounded_yaml.py", "Keep one of the two.",
          lambda text="a: 1\na: 2": read(text, "spec.yaml"), lambda _: ("a: 1",))  # fmt: skip


def test_a_key_that_begins_with_a_bracket() -> None:
    from bertworks.bounded_yaml import read

    taken("bertworks/bounded_yaml.py", "Put quotes around a key",
          lambda text="[a]: 1": read(text, "spec.yaml"), lambda _: ('"[a]": 1',))  # fmt: skip
