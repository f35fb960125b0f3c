"""The statistics artifact of an earlier run, to compare with."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from bertworks.contracts.statistics import PROFILE, Profile
from bertworks.data.validation.profile.scan import VOCABULARY_BUCKETS
from bertworks.errors import ArtifactError
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
        ArtifactError: It is missing, damaged, of another version or no statistics artifact.
    """
    if path in ("auto", "none"):
        return None
    artifact = open_artifact(path, "statistics")
    text = (artifact / "schema.pbtxt").read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    return Baseline(artifact, schema, _profile(artifact))


def _profile(artifact: Artifact) -> Profile:
    """Its profile, where this version can compare with it."""
    try:
        profile: Profile = PROFILE.read(artifact)
        buckets = profile.vocabulary.buckets
        if buckets == VOCABULARY_BUCKETS:
            return profile
        reason = f"{artifact / PROFILE.name} counts words in {buckets} buckets, this version in "
        reason += f"{VOCABULARY_BUCKETS}."
    except ArtifactError as error:
        reason = error.message
    raise ArtifactError(
        reason, "Set validate.baseline to a statistics artifact of this version, or remove it."
    )
