"""Compiles a spec into a Kubeflow pipeline file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bertworks.data.sources.uri import inline, parse
from bertworks.errors import SpecError
from bertworks.secrets import masked
from bertworks.spec import AgentSpec, Source
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import DialogueFile, SpecFile
from bertworks.storage.replacing import named_place_fault, replacing
from pipelines.box import Kind
from pipelines.dag import Dag, steps_at_work
from pipelines.dialogue import DialogueDag
from pipelines.site import InDialogue, Kubeflow

_PATHS = (("dialogue", "learn"), ("dialogue", "policy"))
"""Where a dialogue's spec names files that are fetched from nowhere."""
CARRIED_BYTES = 16_384
"""A setting file up to this size goes to the pods inside the spec; four times so much is no argument
of a process that Linux would refuse."""


def compile_agent(
    loaded: SpecFile | DialogueFile, out: Path, *, kind: Kind = "agent", store: str | None = None
) -> None:
    """Writes the pipeline of a spec as YAML: the same spec and data give the same bytes anywhere.

    Nothing is asked of the cluster: what only pods can see (the store, the volume) is read by the
    steps, which are then not cached.

    Args:
        loaded: The spec, as read.
        out: The file to write, all or nothing.
        kind: The training of the agent, or its retraining.
        store: URI of the model store, as the pods see it; None: as the spec says.

    Raises:
        SpecError: A source lies where pods cannot see it.
        SourceError: A source cannot be looked at.
    """
    from kfp import compiler

    from pipelines.wiring import build

    dag = (
        dialogue_of(loaded, store, kind)
        if isinstance(loaded, DialogueFile)
        else dag_of(loaded, kind, store)
    )
    pipeline = build(dag, dag.sections())
    with replacing(out, ending=True, fault=named_place_fault) as beside:
        compiler.Compiler().compile(pipeline, str(beside))


def dag_of(
    loaded: SpecFile,
    kind: Kind = "agent",
    store: str | None = None,
    site: type[Kubeflow] = Kubeflow,
    later: bool = False,
) -> Dag:
    """The DAG of a spec as a cluster gets it.

    Args:
        loaded: The spec, as read.
        kind: The training of the agent, or its retraining.
        store: URI of the model store, as the pods see it; None: as the spec says.
        site: Where it runs.
        later: Whether it is for times to come: of what may change until then nothing is known.

    Raises:
        SpecError: A source lies where pods cannot see it.
        SourceError: A source cannot be looked at.
    """
    from bertworks.data.sources.fingerprints import fingerprints, open_places
    from pipelines.resources import places

    carrying = _carrying(loaded)
    _check_places(carrying)
    unseen = {
        place
        for place, uris in open_places(carrying.spec).items()
        if later or any(parse(uri).here for uri in uris)
    }
    # Of what is carried, as pods have it: a training's and its retraining's are then the same.
    prints = fingerprints(carrying.spec, loaded.folder, unseen)
    here = site(store or places(loaded.spec.resources).store, prints)
    return Dag(carrying.spec, here, kind)


def dialogue_of(
    loaded: DialogueFile, store: str | None = None, kind: Kind = "agent"
) -> DialogueDag:
    """The DAG of a dialogue as a cluster gets it.

    A retraining is compiled once, for all times at which it runs. So nothing that may change is known
    then: its pods look at it, and what reads it comes from no cache.

    Args:
        loaded: The spec, as read.
        store: URI of the model store, as the pods see it; None: as the spec says.
        kind: The training, or the retraining.

    Raises:
        SpecError: A file of the dialogue or a source of its agents lies where pods cannot see it.
        SourceError: A source cannot be looked at.
    """
    from bertworks.data.sources.fingerprints import UNSEEN, may_change, of_file
    from pipelines.resources import places

    prints, later = {}, kind == "retrain"
    for file in loaded.spec.files:
        where = parse(file.uri)
        here = where.here or not file.fetched
        if here:
            _check_seen(loaded, file.key, where.outer if file.fetched else file.uri, file.uri)
        if not file.grows:
            hidden = (here or later) and may_change(file.uri, file.sha256)
            asked = (file.uri, file.sha256, loaded.folder)
            known = UNSEEN if hidden else of_file(*asked, ".".join(file.key))
            prints[file.place] = known
    site = Kubeflow(store or places(loaded.spec.resources).store, prints)
    agents = {}
    for name, one in loaded.agents.items():
        agents[name] = dag_of(one, store=site.store, site=InDialogue, later=later)
        _check_one_volume(loaded, name, agents[name])
    return DialogueDag(loaded.spec, site, agents, kind)


def _check_one_volume(loaded: DialogueFile, name: str, dag: Dag) -> None:
    """The dialogue's first step looks at what its agents read on the volume."""
    from bertworks.data.sources.fingerprints import open_places

    own, theirs = loaded.spec.resources.volume, dag.spec.resources.volume
    if own == theirs:
        return
    uris = [uri for uris in open_places(dag.spec).values() for uri in uris if parse(uri).here]
    if uris:
        has = f"theirs is {own.claim}, at {own.mount}" if own.claim else "they have none"
        where = loaded.origins.get(("agents", name, "spec"), str(loaded.path))
        raise SpecError(
            f"{where}: `agents.{name}` reads {masked(uris[0])} on the volume {theirs.claim}, which the "
            f"dialogue's own pods do not see; {has}.",
            f"Write resources.volume.claim: {theirs.claim} and resources.volume.mount: {theirs.mount} "
            "into the dialogue's spec, or give the file's sha256 beside its uri.",
        )


def frozen(loaded: SpecFile | DialogueFile, kind: Kind) -> Iterator[str]:
    """What is to be said where a retraining, as it is compiled, can never find anything new."""
    from bertworks.data.sources.fingerprints import UNSEEN

    if kind != "retrain" or not isinstance(loaded, DialogueFile):
        return
    if UNSEEN not in dialogue_of(loaded, kind=kind).made_of.values():
        yield (
            "each file and source of this dialogue has a sha256 or an exact version: once there is a "
            "champion that was made of them, this retraining finds nothing new, however often it runs; "
            "after a change of the spec give it to the cluster again"
        )


def notes(spec: AgentSpec | DialogueSpec) -> Iterator[str]:
    """What a spec says of the cluster without effect, or with one that may surprise."""
    if isinstance(spec, DialogueSpec):
        return
    resources = spec.resources
    if spec.minutes is not None:
        yield "minutes bounds a run on this machine; on a cluster the search alone, by tune.share"
    for step in sorted(set(resources.steps) - set(steps_at_work(spec))):
        yield f"resources.steps.{step} has no effect: the spec switches that step off"
    spot = sorted(step for step in resources.steps if resources.of(step).spot)
    if (spot or resources.default.spot) and not (
        resources.spot.node_selector or resources.spot.tolerations
    ):
        yield (
            "resources.spot is empty: nothing sends the steps with spot: true to such nodes "
            f"({', '.join(spot) or 'all'})"
        )
    mount = f"{resources.volume.mount.rstrip('/')}/"
    unseen = [
        source.uri
        for source in (*spec.data.sources, *spec.corpus.sources)
        if resources.volume.claim and source.uri.startswith(mount) and not source.sha256
    ]
    if unseen:
        yield (
            f"{unseen[0]} is on the volume, which cannot be read from here: without a fingerprint of it "
            "ingest, and all that follows, runs again each time instead of coming from the cache; the "
            "file's sha256 beside its uri is one"
        )
    if resources.volume.claim is None and resources.checkpoints is None:
        yield "without resources.checkpoints a step that is cut off begins anew"


def _carrying(loaded: SpecFile) -> SpecFile:
    """The spec with the settings for masked utterances inside, which are files beside it, not data.

    Raises:
        SpecError: A setting does not fit, or names a file of this machine.
        SourceError: A setting is not there.
    """
    sources = [_with_setting(loaded, source) for source in loaded.spec.data.sources]
    data = loaded.spec.data.model_copy(update={"sources": sources})
    return replace(loaded, spec=loaded.spec.model_copy(update={"data": data}))


def _with_setting(loaded: SpecFile, source: Source) -> Source:
    """A source with its setting inside, where that is a small file of this machine."""
    from bertworks.data.sources.fetch import local_files
    from bertworks.data.utterances.setting import load

    location = parse(source.uri)
    if source.format != "utterances" or location.kind != "local" or location.inner:
        return source
    if _is_on_the_volume(loaded, location.outer):
        return source
    (file, *more) = local_files(location.outer, loaded.folder)
    if more or file.stat().st_size > CARRIED_BYTES:
        return source
    setting = load(file)
    for name, named in (("templates", setting.templates), ("knowledge", setting.knowledge)):
        where = parse(named.uri)
        if where.here and not _is_on_the_volume(loaded, where.outer):
            raise SpecError(
                f"{file}: `{name}.uri`: the cluster's pods do not see {masked(named.uri)}, which is on "
                "this machine.",
                _fix(loaded),
            )
    return source.model_copy(update={"uri": inline(file.read_bytes())})


def _check_places(loaded: SpecFile) -> None:
    """Refuses what is only on this machine.

    Raises:
        SpecError: A source is a file of this machine.
    """
    spec = loaded.spec
    uris: list[tuple[tuple[str | int, ...], str]] = [
        ((part, "sources", index, "uri"), source.uri)
        for part in ("data", "corpus")
        for index, source in enumerate(getattr(spec, part).sources)
    ]
    if spec.base.uri not in ("scratch", "auto"):
        uris.append((("base", "uri"), spec.base.uri))
    if spec.base.tokenizer is not None:
        uris.append((("base", "tokenizer", "uri"), spec.base.tokenizer.uri))
    for key, uri in uris:
        location = parse(uri)
        if location.here:
            _check_seen(loaded, key, location.outer, uri)
    baseline = spec.validate_.baseline
    if baseline not in ("auto", "none"):
        _check_seen(loaded, ("validate", "baseline"), baseline, baseline)


def _check_seen(
    loaded: SpecFile | DialogueFile, key: tuple[str | int, ...], path: str, said: str
) -> None:
    if _is_on_the_volume(loaded, path):
        return
    where = loaded.origins.get(key, str(loaded.path))
    raise SpecError(
        f"{where}: `{'.'.join(map(str, key))}`: the cluster's pods do not see {masked(said)}, which "
        "is on this machine.",
        _fix(loaded, key),
    )


def _is_on_the_volume(loaded: SpecFile | DialogueFile, path: str) -> bool:
    volume = loaded.spec.resources.volume
    return bool(volume.claim) and posixpath.normpath(path).startswith(f"{volume.mount}/")


def _fix(loaded: SpecFile | DialogueFile, key: tuple[str | int, ...] = ("data",)) -> str:
    """What lets pods see a file of this machine."""
    fix = (
        "Write `baseline: none`"
        if key[0] == "validate"
        else "Leave it out"
        if key[0] == "judge" or key[:2] in _PATHS
        else "Put it into a bucket (s3://, gs://, https://) or a package (pypi://, npm://, hf://)"
    )
    volume = loaded.spec.resources.volume
    if volume.claim:
        fix += f"; or copy it to the volume and write its path there, below {volume.mount}"
    return f"{fix}."
