"""Which importer reads a file."""

from __future__ import annotations

from pathlib import Path

from bertworks.models.importers import onnx_graph, q4
from bertworks.models.importers.imported import Imported


def read(file: Path, shown: str) -> Imported:
    """Reads a file of weights.

    Args:
        file: Where it is now.
        shown: What to call it in errors; its ending says what it is.

    Raises:
        SourceError: It is not what its ending says, or is damaged.
    """
    return onnx_graph.read(file, shown) if shown.endswith(".onnx") else q4.read(file, shown)
