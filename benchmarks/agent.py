"""The finished agent against transformers and torch fp32: `make bench`.

Both get the same test rows of a run, sorted by length, in batches of 32 and one at a time. The two
take turns, round after round, in one run, so that a machine that changes its speed changes both. The
metrics beside the speeds are those of the run's own evaluation on the test split.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines.local import record
from pipelines.local.root import open_root

REPOSITORY = Path(__file__).resolve().parent.parent
PEERS = Path(os.environ.get("BERTWORKS_PEERS", REPOSITORY / ".venv-peers/bin/python"))


class Side:
    """One of the two: a process that measures when told to."""

    def __init__(self, name: str, command: list[str], rows: Path) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        self.rows = self.ask({"rows": str(rows)})["ready"]

    def ask(self, command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {self.name} ended with code {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def test_rows(examples: Path) -> list[Any]:
    """The test split's inputs, as both sides take them."""
    import pyarrow.dataset as ds

    table = ds.dataset(examples / "test", format="parquet").to_table().to_pydict()
    if "tokens" in table:
        return table["tokens"]
    if "text_a" in table:
        return [{"a": a, "b": b} for a, b in zip(table["text_a"], table["text_b"], strict=True)]
    return table["text"]


def compare(run: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Measures both sides of a run in turn.

    Returns:
        Medians over the rounds, and the median of the rounds' ratios.
    """
    places = {name: Path(path) for name, path in run["artifacts"].items()}
    rows = test_rows(places["examples"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        file.write_text(json.dumps(rows), encoding="utf-8")
        own_script = str(REPOSITORY / "benchmarks/own_agent.py")
        own = Side("bertworks", [sys.executable, own_script, str(places["bundle"])], file)
        peer_script = str(REPOSITORY / "benchmarks/peers/torch_agent.py")
        peer = Side("torch fp32", [str(PEERS), peer_script, str(places["model"])], file)
        times: dict[str, list[float]] = {"own": [], "peer": [], "own_one": [], "peer_one": []}
        for _ in range(rounds):
            times["peer"].append(peer.ask("throughput")["seconds"])
            times["own"].append(own.ask("throughput")["seconds"])
            times["peer_one"].append(statistics.median(peer.ask("latency")["latency"]))
            times["own_one"].append(statistics.median(own.ask("latency")["latency"]))
        own.close()
        peer.close()
    size = sum(f.stat().st_size for f in places["bundle"].rglob("*") if f.is_file()) / 1e6

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    def metric(name: str) -> tuple[str, float]:
        metadata = json.loads((places[name] / "manifest.json").read_text("utf-8"))["metadata"]
        return metadata["metric"], metadata["value"]

    name, value = metric("bundle_metrics")
    return {
        "run": run["id"],
        "rows": len(rows),
        "rounds": rounds,
        "metric": name,
        "bundle": value,
        "uncompressed": metric("model_metrics")[1],
        "size_mb": size,
        "own_rows_per_second": len(rows) / statistics.median(times["own"]),
        "peer_rows_per_second": len(rows) / statistics.median(times["peer"]),
        "throughput_ratio": ratio("peer", "own"),
        "own_latency_ms": 1e3 * statistics.median(times["own_one"]),
        "peer_latency_ms": 1e3 * statistics.median(times["peer_one"]),
        "latency_ratio": ratio("peer_one", "own_one"),
    }


def main() -> None:
    """Prints the comparison as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="latest", help="a run's id")
    parser.add_argument("--root", default=None, help="the run folder")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()
    run = record.latest(open_root(options.root), options.run)
    if run["state"] != "succeeded":
        raise SystemExit(f"error: run {run['id']} {run['state']}: name a good one with --run")
    result = compare(run, options.rounds)
    print(f"run {result['run']}, {result['rows']} test rows, {result['rounds']} rounds\n")
    print("| | bertworks bundle | transformers + torch fp32 | ratio |\n|---|---|---|---|")
    print(
        f"| {result['metric']} on test | {result['bundle']:.4f} | {result['uncompressed']:.4f} | |\n"
        f"| rows/s, sorted, batches of 32 | {result['own_rows_per_second']:.0f} | "
        f"{result['peer_rows_per_second']:.0f} | {result['throughput_ratio']:.2f} |\n"
        f"| one row, ms | {result['own_latency_ms']:.2f} | {result['peer_latency_ms']:.2f} | "
        f"{result['latency_ratio']:.2f} |\n"
        f"| size, MB | {result['size_mb']:.1f} | | |"
    )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
