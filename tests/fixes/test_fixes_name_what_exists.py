"""Advice is worth as much as the names in it: settings, commands, options and targets must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import typer.main
from pydantic import BaseModel

from bertworks.spec import AgentSpec
from bertworks.spec.cluster import StepName
from pipelines.cli.main import app
from tests.fixes.collected import REPOSITORY, UNKNOWN, Advice, advice

ALL = list(advice())
SECTIONS = {field.alias or name for name, field in AgentSpec.model_fields.items()}
SETTING = re.compile(
    rf"(?<![\w./-])(?:{'|'.join(sorted(SECTIONS))})(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+(?![\w/])"
)
COMMAND = re.compile(r"`bertworks((?: [a-z][a-z-]+)+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
FILES = re.compile(r"\.(ya?ml|jsonl?|csv|txt|py|parquet|gz)$")
# Options of other programs that advice tells to run.
FOREIGN = {"--index-url", "--rm", "--upgrade"}


def _settings(found: Advice) -> list[str]:
    return [name for name in SETTING.findall(found.fix or "") if not FILES.search(name)]


def _exists(setting: str) -> bool:
    here: type[BaseModel] | None = AgentSpec
    of_a_step = False
    for part in setting.replace("[]", "").split("."):
        if of_a_step:
            of_a_step = False
            if part not in get_args(StepName):
                return False
            continue
        if here is None:
            return False
        fields = {field.alias or name: field for name, field in here.model_fields.items()}
        if part not in fields:
            return False
        annotation = fields[part].annotation
        of_a_step = get_args(annotation)[:1] == (StepName,)
        here = next(iter(_models(annotation)), None)
    return True


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _commands(group: Any, before: str = "") -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        found[f"{before}{name}"] = command
        if hasattr(command, "commands"):
            found |= _commands(command, f"{before}{name} ")
    return found


COMMANDS = _commands(typer.main.get_command(app))
OPTIONS = {
    option
    for command in COMMANDS.values()
    for one in command.params
    for option in one.opts + one.secondary_opts
}


SERVED = "bertworks/serving/"
"""Answers to requests: the message alone reaches the client, and says what must be sent."""


def test_there_is_advice_to_look_at() -> None:
    assert len(ALL) > 200
    assert sum(bool(_settings(found)) for found in ALL) > 30


def test_every_refusal_says_what_to_do() -> None:
    assert not [found for found in ALL if not found.fix and not found.place.startswith(SERVED)]


def test_the_settings_exist() -> None:
    unknown = [
        (found.place, setting)
        for found in ALL
        for setting in _settings(found)
        if not _exists(setting)
    ]
    assert not unknown


def test_the_commands_exist() -> None:
    unknown = []
    for found in ALL:
        for words in COMMAND.findall(found.fix or ""):
            first, *more = words.split()
            if first not in COMMANDS and " ".join([first, *more[:1]]) not in COMMANDS:
                unknown.append((found.place, words))
    assert not unknown


def test_the_options_exist() -> None:
    named = [(found.place, option) for found in ALL for option in OPTION.findall(found.fix or "")]
    assert not [(place, option) for place, option in named if option not in OPTIONS | FOREIGN]


def test_the_targets_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {target for found in ALL for target in re.findall(r"`make ([a-z-]+)", found.fix or "")}
    assert named <= targets


def test_parts_that_only_the_program_knows_are_few() -> None:
    """Advice made up elsewhere escapes these tests: it must stay the exception."""
    assert sum(found.fix == UNKNOWN for found in ALL) < 40
