"""The statistics artifact of an earlier run, to compare with."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from bertworks.contracts.statistics import PROFILE, Profile
from bertworks.storage.artifacts import Artifact, open_artifact


@dataclass(frozen=True)
class Baseline:
    """An earlier run's schema and profile."""

    artifact: Artifact
    schema: schema_pb2.Schema
    profile: Profile


def open_baseline(path: str) -> Baseline | None:
    """Opens the statistics artifact at `path`; None for "none", and for an "auto" left unresolved.

    Raises:
        ArtifactError: It is missing, damaged or no statistics artifact.
    """
    if path in ("auto", "none"):
        return None
    artifact = open_artifact(path, "statistics")
    text = (artifact / "schema.pbtxt").read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    return Baseline(artifact, schema, PROFILE.read(artifact))
