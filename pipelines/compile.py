"""Compiles a spec into a Kubeflow pipeline file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from bertworks.spec_file import SpecFile


def compile_agent(loaded: SpecFile, out: Path, *, store: str) -> None:
    """Writes the pipeline of a spec as YAML: the same spec gives the same bytes.

    Args:
        loaded: The spec, as read.
        out: The file to write, all or nothing.
        store: URI of the model store, as the pods see it.
    """
    from kfp import compiler

    from bertworks.sources.fingerprints import fingerprints
    from pipelines.agent import build
    from pipelines.sections import sections

    parts = sections(
        loaded,
        store=store,
        fingerprints=fingerprints(loaded.spec, loaded.folder),
        code=False,
    )
    beside = out.with_name(f".{out.stem}.{uuid.uuid4().hex[:8]}.yaml")
    try:
        compiler.Compiler().compile(build(loaded.spec, parts), str(beside))
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
