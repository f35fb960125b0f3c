"""The artifact types that TFX has no type of its own for."""

from pathlib import Path

from tfx import types

SERVING = "Format-Serving"
"""Where TFX looks for the model inside a Model artifact."""


class RowsArtifact(types.Artifact):
    """A folder with one artifact of docs/artifacts.md: examples, corpus, rejected or base."""

    TYPE_NAME = "BertworksRows"


class Report(types.Artifact):
    """A folder with statistics or metrics artifacts of docs/artifacts.md, and their pages."""

    TYPE_NAME = "BertworksReport"


def inside(artifact: types.Artifact, name: str) -> Path:
    """The place of a bertworks artifact in the folder that TFX made for its own artifact.

    TFX makes that folder before the step runs; bertworks renames a finished folder into place.
    """
    return Path(artifact.uri) / name


def served(model: types.Artifact) -> Path:
    """The bertworks artifact (base, model or bundle) inside a TFX Model."""
    return inside(model, SERVING)
