"""The finished agent against transformers and torch, ONNX Runtime and OpenVINO: `make bench-agent`.

Text in, label out, on the test rows of a finished run of a classification spec. The peers run the
uncompressed fine-tuned model, but for the first: MiniLM-L6, whatever the run's base is, with a head that
is not trained, as time does not depend on that. Each side tries its settings first and keeps those that
suit it best. The rows are sorted by length for all. Sides take turns, and accuracy comes from the labels
that each gave in this run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds

from benchmarks.automatic.speed import PEER as MINILM
from benchmarks.automatic.speed import fetched_encoder
from benchmarks.harness.drops import drop
from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import OWN_PYTHON, Side, in_turn, peer_python
from bertworks.contracts.agent import AGENT
from pipelines.local import record
from pipelines.local.root import open_root

MAX_DROP = 0.01
"""How far the bundle's accuracy may lie below fp32's, by more than chance; else its speed counts for
nothing."""
TORCH = "transformers + torch fp32"
# Script, and the goals for many texts and for one.
PEERS: dict[str, tuple[str, float | None, float | None]] = {
    MINILM: ("torch_encoder", 8.0, 6.0),
    TORCH: ("torch_agent", None, None),
    "ONNX Runtime dynamic int8": ("onnxruntime_agent", 3.0, 2.0),
    "OpenVINO NNCF int8": ("openvino_agent", 2.0, 2.0),
}


def main() -> None:
    """Measures a run's bundle, prints the table and keeps it."""
    options = _options()
    run = record.latest(open_root(options.root), options.run)
    if run.state != "succeeded":
        raise SystemExit(f"error: run {run.id} {run.state}: name a good one with --run")
    places = {name: Path(path) for name, path in run.artifacts.items()}
    texts, labels = _split(places["examples"], "test", options.rows)
    short = _short(texts, options.singles)
    calibration, _ = _split(places["examples"], "train", 300)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        job = {"texts": texts, "short": short, "calibration": calibration}
        own = Side("bertworks", OWN_PYTHON, "benchmarks/own_agent.py")
        sides = {"bertworks": stack.enter_context(own)}
        ways = {"bertworks": own.ask({**job, "model": str(places["bundle"])})}
        right = {"bertworks": _right(sides["bertworks"], labels)}
        lost = None
        for name in options.peers:
            script = f"benchmarks/peers/{PEERS[name][0]}.py"
            sides[name] = stack.enter_context(Side(name, peer_python(), script))
            ways[name] = _prepare(sides[name], job, places["model"], folder / PEERS[name][0])
            if name != MINILM:
                right[name] = _right(sides[name], labels)
            if name == TORCH:  # Before minutes are spent on the others.
                lost = _checked_drop(right["bertworks"], right[TORCH])
        print("measuring", file=sys.stderr)
        many = in_turn(list(sides.values()), "throughput", options.rounds)
        single = in_turn(list(sides.values()), "latency", options.rounds)
    rates = {name: [len(texts) / seconds for seconds in many[name]] for name in sides}
    alone = {name: [1e3 * statistics.median(times) for times in single[name]] for name in sides}
    rows = [
        _row(kind, name, values, right, lost, ways)
        for kind, values in (("many", rates), ("one", alone))
        for name in options.peers
    ]
    size = sum(file.stat().st_size for file in places["bundle"].rglob("*") if file.is_file()) / 1e6
    Result(
        name="agent",
        title="The compressed agent: text in, label out",
        command="make bench-agent",
        data=f"the {len(texts)} test rows of {run.name}, run {run.id}; a bundle of "
        f"{size:.1f} MB; latency: {len(short)} rows no longer than the median, one at a time",
        rows=rows,
    ).save()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="latest", help="a run's id")
    parser.add_argument("--root", default=None, help="the run folder; default: .bertworks")
    parser.add_argument("--rounds", type=int, default=7, help="how often each side is measured")
    parser.add_argument("--rows", type=int, default=None, help="take only so many test rows")
    parser.add_argument("--singles", type=int, default=60, help="short rows, one at a time")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), help="take only these peers"
    )
    return parser.parse_args()


def _split(examples: Path, split: str, limit: int | None) -> tuple[list[str], list[str]]:
    """Texts and labels of a split, sorted by length as a user who cares for speed would do."""
    table = ds.dataset(examples / split, format="parquet").to_table()
    if not {"text", "label"} <= set(table.column_names):
        raise SystemExit("error: the run must be of a classification spec with one text a row")
    table = table.slice(0, limit)
    pairs = zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True)
    texts, labels = zip(*sorted(pairs, key=lambda pair: len(pair[0])), strict=True)
    return list(texts), list(labels)


def _short(texts: list[str], count: int) -> list[str]:
    """Texts spread evenly over the shorter half, in an order that mixes the lengths."""
    half = texts[: (len(texts) + 1) // 2]
    count = min(count, len(half))
    chosen = [half[place * len(half) // count] for place in range(count)]
    return [text for start in range(7) for text in chosen[start::7]]


def _right(side: Side, labels: list[str]) -> np.ndarray:
    """Which rows a side's labels are right of."""
    return np.array(side.ask("labels"), object) == np.array(labels, object)


def _prepare(side: Side, job: dict[str, Any], model: Path, folder: Path) -> Any:
    print(f"{side.name}: converting and trying settings", file=sys.stderr)
    folder.mkdir()
    if side.name == MINILM:
        info = AGENT.read(model)
        of_the_head = {"kind": info.task.form, "outputs": len(info.labels)}
        encoder = fetched_encoder(folder)
        return side.ask(
            {**job, **of_the_head, "max_length": info.max_length, "model": str(encoder)}
        )
    return side.ask({**job, "model": str(model), "folder": str(folder)})


def _row(
    kind: str,
    peer: str,
    values: dict[str, list[float]],
    right: dict[str, np.ndarray],
    lost: tuple[float, float, float] | None,
    ways: dict[str, dict[str, str]],
) -> Row:
    many = kind == "many"
    quality = {"accuracy": right["bertworks"].mean()}
    if peer in right:
        quality["peer accuracy"] = right[peer].mean()
    if lost and peer != MINILM:
        names = ("drop against fp32", "its lower bound", "its upper bound")
        quality |= dict(zip(names, lost, strict=True))
    return compare(
        "throughput on real sentences" if many else "one short sentence",
        peer,
        "rows/s" if many else "ms",
        values["bertworks"],
        values[peer],
        higher_is_better=many,
        goal=PEERS[peer][1 if many else 2],
        quality=quality,
        note=f"peer: {ways[peer][kind]}" if ways[peer][kind] else "",
    )


def _checked_drop(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """How many more rows fp32 gets right, as a share, and its one-sided 95 % bounds.

    Raises:
        SystemExit: The drop is beyond `MAX_DROP` by more than chance.
    """
    value, low, high = drop(ours, theirs)
    if low > MAX_DROP + 1e-9:
        raise SystemExit(
            f"error: the bundle's accuracy lies {value:.4f} (at least {low:.4f}, by chance) below "
            f"fp32's, more than {MAX_DROP}; its speed may not be compared"
        )
    return value, low, high


if __name__ == "__main__":
    main()
