"""How fast a bundle is against MiniLM-L6 in transformers and torch, on the same rows, in turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.sides import OWN_PYTHON, Side, in_turn, peer_python

PEER = "transformers + torch fp32, MiniLM-L6"


def rates(
    bundle: Path, rows: Sequence[Any], scratch: Path, *, most: int = 1000, rounds: int = 5
) -> tuple[list[float], list[float]]:
    """Rows a second of the bundle and of the peer, a round each.

    The peer is the default encoder with a head that is not trained, which takes the same time as one
    that is. Both get the same rows, evenly taken and sorted by length, cut at the same length.

    Args:
        bundle: The bundle artifact.
        rows: As the agent takes them.
        scratch: Where the encoder is put.
        most: Rows at most.
        rounds: How often each side is measured.
    """
    from bertworks.contracts.agent import AGENT

    info, encoder = AGENT.read(bundle), fetched_encoder(scratch)
    taken = evenly(sorted(rows, key=_length), most)
    job = {"texts": taken, "short": taken[:1], "max_length": info.max_length}
    own = Side("bertworks", OWN_PYTHON, "benchmarks/own_rows.py")
    peer = Side(PEER, peer_python(), "benchmarks/peers/torch_encoder.py")
    with own, peer:
        own.ask({**job, "model": str(bundle)})
        peer.ask(
            {**job, "model": str(encoder), "kind": info.task.form, "outputs": len(info.labels)}
        )
        seconds = in_turn([own, peer], "throughput", rounds)
    ours, theirs = ([len(taken) / one for one in seconds[side.name]] for side in (own, peer))
    return ours, theirs


def fetched_encoder(scratch: Path) -> Path:
    """The peer's encoder, in a folder of its own in `scratch`."""
    from bertworks.data.sources.base import fetch_base
    from bertworks.spec import Base

    encoder = scratch / "minilm-l6"
    encoder.mkdir(exist_ok=True)
    fetch_base(Base(name="minilm-l6"), encoder)
    return encoder


def _length(row: Any) -> int:
    return len(row) if isinstance(row, str) else sum(map(len, row))


def evenly(rows: Sequence[Any], most: int) -> list[Any]:
    """At most so many rows, from all of them alike."""
    count = min(most, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]
