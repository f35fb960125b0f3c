"""The arguments of `Agent.fit` as a spec.

Four ways to say a setting, the later over the earlier: `spec`; the columns; keywords (a section as a
mapping, `finetune={"epochs": 3}`, a setting with its section before it as scikit-learn has it,
`finetune__epochs=3`, or one of the short names below); and `set={"finetune.epochs": 3}`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bertworks.errors import SpecError
from bertworks.facade.given import Given, source_of
from bertworks.facade.paths import from_here, from_here_too, whole
from bertworks.spec import AgentSpec, Base, Columns, Task, presets
from bertworks.spec import file as spec_file
from bertworks.spec.file import SpecFile
from bertworks.tasks import for_task

SHORT = {
    "max_length": "task.max_length",
    "long_text": "task.long_text",
    "max_windows": "task.max_windows",
    "multi_label": "task.multi_label",
    "max_rows": "data.max_rows",
    "epochs": "finetune.epochs",
    "learning_rate": "finetune.learning_rate",
    "batch_size": "finetune.batch_size",
    "speedup": "compress.prune.speedup",
    "metric": "gates.metric",
    "minimum": "gates.minimum",
    "max_latency_ms": "gates.max_latency_ms",
    "max_size_mb": "gates.max_size_mb",
}
"""Settings that go by their own name, and where they stand in a spec."""
NAME = "agent"  # of an agent whose rows have no file's name
WHERE = "Agent.fit"

_OF_ONE = ("uri", "sha256", "split", "keep_all")  # what holds for one source's rows alone

Spec = AgentSpec | Mapping[str, Any] | str | os.PathLike[str]


def spec_of(
    data: Given,
    *,
    spec: Spec | None,
    name: str | None,
    columns: Mapping[str, Any],
    shares: Mapping[str, Given],
    settings: Mapping[str, Any],
    rows: Path,
) -> SpecFile:
    """The spec that is run.

    Args:
        data: The rows; None: those that `spec` names.
        spec: What to start from.
        name: The agent's name.
        columns: text, label, score, tokens, tags, extra, each None where not given.
        shares: "validation" and "test": a share of `data`, or rows of their own, or None.
        settings: All other arguments, `set` among them.
        rows: Where rows that are objects become files.

    Raises:
        SpecError: A setting is not known or breaks a rule, or there are no rows.
        DataError: The rows are no rows, or lack a column.
    """
    if spec is None and is_spec(data):
        spec, data = data, None
    content, path = _start(spec, rows.parent)
    content["name"] = name or content.get("name") or _name_of(data)
    known = {key: value for key, value in columns.items() if value is not None}
    named, task = columns_of(known)
    sections = dict(settings)
    last = from_here_too({str(key): _value(one) for key, one in sections.pop("set", {}).items()})
    over = {f"task.{key}": value for key, value in task.items()} | _keywords(sections) | last
    parts = {}
    for split, share in shares.items():
        if isinstance(share, int | float):
            over.setdefault(f"data.{split}", share)
        elif share is not None:
            parts[split] = share
            over.setdefault(f"data.{split}", 0.0)
    _merge(content, sections)
    if data is not None:
        _put_data(content, {"auto": data, **parts}, named, over, rows)
    elif known or parts:
        raise SpecError(
            f"{', '.join([*known, *parts])} was given without rows.",
            "Give the rows first, Agent.fit(rows, ...); those of a spec are as its sources say.",
        )
    elif not content.get("data"):
        raise SpecError(
            "No rows were given.",
            "Give them, Agent.fit(rows, ...), or a spec that names its sources.",
        )
    return spec_file.made(content, over, path)


def is_spec(data: Any) -> bool:
    """Whether what was given as rows is a spec."""
    named = isinstance(data, str | os.PathLike) and os.fspath(data).endswith((".yaml", ".yml"))
    return named or isinstance(data, AgentSpec)


def _start(spec: Spec | None, folder: Path) -> tuple[dict[str, Any], Path]:
    """A spec's content, and a path in the folder that its own paths start from.

    Those of a spec without a file start from the working folder, and are written out: `folder` goes
    into the cache's key, and is the same wherever the program is started.
    """
    if isinstance(spec, str | os.PathLike):
        loaded = spec_file.load(os.fspath(spec))
        return presets.without(_value(loaded.spec)), loaded.path.resolve()
    given = {} if spec is None else from_here(_value(spec))
    # What a preset set gives way to another preset.
    return presets.without(given) if isinstance(spec, AgentSpec) else given, folder / WHERE


def _value(value: Any) -> Any:
    """As YAML would have it: sections as mappings of what was set, paths as texts."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): _value(one) for key, one in value.items()}
    return [_value(one) for one in value] if isinstance(value, list | tuple) else value


def _name_of(data: Given) -> str:
    """A name from the file's: "Reviews 2024.csv" gives "reviews-2024"."""
    if not isinstance(data, str | os.PathLike):
        return NAME
    stem = re.split(r"[/\\]", os.fspath(data).rstrip("/"))[-1].partition(".")[0]
    return re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-")[:53].strip("-") or NAME


def columns_of(
    known: Mapping[str, Any],
) -> tuple[dict[str, str | list[str]], dict[str, str | bool]]:
    """A source's columns, and what they say about the task."""
    columns: dict[str, str | list[str]] = {}
    task: dict[str, str | bool] = {}
    text, label = known.get("text"), known.get("label")
    if isinstance(text, Sequence) and not isinstance(text, str):
        if len(text) != 2:
            raise SpecError(
                f"text takes one column or two. Received: {list(text)!r}",
                'For a pair of texts a row: text=("question", "answer").',
            )
        columns["text_a"], columns["text_b"] = map(str, text)
        task["pair"] = True
    elif text is not None:
        columns["text"] = str(text)
    if "score" in known:
        if label is not None:
            raise SpecError(
                f"label and score were both given. Received: {label!r} and {known['score']!r}",
                "Give label for classes, score for a number.",
            )
        columns["label"], task["type"] = str(known["score"]), "regression"
    elif isinstance(label, Sequence) and not isinstance(label, str):
        columns["one_hot"], task["multi_label"] = [str(one) for one in label], True
    elif label is not None:
        columns["label"] = str(label)
    for role in ("tokens", "tags"):
        if role in known:
            both = isinstance(label, str)  # an intent beside the words' tags
            columns[role], task["type"] = str(known[role]), "understanding" if both else "tagging"
    if "extra" in known:
        extra = known["extra"]
        columns["extra"] = [extra] if isinstance(extra, str) else [str(one) for one in extra]
    return columns, task


def _keywords(settings: dict[str, Any]) -> dict[str, object]:
    """Takes what is not a section out of the keywords: "task.max_length" to its value."""
    found: dict[str, object] = {}
    sections = {field.alias or name for name, field in AgentSpec.model_fields.items()}
    for name in [one for one in settings if one not in sections and one != "set"]:
        place = SHORT.get(name) or (name.replace("__", ".") if "__" in name else None)
        if place is None:
            near = difflib.get_close_matches(name, [*SHORT, *sections], n=1)
            raise SpecError(
                f"Agent.fit has no argument {name!r}."
                + (f" Did you mean {near[0]!r}?" if near else ""),
                f"Short names are {', '.join(SHORT)}; any other setting goes with its section, as "
                'finetune={"warmup": 0.2} or set={"finetune.warmup": 0.2}.',
            )
        found[place] = _value(settings.pop(name))
    return found


def _merge(content: dict[str, object], sections: Mapping[str, Any]) -> None:
    """Puts sections over those that are there, setting by setting; `base="URI"` is its uri or name."""
    given = {name: _value(one) for name, one in sections.items()}
    if isinstance(base := given.get("base"), str):
        given["base"] = Base.in_short(base)
    _drop_other_address(content, given)
    if isinstance(given.get("task"), str):
        given["task"] = {"type": given["task"]}
    for name, value in from_here(given).items():
        content[name] = _over(content.get(name), value)


def _drop_other_address(content: dict[str, object], given: Mapping[str, Any]) -> None:
    """The address of a base takes the place of another one as a whole."""
    below, over = content.get("base"), given.get("base")
    if isinstance(below, Mapping) and isinstance(over, Mapping) and {"name", "uri"} & {*over}:
        address = ("name", "uri", "sha256", "tokenizer")
        content["base"] = {key: one for key, one in below.items() if key not in address}


def _over(below: Any, value: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
        return value
    return {**below, **{key: _over(below.get(key), one) for key, one in value.items()}}


def _put_data(
    content: dict[str, Any],
    parts: Mapping[str, Given],
    named: Mapping[str, Any],
    over: Mapping[str, Any],
    rows: Path,
) -> None:
    """Puts rows, by their split, in the place of the spec's sources, whose settings they keep."""
    section = content["data"] = dict(content.get("data") or {})
    before = dict(next(iter(section.get("sources") or []), {}))
    before = {key: one for key, one in before.items() if key not in _OF_ONE}
    columns = {**before.get("columns", {}), **named}
    task = {**content.get("task", {}), **{k[5:]: v for k, v in over.items() if k[:5] == "task."}}
    read = [
        *(one for one in needed(columns, task) if one not in before.get("constants", {})),
        *before.get("where", {}),
    ]
    section["sources"] = []
    for split, part in parts.items():
        source = source_of(part, read, rows)
        own = {**source, "uri": whole(source["uri"]), "columns": columns, "split": split}
        section["sources"].append({**before, **own})


def source_like(
    spec: AgentSpec | None, columns: Mapping[str, Sequence[str]]
) -> Mapping[str, object]:
    """A source's settings for more rows of the kind that an agent was made from, `columns` among them.

    Args:
        spec: What it was made from; None where that is not known.
        columns: The bundle's own: role to the names that its sources had.
    """
    if spec is None:
        return {"columns": {role: names[0] for role, names in columns.items() if names}}
    before = _value(spec.data.labelled[0])
    kept = {key: one for key, one in before.items() if key not in _OF_ONE}
    return {"columns": {}, **kept}


def needed(columns: Mapping[str, Any], task: Mapping[str, Any]) -> list[str]:
    """The columns that are read of each row."""
    read = Columns.model_validate(columns)
    try:
        handler = for_task(Task.model_validate(task))
    except ValueError:  # the spec that is made of it will say why
        return []
    names = [*handler.form.source_columns(read), *handler.target.source_columns(read)]
    return list(dict.fromkeys([*names, *read.extra, *([read.source] if read.source else [])]))
