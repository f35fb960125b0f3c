"""Compiles a spec into a Kubeflow pipeline file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bertworks.errors import SpecError
from bertworks.replacing import replacing
from bertworks.secrets import masked
from bertworks.sources.uri import parse
from bertworks.spec import AgentSpec
from bertworks.spec_file import SpecFile

Kind = Literal["agent", "retrain"]


def compile_agent(
    loaded: SpecFile, out: Path, *, kind: Kind = "agent", store: str | None = None
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

    pipeline = _pipeline(loaded, kind, sections_of(loaded, store))
    with replacing(out) as beside:
        compiler.Compiler().compile(pipeline, str(beside))


def sections_of(loaded: SpecFile, store: str | None = None) -> dict[str, str]:
    """Each step's part of the spec as a cluster gets it.

    Raises:
        SpecError: A source lies where pods cannot see it.
        SourceError: A source cannot be looked at.
    """
    from bertworks.sources.fingerprints import fingerprints
    from pipelines.resources import places
    from pipelines.sections import sections

    unseen = _on_the_volume(loaded)
    return sections(
        loaded,
        store=store or places(loaded.spec.resources).store,
        fingerprints=fingerprints(loaded.spec, loaded.folder, unseen),
        code=False,
    )


def notes(spec: AgentSpec) -> Iterator[str]:
    """What a spec says of the cluster without effect, or with one that may surprise."""
    resources = spec.resources
    off = {
        "pretrain": not spec.pretrain.enabled,
        "prune": not spec.compress.prune.enabled,
        "deploy": not spec.serve.deploy.enabled,
    }
    for step in sorted(set(resources.steps) & {step for step, is_off in off.items() if is_off}):
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


def _pipeline(loaded: SpecFile, kind: Kind, sections: dict[str, str]) -> Any:
    if kind == "retrain":
        from pipelines import retrain

        return retrain.build(loaded.spec, sections)
    from pipelines import agent

    return agent.build(loaded.spec, sections)


def _on_the_volume(loaded: SpecFile) -> set[str]:
    """The places (data.0, corpus.0, base) of the sources that lie on the cluster's volume.

    Raises:
        SpecError: A source is a file of this machine.
    """
    spec, found = loaded.spec, set()
    uris: dict[str, tuple[tuple[str | int, ...], str]] = {
        f"{part}.{index}": ((part, "sources", index, "uri"), source.uri)
        for part in ("data", "corpus")
        for index, source in enumerate(getattr(spec, part).sources)
    }
    if spec.base.uri != "scratch":
        uris["base"] = (("base", "uri"), spec.base.uri)
    for place, (key, uri) in uris.items():
        location = parse(uri)
        if location.kind == "local":
            _check_seen(loaded, key, location.outer, uri)
            found.add(place)
    baseline = spec.validate_.baseline
    if baseline not in ("auto", "none"):
        _check_seen(loaded, ("validate", "baseline"), baseline, baseline)
    return found


def _check_seen(loaded: SpecFile, key: tuple[str | int, ...], path: str, said: str) -> None:
    volume = loaded.spec.resources.volume
    if volume.claim and posixpath.normpath(path).startswith(f"{volume.mount}/"):
        return
    where = loaded.origins.get(key, str(loaded.path))
    fix = (
        "Write `baseline: none`"
        if key[0] == "validate"
        else "Put it into a bucket (s3://, gs://, https://) or a package (pypi://, npm://, hf://)"
    )
    if volume.claim:
        fix += f"; or copy it to the volume and write its path there, below {volume.mount}"
    raise SpecError(
        f"{where}: `{'.'.join(map(str, key))}`: the cluster's pods do not see {masked(said)}, which "
        "is on this machine.",
        f"{fix}.",
    )
