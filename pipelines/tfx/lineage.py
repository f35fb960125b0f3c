"""Which artifact came of which, read from ML Metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

Property = int | float | str | None
_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)


@dataclass(frozen=True)
class Node:
    """An artifact, the box that wrote it, and the artifacts that the box had read.

    Attributes:
        number: The artifact's id in the store.
        kind: Its type's name.
        uri: Where it lies.
        box: The component; "" when nothing in the store wrote it.
        facts: Custom properties such as `blessed` and `pushed`.
        parents: Ids of the artifacts that the box had read.
    """

    number: int
    kind: str
    uri: str
    box: str
    facts: dict[str, Property]
    parents: tuple[int, ...]


class Lineage:
    """The graph of all artifacts in a store.

    Args:
        database: The SQLite file that LocalDagRunner writes.
    """

    def __init__(self, database: Path) -> None:
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(database)
        connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
        self.nodes, self._outputs = _read(mlmd.MetadataStore(connection))

    def of_box(self, box: str, kind: str | None = None) -> list[Node]:
        """What a box wrote, oldest first."""
        found = (node for node in self.nodes.values() if node.box == box)
        return [node for node in found if kind is None or node.kind == kind]

    def newest(self, box: str, kind: str) -> Node:
        """What the last execution of a box gave out, be it made then or taken from the cache."""
        numbers = [
            number
            for execution in sorted(self._outputs)
            for number, by in self._outputs[execution]
            if by == box and self.nodes[number].kind == kind
        ]
        return self.nodes[numbers[-1]]

    def ancestors(self, number: int) -> set[int]:
        """All artifacts that an artifact came of, near and far."""
        found: set[int] = set()
        waiting = list(self.nodes[number].parents)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.nodes[one].parents
        return found

    def summary(self, number: int) -> Iterator[str]:
        """One line an artifact, from the sources to the given one: what, by which box, of which."""
        for one in [*sorted(self.ancestors(number)), number]:
            node = self.nodes[one]
            came = ", ".join(f"{self.nodes[at].kind} {at}" for at in node.parents) or "the sources"
            yield f"{node.kind} {one} <- {node.box or '(imported)'} <- {came}"


_Outputs = dict[int, list[tuple[int, str]]]
"""Execution to what it gave out: artifact, and the box that the execution was of."""


def _read(store: Any) -> tuple[dict[int, Node], _Outputs]:
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    boxes = _boxes(store)
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
    events = store.get_events_by_artifact_ids(list(artifacts)) if artifacts else []
    read: dict[int, list[int]] = {}
    gave: _Outputs = {}
    wrote: dict[int, int] = {}
    for event in events:
        execution, artifact = event.execution_id, event.artifact_id
        if event.type in _INPUTS:
            read.setdefault(execution, []).append(artifact)
        elif event.type == metadata_store_pb2.Event.OUTPUT:
            gave.setdefault(execution, []).append((artifact, boxes.get(execution, "")))
            # A cached execution names the same artifact again: the first one made it.
            wrote[artifact] = min(wrote.get(artifact, execution), execution)
    nodes = {
        number: Node(
            number,
            types[artifact.type_id],
            artifact.uri,
            boxes.get(wrote.get(number, -1), ""),
            {key: _value(value) for key, value in artifact.custom_properties.items()},
            tuple(sorted(set(read.get(wrote.get(number, -1), [])))),
        )
        for number, artifact in sorted(artifacts.items())
    }
    return nodes, gave


def _boxes(store: Any) -> dict[int, str]:
    """Execution to the box it was of: TFX has a context a node, named PIPELINE.NODE."""
    return {
        execution.id: context.name.rsplit(".", 1)[-1]
        for context in store.get_contexts_by_type("node")
        for execution in store.get_executions_by_context(context.id)
    }


def _value(value: Any) -> Property:
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None
