"""What `bertworks serve --follow` serves at first, and how it goes on: by the model store's pointers."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from bertworks.errors import BertworksError, SpecError
from bertworks.serving.identity import Located, in_store
from bertworks.serving.settings import Served
from bertworks.spec.section import Section
from bertworks.spec.upgrades import Canary, Follow, Shadow
from bertworks.storage.store import Store
from pipelines.cli.served import no_champion, split

if TYPE_CHECKING:
    from bertworks.serving.upgrades.upgrading import Following

SERVERS = "BERTWORKS_SERVERS"
"""How many servers share an agent's traffic, each with trials of its own; set by a deployment."""
OPTIONS = "canary", "shadow"
_Rules = TypeVar("_Rules", bound=Section)


@dataclass(frozen=True)
class Given:
    """What the command line says of trials: NAME=VALUE of the spec's sections."""

    canary: Sequence[str] = ()
    shadow: Sequence[str] = ()


def followed(
    agents: Sequence[str], name: str | None, store: str, given: Given, port: int | None = None
) -> tuple[list[Served], Mapping[str, Any], dict[str, Following]]:
    """The models that follow a store.

    Args:
        agents: NAME or MODEL=NAME; a version behind it serves where there is no champion yet.
        name: The model's name, where there is one agent.
        store: Path or URI of the model store.
        given: Of the command line.
        port: Where it listens: tells servers of one machine apart; None: the spec's.

    Returns:
        The models, the spec's `serve` of the first one, and what each follows.

    Raises:
        BertworksError: There is no such agent, or nothing of it that could serve.
        SpecError: A rule is none.
    """
    from bertworks.serving.upgrades.trial import Rules
    from bertworks.serving.upgrades.upgrading import Following
    from pipelines.cli.served import named_model, serve_of

    kept = Store(store)
    rules = Rules(_rules(Canary, "canary", given.canary), _rules(Shadow, "shadow", given.shadow))
    models, settings, follows = [], [], {}
    for one in agents or [_only(kept)]:
        model, agent = named_model(one)
        agent_name, number = split(agent or "")
        choices = start(kept, agent_name, number if isinstance(number, int) else None)
        said = serve_of(choices[0].folder)
        model = model or name or ("agent" if len(agents) < 2 else agent_name)
        served = [
            Served(model, choice.folder, choice.identity, said.get("max_batch", 32), choice.store)
            for choice in choices
        ]
        models.append(replace(served[0], others=served[1:]))
        settings.append(said)
        follows[model] = Following(
            store,
            agent_name,
            Follow.model_validate(said.get("follow") or {}),
            rules,
            _servers(),
            f"{socket.gethostname()}-{port or said.get('port', 8080)}",
        )
    return models, settings[0], follows


def start(store: Store, name: str, number: int | None = None) -> list[Located]:
    """The bundles that a server may start with, the best first: the champion, and those before it.

    Args:
        store: The model store.
        name: The agent.
        number: A version that serves where no champion can.

    Raises:
        BertworksError: None of them can.
    """
    pointer = store.pointer(name)
    wanted = [] if pointer is None else [pointer, *reversed(pointer.history)]
    numbers = [(one.version, one.digest) for one in wanted]
    if number is not None:
        numbers.append((number, ""))
    if not numbers:
        raise no_champion(store, name)
    found: list[Located] = []
    fault = None
    for version, digest in numbers:
        if len(found) == 2:  # enough for a start; each is a copy, where the store is a bucket
            break
        if any(one.identity.version == version for one in found):
            continue
        try:
            found.append(in_store(store.uri, name, version, digest or None))
        except BertworksError as error:
            fault = fault or error
            print(f"warning: {name}/{version} cannot serve: {error.message}", file=sys.stderr)
    if not found and fault is not None:
        raise fault
    return found


def _rules(kind: type[_Rules], name: str, given: Sequence[str]) -> _Rules | None:
    """A section of the spec from NAME=VALUE; None: nothing was given."""
    if not given:
        return None
    try:
        return kind.model_validate(dict(one.partition("=")[::2] for one in given))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        field = ".".join(map(str, found["loc"]))
        raise SpecError(
            f"--{name}: {field} cannot be {found['input']!r:.40}: {found['msg']}.",
            f"Give --{name} NAME=VALUE with one of {', '.join(kind.model_fields)}.",
        ) from None


def _only(store: Store) -> str:
    names = store.names()
    if len(names) == 1:
        return names[0]
    raise BertworksError(
        f"Which agent is to be followed? {store.uri} has {', '.join(names) or 'none'}.",
        "Name it: --agent NAME.",
    )


def _servers() -> int:
    try:
        return max(1, int(os.environ.get(SERVERS, "1")))
    except ValueError:
        raise SpecError(
            f"{SERVERS} must be a number. Received: {os.environ[SERVERS]!r:.40}", "Unset it."
        ) from None
