"""Reads a spec from a YAML file, and says where each value came from.

Errors point at file, line and key; an unknown key is answered with the nearest known one.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bertworks import bounded_yaml
from bertworks.bounded_yaml import Key
from bertworks.errors import SpecError
from bertworks.secrets import masked
from bertworks.spec import AgentSpec, Base, presets
from bertworks.spec.dialogue import DialogueSpec

Read = TypeVar("Read", bound=BaseModel)

_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


@dataclass(frozen=True)
class SpecFile:
    """A spec as read.

    Attributes:
        spec: The validated spec.
        path: The file it was read from.
        origins: Key path to where the value came from: "FILE:LINE" or "--set"; absent: a default.
    """

    spec: AgentSpec
    path: Path
    origins: Mapping[Key, str]

    @property
    def folder(self) -> Path:
        """Relative paths in the spec are relative to this folder."""
        return self.path.resolve().parent


@dataclass(frozen=True)
class DialogueFile:
    """A dialogue's spec as read, with the specs of the agents that it is made with.

    Attributes:
        spec: The validated spec.
        path: The file it was read from.
        origins: See `SpecFile`.
        agents: What each is for ("understanding") to its spec.
    """

    spec: DialogueSpec
    path: Path
    origins: Mapping[Key, str]
    agents: Mapping[str, SpecFile]

    @property
    def folder(self) -> Path:
        """Relative paths in the spec are relative to this folder."""
        return self.path.resolve().parent


def load_any(path: str | Path, overrides: Sequence[str] = ()) -> SpecFile | DialogueFile:
    """Reads a spec, of an agent or of a dialogue: the latter has a `dialogue` section.

    Args:
        path: The YAML file.
        overrides: See `load`.

    Raises:
        SpecError: See `load`; or an agent of a dialogue is of another task than it needs.
    """
    file = Path(path)
    content, origins = _content(file, overrides)
    if "dialogue" not in content:
        spec = _validated(content, origins, str(file), AgentSpec)
        return SpecFile(spec=spec, path=file, origins=origins)
    made = _validated(content, origins, str(file), DialogueSpec)
    agents = {}
    for name, agent in made.agents:
        if agent is None:
            continue
        settings = [f"{key}={_in_yaml(value)}" for key, value in agent.set.items()]
        where = origins.get(("agents", name, "spec"), str(file))
        own = file.resolve().parent / agent.spec
        if not own.is_file():
            raise SpecError(
                f"{where}: `agents.{name}` names no file: {agent.spec}.",
                "Give the path of its spec, from this spec's folder.",
            )
        agents[name] = load(own, settings)
        kind = agents[name].spec.task.kind.name
        if kind != name:
            raise SpecError(
                f"{where}: `agents.{name}` takes a spec of task.type: {name}. Received: {agent.spec}, "
                f"of task.type: {agents[name].spec.task.type}",
                "Name another spec.",
            )
    return DialogueFile(made, file, origins, agents)


def _in_yaml(value: Any) -> str:
    """A setting as `--set` takes it, on one line."""
    return json.dumps(value, ensure_ascii=False)


def load(path: str | Path, overrides: Sequence[str] = ()) -> SpecFile:
    """Reads and validates a spec.

    Args:
        path: The YAML file.
        overrides: `key.key=value` settings that replace the file's, values in YAML.

    Raises:
        SpecError: The file is missing or not YAML, or a value breaks a rule.
    """
    file = Path(path)
    content, origins = _content(file, overrides)
    if "dialogue" in content:
        raise SpecError(
            f"{origins.get(('dialogue',), file)}: this is the spec of a dialogue, and this command "
            "takes an agent's.",
            "For a dialogue there are run, retrain, step, compile, submit, schedule, chat and serve "
            "--dialogue; its agents' specs are files of their own.",
        )
    return SpecFile(
        spec=_validated(content, origins, str(file), AgentSpec), path=file, origins=origins
    )


def load_as(model: type[Read], path: str | Path, overrides: Sequence[str] = ()) -> Read:
    """Reads a spec of another kind, with the same checks and errors.

    Args:
        model: What it is read as.
        path: The YAML file.
        overrides: See `load`.

    Raises:
        SpecError: See `load`.
    """
    content, origins = _content(Path(path), overrides)
    return _validated(content, origins, str(path), model)


def _content(file: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[Key, str]]:
    """What a file and the overrides say, and where each value came from."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(
            f"The spec {file} cannot be read: {error.strerror}.",
            "Give the path of a spec; examples/ holds some to start from.",
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{file} is not UTF-8: {error.reason}.", "Save it as UTF-8.") from None
    content, lines = bounded_yaml.read(text, str(file))
    if not isinstance(content, dict):
        raise SpecError(
            f"{file}: a spec is a mapping of keys to values. Received: {type(content).__name__}.",
            "Start with `name: my-agent`.",
        )
    origins: dict[Key, str] = {key: f"{file}:{line}" for key, line in lines.items()}
    for override in overrides:
        origins[_override(content, override)] = "--set"
    return content, origins


def made(content: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> SpecFile:
    """A spec that was made in Python, with the checks and the errors of one in a file.

    Args:
        content: Section to settings, as a YAML file has them; left as it is.
        settings: "finetune.epochs" to its value, over what `content` says.
        path: A name to call it by, in the folder that its relative paths start from.

    Raises:
        SpecError: A value breaks a rule, or a key is not known.
    """
    whole = copy.deepcopy(dict(content))
    origins = {}
    for name, value in settings.items():
        origins[_put(whole, name, value)] = path.name
    return SpecFile(
        spec=_validated(whole, origins, path.name, AgentSpec), path=path, origins=origins
    )


def _validated(
    content: Mapping[str, Any], origins: Mapping[Key, str], where: str, model: type[Read]
) -> Read:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = (_explain(problem, origins, where, model) for problem in error.errors())
        raise SpecError(
            masked("\n".join(problems)),
            "Mend what is named above; `bertworks spec schema"
            f"{'' if model is AgentSpec else ' --dialogue'}` lists every key.",
        ) from None


def explain(
    loaded: SpecFile, requests: Mapping[str, tuple[str, str]] | None = None
) -> Iterator[tuple[str, Any, str]]:
    """Yields (key, value, origin) for every value of the effective spec, in order.

    Args:
        loaded: The spec, as read.
        requests: Step to the CPU and memory that its pods ask for where the spec says nothing.
    """
    content = loaded.spec.model_dump(mode="json", by_alias=True)
    set_below = presets.values(content)
    for key, value in leaves(content):
        name = ".".join(map(str, key))
        given = presets.origin(content, name) if set_below.get(name) == value else ""
        # A list or a mapping of plain values may be written whole: its line is its parent's.
        yield name, value, loaded.origins.get(key) or given or _derived(loaded, key)
    for step, amounts in (requests or {}).items():
        chosen = loaded.spec.resources.of(step)
        for name, amount in zip(("cpu", "memory"), amounts, strict=True):
            if getattr(chosen, name) is None:
                yield f"resources.steps.{step}.{name}", f"{amount} (a request, no limit)", "default"


def _derived(loaded: SpecFile, key: Key) -> str:
    """The origin of a value that no line says."""
    name = loaded.spec.base.name
    if key[0] == "base" and name is not None and key[1] in Base.addresses(name):
        return "base.name"
    if key == ("tune", "enabled") and loaded.spec.tune.enabled:
        return "tune.minutes" if loaded.spec.tune.minutes is not None else "tune.trials"
    return "default"


def _override(content: dict[str, object], override: str) -> Key:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise SpecError(
            f"--set takes key.key=value. Received: {override!r}",
            "Write for example --set finetune.epochs=2",
        )
    try:
        value, _ = bounded_yaml.read(text, f"--set {name}") if text.strip() else (None, {})
    except bounded_yaml.NotYaml:
        value = text
    return _put(content, name, value, "--set ")


def _put(content: dict[str, object], name: str, value: Any, option: str = "") -> Key:
    """Puts a value at its place, "finetune.epochs"; sections on the way are made where needed."""
    key: Key = tuple(int(part) if part.isdigit() else part for part in name.split("."))
    target: Any = content
    for part, following in pairwise(key):
        if isinstance(target, list) and isinstance(part, int):
            if part >= len(target):
                raise _no_entry(option, name, target)
            target = target[part]
        elif isinstance(target, dict):
            target = target.setdefault(part, [] if isinstance(following, int) else {})
        else:
            target = None
        if not isinstance(target, dict | list):
            raise SpecError(
                f"{option}{name}: {part} holds a single value, not keys.",
                "`bertworks spec explain FILE` lists the keys.",
            )
    last = key[-1]
    if isinstance(target, list) and not (isinstance(last, int) and last < len(target)):
        raise _no_entry(option, name, target)
    target[last] = value
    return key


def _no_entry(option: str, name: str, entries: Sequence[Any]) -> SpecError:
    count = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    return SpecError(f"{option}{name}: the list has {count}.", "Number them from 0.")


def _explain(problem: Any, origins: Mapping[Key, str], where: str, whole: type[BaseModel]) -> str:
    key: Key = tuple(problem["loc"])
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            where = origins[key[:end]]
            break
    name = ".".join(map(str, key)) or "the spec"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(key[:-1], whole)
        nearest = difflib.get_close_matches(str(key[-1]), known, n=1, cutoff=0.5)
        hint = f" Did you mean `{nearest[0]}`?" if nearest else f" Known here: {', '.join(known)}."
        return f"{where}: unknown key `{name}`.{hint}"
    if key[-1:] == ("[key]",) and problem["type"] == "literal_error":
        return f"{where}: unknown key `{'.'.join(map(str, key[:-1]))}`.{_nearest(problem)}"
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        # What was received is not shown: where a secret's name belongs, it may be the secret.
        names = ", ".join(_known_keys(key, whole))
        keys = f" (known: {names})" if names else ""
        if problem.get("input") is None:
            return f"{where}: `{name}` is empty: leave it out, or give it keys{keys}."
        return f"{where}: `{name}` takes keys of its own{keys}, not {_kind(problem['input'])}."
    if problem["type"] == "missing":
        return f"{where}: `{name}` is missing."
    if problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float | None):
        read = _as_yaml(problem["input"])
        return (
            f"{where}: `{name}` takes a text, and was read as {_kind(problem['input'])}: {read}. If "
            f"that is the text, put it in quotes: {key[-1]}: '{read}'"
        )
    message = _rule(problem)
    if "Received" in message:
        return f"{where}: `{name}`: {message}"
    received = problem.get("input")
    shown = "" if isinstance(received, dict | list) else f" Received: {_as_yaml(received)}"
    stop = "" if message.endswith((".", "?", "!")) else "."
    return f"{where}: `{name}`: {message}{stop}{shown}"


def _rule(problem: Any) -> str:
    """The rule that a value broke, in words, and what may have been meant."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    received, limits = problem.get("input"), problem.get("ctx", {})
    if problem["type"] == "list_type":
        return f"takes a list, not {_kind(received)}"
    if problem["type"] == "too_short":
        return f"needs {limits['min_length']} or more entries, and has {limits['actual_length']}"
    message = message.replace("Input should be", "must be")
    if problem["type"] in _BOUNDS and isinstance(received, bool):
        return f"takes a number, which {message}, not a switch"
    most = limits.get("lt", limits.get("le"))
    if most == 1 and isinstance(received, int | float) and 1 < received <= 100:
        return f"{message}: for {received:g} % write {received / 100:g}"
    return message


def _kind(value: Any) -> str:
    """What YAML read a value as."""
    kinds = {bool: "a switch", type(None): "nothing", list: "a list", dict: "keys", str: "a text"}
    return kinds.get(type(value), "a number")


def _as_yaml(value: Any) -> str:
    """A value that is neither a list nor keys, as a spec has it."""
    words = {True: "true", False: "false", None: "null"}
    return words[value] if isinstance(value, bool | None) else repr(value)


def _nearest(problem: Any) -> str:
    """What to write instead of a key that is none of those expected."""
    expected = re.findall("'([^']+)'", problem["ctx"]["expected"])
    nearest = difflib.get_close_matches(str(problem["input"]), expected, n=1, cutoff=0.5)
    return f" Did you mean `{nearest[0]}`?" if nearest else f" Known here: {', '.join(expected)}."


def _known_keys(key: Key, whole: type[BaseModel]) -> list[str]:
    """The keys that are known in the section at `key`."""
    model: Any = whole
    within: Any = None  # what a mapping with names of its own holds, such as resources.steps
    for part in key:
        if isinstance(part, int) or model is None:
            continue
        if within is not None:
            model, within = within, None
            continue
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        held = _model_in(field.annotation) if field is not None else None
        mapping = field is not None and get_origin(field.annotation) is dict
        model, within = (model, held) if mapping and held else (held, None)
    if within is not None:
        return []
    return [f.alias or n for n, f in model.model_fields.items()] if model is not None else []


def _model_in(annotation: Any) -> Any:
    """The section that an annotation such as `list[Source]` holds, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)


def leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yields (key, value) of every value of a spec; a list of plain values is one."""
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from leaves(child, (*key, name))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, child in enumerate(value):
            yield from leaves(child, (*key, index))
    else:
        yield key, value
