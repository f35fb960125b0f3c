"""Which bundle `predict` and `serve` take: a folder, a version of a store, or the local champion."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bertworks.dialogue.bundle import holds_dialogue
from bertworks.errors import ArtifactError, BertworksError, SpecError
from bertworks.serving.identity import Located, in_folder, in_store
from bertworks.serving.settings import Served
from bertworks.spec.limits import Limits
from bertworks.spec.observing import Observing
from bertworks.storage.store import PASSED, Store, Version

T = TypeVar("T", bound=BaseModel)
LATEST, CHAMPION = "latest", "champion"
_LIST = "`bertworks models list` shows what there is."


def locate(
    agent: str | None,
    store: str | None,
    digest: str | None,
    local: Callable[[str | None], Located],
) -> Located:
    """The bundle to serve.

    Args:
        agent: A bundle's folder, NAME/VERSION, or what `local` makes of it.
        store: URI or path of a model store; then `agent` must be NAME/VERSION.
        digest: What the bundle's digest must be; None: any.
        local: Finds `agent` among this machine's own models, whose digest must be the one given.

    Raises:
        ArtifactError: There is no such bundle, or it is damaged or another one.
        GateRefused: The version did not pass its gates.
    """
    if store is not None:
        parts = re.fullmatch(r"([^/]+)/([1-9][0-9]*)", agent or "")
        if parts is None:
            raise ArtifactError(
                f"With --store, --agent must be NAME/VERSION. Received: {agent!r}",
                "For example: --store /bertworks/models --agent sentiment/3",
            )
        return in_store(store, parts[1], int(parts[2]), digest)
    if agent and Path(agent).is_absolute():  # No name: say what is wrong with the folder.
        refuse_file(agent)
        return in_folder(Path(agent), digest)
    return local(digest)


def models_of(
    agents: Sequence[str],
    name: str | None,
    store: str | None,
    digest: str | None,
    local: Callable[[str | None, str | None], Located],
) -> tuple[list[Served], Mapping[str, Any]]:
    """The models that `serve` is told to serve.

    Args:
        agents: AGENT or MODEL=AGENT; none: what `local` makes of None.
        name: The model's name, where there is one agent.
        store: See `locate`; so is `digest`.
        digest: For one agent only.
        local: Finds an agent, of that digest where one is given, among this machine's own models.

    Returns:
        The models, and the spec's `serve` of the first one.

    Raises:
        BertworksError: A name or digest is given for several agents, or as for `locate`.
    """
    if len(agents) > 1 and (name or digest):
        raise BertworksError(
            f"--{'name' if name else 'digest'} says nothing of which one of {len(agents)} agents.",
            "Name them: --agent MODEL=AGENT; a digest can be asked of one agent alone.",
        )
    found, settings = [], []
    given: str | None
    for given in agents or (None,):
        model, agent = named_model(given)
        located = locate(agent, store, digest, partial(local, agent))
        said = serve_of(located.folder)
        model = model or name or ("agent" if len(agents) < 2 else _name_of(str(agent)))
        most = said.get("max_batch", 32)
        found.append(Served(model, located.folder, located.identity, most, located.store))
        settings.append(said)
    return found, settings[0]


def serve_of(folder: Path) -> dict[str, Any]:
    """The spec's `serve` in a bundle's agent.json."""
    said = json.loads((folder / "agent.json").read_text("utf-8")).get("serve")
    return dict(said or {})


def named_model(given: str | None) -> tuple[str | None, str | None]:
    """MODEL=AGENT apart; a folder whose name has an equals sign is given with its path."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)=(.+)", given or "")
    return (found[1], found[2]) if found else (None, given)


def _name_of(agent: str) -> str:
    """What an agent is called that was given no name: as in the store, or as its folder."""
    return Path(agent).resolve().name if Path(agent).is_dir() else agent.partition("/")[0]


def limits_of(bundle: Mapping[str, Any] | None, given: Sequence[str]) -> Limits:
    """The server's limits: those of the command line, else the bundle's, else the defaults.

    Args:
        bundle: What the bundle's agent.json says.
        given: NAME=VALUE.

    Raises:
        SpecError: There is no such limit, or it is out of range.
    """
    values = {**(bundle or {}), **dict(one.partition("=")[::2] for one in given)}
    try:
        return Limits.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        name = ".".join(map(str, found["loc"]))
        what = f"The limit {name} cannot be {found['input']!r:.40}: {found['msg']}."
        if found["type"] == "extra_forbidden":
            what = f"There is no limit {name!r:.40}."
        raise SpecError(
            what,
            f"Give --limit NAME=VALUE with one of {', '.join(Limits.model_fields)}.",
        ) from None


def observing_of(
    bundle: Mapping[str, Any] | None, log_format: str | None, samples: Path | None
) -> Observing:
    """What the server notes: by the command line, else the bundle's, else the defaults.

    Args:
        bundle: What the bundle's agent.json says.
        log_format: text or json.
        samples: Where requests are kept.

    Raises:
        SpecError: A value is out of range.
    """
    values: dict[str, Any] = dict(bundle or {})
    if log_format is not None:
        values["log_format"] = log_format
    if samples is not None:
        values["sampling"] = {**values.get("sampling", {}), "folder": str(samples)}
    try:
        return Observing.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        name = ".".join(map(str, found["loc"]))
        raise SpecError(
            f"serve.observing: {name} cannot be {found['input']!r:.40}: {found['msg']}.",
            "Correct the value; `bertworks spec schema` has the rules.",
        ) from None


def section_of(kind: type[T], said: Mapping[str, Any], name: str) -> T:
    """A section of the spec's `serve` as a bundle keeps it.

    Raises:
        SpecError: It is not as this version of bertworks reads it.
    """
    try:
        return kind.model_validate(said.get(name) or {})
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("serve", name, *found["loc"])))
        raise SpecError(
            f"The bundle's {where} cannot be {found['input']!r:.60}: {found['msg']}.",
            "Make the bundle anew with this version of bertworks.",
        ) from None


def refuse_file(agent: str) -> None:
    """Raises where --agent names a file, such as one of the bundle's."""
    if Path(agent).is_file():
        raise BertworksError(
            f"{agent} is a file, not an agent.",
            "Name the bundle's folder, or NAME or NAME/VERSION in the model store; texts to predict "
            "for are given with --file.",
        )


def find(agent: str | None, store: Store) -> Version | Path:
    """What `--agent` names: a bundle's folder, or a version of the store.

    Args:
        agent: A folder, NAME (its champion), NAME/VERSION, NAME/champion or NAME/latest (the newest
            version); None: the newest champion of all agents.
        store: This machine's models.

    Raises:
        BertworksError: There is no such agent or version, or it is a file.
    """
    found = named(agent, store)
    if isinstance(found, Version):
        found.check_answers_rows()
    elif holds_dialogue(found):
        raise BertworksError(
            f"{found} is a dialogue, which takes turns and not rows.",
            f"`bertworks chat {found}` talks with it, `bertworks serve --dialogue {found}` serves it.",
        )
    return found


def named(agent: str | None, store: Store) -> Version | Path:
    """What a name stands for, be it an agent or a dialogue; see `find`."""
    if agent is None:
        return _newest_champion(store)
    if (Path(agent) / "manifest.json").is_file():
        return Path(agent)
    refuse_file(agent)
    known = agent.partition("/")[0] in store.names()
    if not known and (Path(agent).is_dir() or agent.startswith(("/", ".", "~"))):
        is_there = "is a folder without a bundle in it" if Path(agent).is_dir() else "is not there"
        raise BertworksError(
            f"{agent} {is_there}.",
            f"Name a bundle's folder, or NAME or NAME/VERSION in the model store; {_LIST}",
        )
    name, wanted = split(agent)
    if not known:
        raise BertworksError(
            f"There is no agent {name!r} in {store.uri}.",
            f"Make one with `bertworks run SPEC`, or name another folder with --root; {_LIST}",
        )
    if isinstance(wanted, int):
        return store.show(name, wanted)
    if wanted == LATEST:
        newest = store.list(name)[-1]
        print(f"{agent} is {name}/{newest.number}", file=sys.stderr)
        return newest
    found = store.champion(name)
    if found is None:
        raise no_champion(store, name)
    return found


def no_champion(store: Store, name: str) -> BertworksError:
    """What to say of an agent without a champion: whether a version could be it, and how."""
    passed = newest_passed(store, [name])
    if passed is None:
        return BertworksError(
            f"{name} has no champion in {store.uri}: no version has passed its gates.",
            f"Name a version, NAME/VERSION; {_LIST}",
        )
    number = f"{name}/{passed.number}"
    return BertworksError(
        f"{name} has no champion in {store.uri}, though {number} passed its gates.",
        f"Make it the champion with `bertworks models promote {number}`, or name a version, "
        f"NAME/VERSION; {_LIST}",
    )


def newest_passed(store: Store, names: Sequence[str]) -> Version | None:
    """The newest version of these agents that passed its gates; None where none did."""
    passed = [one for name in names for one in store.list(name) if one.state == PASSED]
    return max(passed, key=lambda one: (one.created, one.number), default=None)


def split(given: str) -> tuple[str, int | str | None]:
    """NAME or NAME/VERSION, the version a number, "latest" or "champion"; None where there is none.

    Raises:
        BertworksError: The version is none of these.
    """
    name, slash, version = given.partition("/")
    if not slash:
        return name, None
    if version in (LATEST, CHAMPION):
        return name, version
    if re.fullmatch("[1-9][0-9]{0,8}", version):
        return name, int(version)
    raise BertworksError(
        f"{given!r} names no version. Received: {version!r} after the name {name!r}",
        f"Write NAME, or NAME/ and a number, {LATEST} or {CHAMPION}; {_LIST}",
    )


def _newest_champion(store: Store) -> Version:
    found = [one for name in store.names() if (one := store.champion(name)) is not None]
    champions = [one for one in found if not one.talks]
    if not champions:
        passed = newest_passed(store, store.names())
        if passed is not None and not passed.talks:
            raise no_champion(store, passed.name)
        raise BertworksError(
            f"No agent in {store.uri}.",
            f"Make one with `bertworks run SPEC`, or name another folder with --root; {_LIST}",
        )
    newest = max(champions, key=lambda one: one.created)
    if len(champions) > 1:
        others = len(champions) - 1
        more = "another agent" if others == 1 else f"{others} others"
        print(
            f"the newest champion answers, {newest.name}/{newest.number}; --agent names {more}",
            file=sys.stderr,
        )
    return newest
