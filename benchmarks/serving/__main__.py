"""The server under load, against FastAPI around transformers: `make bench-serving`.

Real sentences, the test rows of a finished run of a classification spec, one a request. All servers run
from the start, one process each, and are asked in turn, round after round; only one of them works at any
time. Load comes from wrk (as much as so many clients send), or at a set rate from `paced`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from benchmarks.harness.arguments import arguments_of
from benchmarks.harness.results import Result, Row
from benchmarks.serving import servers
from benchmarks.serving.servers import Server
from bertworks.runtime.agent import Agent
from pipelines.local import record
from pipelines.local.root import open_root

CLIENTS = 64
DEFAULTS = {"rounds": 3, "seconds": 10.0, "overload": 60.0, "soak": 10.0}
TORCH = "FastAPI + transformers pipeline, torch fp32"
DYNAMIC = "FastAPI + ONNX Runtime, dynamic int8"
PEERS = {TORCH: ("torch", 8.0), DYNAMIC: ("onnxruntime", 2.0)}
OVERLOAD = (2, 10)


def main() -> None:
    """Measures a run's bundle, prints the table and keeps it."""
    options = _options()
    load = os.getloadavg()[0]
    run = record.latest(open_root(options.root), options.run)
    places = {name: Path(path) for name, path in run.artifacts.items()}
    texts = ds.dataset(places["examples"] / "test").to_table().column("text").to_pylist()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bodies = folder / "bodies"
        bodies.write_text("".join(json.dumps({"instances": [one]}) + "\n" for one in texts))
        starts = [_start(places["bundle"], bodies) for _ in range(options.rounds)]
        again = [_start_again(places["bundle"], bodies) for _ in range(options.rounds)]
        own = stack.enter_context(servers.own(places["bundle"], bodies))
        peers = {
            name: stack.enter_context(
                servers.peer(name, kind, places["model"], folder / kind, bodies)
            )
            for name, (kind, _) in PEERS.items()
        }
        for server in (own, *peers.values()):
            server.settle(CLIENTS)
        rows = _throughput(own, peers, places["bundle"], texts, options)
        rows += _latency(own, peers[TORCH], options)
        rows += _overload(own, options)
        rows += _starting(starts, again)
        rows += _soak(own, options)
    Result(
        name="serving",
        title="The server under load",
        command=f"make bench-serving{arguments_of(options, DEFAULTS)}",
        data=f"the {len(texts)} test rows of {run.name}, one a request; load average of the machine "
        f"before: {load:.1f}",
        rows=rows,
    ).save()


def _throughput(
    own: Server, peers: dict[str, Server], bundle: Path, texts: list[str], options: Any
) -> list[Row]:
    """Requests a second of 64 clients, and rows a second of the runtime alone."""
    agent = Agent.load(bundle)
    agent.predict(texts)
    rates: dict[str, list[float]] = {name: [] for name in ("own", "bare", *peers)}
    costs: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(options.rounds):
        began, cpu, rows = time.perf_counter(), time.process_time(), 0
        while (passed := time.perf_counter() - began) < options.seconds:
            agent.predict(texts)
            rows += len(texts)
        rates["bare"].append(rows / passed)
        costs["bare"].append(1e3 * (time.process_time() - cpu) / rows)
        for name, server in {"own": own, **peers}.items():
            told = server.hammer(CLIENTS, options.seconds)
            rates[name].append(told["answered"] / told["seconds"])
            costs[name].append(1e3 * told["cpu"] / max(told["answered"], 1))
    before = own.counters()
    own.hammer(CLIENTS, options.seconds)
    tokens, padding = (after - one for one, after in zip(before, own.counters(), strict=True))
    goals = {**{name: goal for name, (_, goal) in PEERS.items()}, "bare": 0.75}
    found = [
        replace(
            _compared(*_words(name), "requests/s", rates["own"], rates[name], goal),
            quality={
                "CPU ms a request": statistics.median(costs["own"]),
                "of the peer": statistics.median(costs[name]),
            },
        )
        for name, goal in goals.items()
    ]
    share = 100 * padding / max(tokens + padding, 1)
    return [*found, Row("padding among the tokens computed", "", "%", share)]


def _words(name: str) -> tuple[str, str]:
    if name == "bare":
        return "of the runtime without HTTP", "the runtime alone, rows in the order of their length"
    return f"requests/s, {CLIENTS} clients", name


def _latency(own: Server, peer: Server, options: Any) -> list[Row]:
    """Seconds of a request at half of what the peer can do."""
    told = peer.hammer(CLIENTS, options.seconds)
    rate = told["answered"] / told["seconds"] / 2
    times: dict[str, list[dict[str, Any]]] = {"own": [], "peer": []}
    for _ in range(options.rounds):
        times["peer"].append(peer.pace(rate, options.seconds))
        times["own"].append(own.pace(rate, options.seconds))
    return [
        _compared(
            f"{part} at {rate:.0f} requests/s, half of the peer's most", peer.name, "ms",
            [1e3 * one[part] for one in times["own"]], [1e3 * one[part] for one in times["peer"]],
            3.0, less=True,
        )
        for part in ("p50", "p99")
    ]  # fmt: skip


def _overload(own: Server, options: Any) -> list[Row]:
    """Requests at a multiple of what it can do: who is answered is answered soon, others get 429."""
    rows = []
    for times in OVERLOAD:
        full = own.hammer(CLIENTS, options.seconds)
        rate = times * full["answered"] / full["seconds"]
        told = own.pace(rate, options.overload)
        other = sum(
            count
            for status, count in told["statuses"].items()
            if status not in ("200", "429", "again")
        )
        note = (
            f"{rate:.0f} requests/s for {options.overload:g} s: {told['statuses']}; sent late by "
            f"{told['sent_late']:.3f} s (p99)"
        )
        probe = told["probe"]
        rows += [
            Row(f"errors but 429 at {times} times its most", "", "requests", other, goal=0,
                at_most=True, note=note),
            Row(f"p99 at {times} times its most, against {CLIENTS} clients'", "", "times",
                told["p99"] / full["p99"] if told["p99"] else float("inf"), goal=3, at_most=True,
                note=f"{told['p99'] or 0:.3f} s against {full['p99']:.3f} s"),
            Row(f"p99 of health at {times} times its most", "", "s", probe["p99"], goal=1, at_most=True,
                note=f"p50 {probe['p50']:.3f}, longest {probe['longest']:.3f} s"),
        ]  # fmt: skip
    return rows


def _start(bundle: Path, bodies: Path) -> tuple[float, float]:
    """Seconds from the command to the first answer, and MB then."""
    with servers.own(bundle, bodies) as server:
        return server.started, server.megabytes


def _start_again(bundle: Path, bodies: Path) -> tuple[float, float]:
    """Seconds from the command to the first answer after a `kill -9` under load, and CPU seconds."""
    with servers.own(bundle, bodies) as server:
        server.kill_under_load(8)
    with servers.own(bundle, bodies) as server:
        return server.started, server.computed


def _starting(starts: list[tuple[float, float]], again: list[tuple[float, float]]) -> list[Row]:
    seconds, megabytes = zip(*starts, strict=True)
    later, computed = zip(*again, strict=True)
    return [
        Row("start to first answer, after kill -9 under load", "", "s", statistics.median(later),
            goal=3, at_most=True, rounds=len(again),
            note=f"{min(later):.2f} to {max(later):.2f} s; CPU {statistics.median(computed):.2f} s"),
        Row("start to first answer", "", "s", statistics.median(seconds), goal=3, at_most=True,
            rounds=len(starts), note=f"{min(seconds):.2f} to {max(seconds):.2f} s"),
        Row("resident memory then", "", "MB", statistics.median(megabytes), goal=250, at_most=True,
            rounds=len(starts)),
    ]  # fmt: skip


def _soak(own: Server, options: Any) -> list[Row]:
    """Memory and file descriptors at 80 % of what it can do."""
    full = own.hammer(CLIENTS, options.seconds)
    rate = 0.8 * full["answered"] / full["seconds"]
    own.pace(rate, options.seconds)
    before, files = own.megabytes, own.files
    told = own.pace(rate, 60 * options.soak)
    after = own.megabytes
    note = f"{options.soak:g} minutes at {rate:.0f} requests/s: {told['statuses']}"
    return [
        Row("growth of memory at 80 % of its most", "", "%", 100 * (after / before - 1), goal=2,
            at_most=True, note=f"{before:.0f} to {after:.0f} MB; {note}"),
        Row("growth of open files", "", "files", own.files - files, goal=0, at_most=True),
    ]  # fmt: skip


def _compared(
    what: str,
    peer: str,
    unit: str,
    own: list[float],
    others: list[float],
    goal: float,
    *,
    less: bool = False,
) -> Row:
    """A row; `less`: the lesser value is the better one."""
    if not all([*own, *others]):
        raise SystemExit(f"error: {peer} answered nothing in a round: give more --seconds")
    each = [b / a if less else a / b for a, b in zip(own, others, strict=True)]
    mine, theirs = statistics.median(own), statistics.median(others)
    return Row(
        what, peer, unit, mine, theirs, theirs / mine if less else mine / theirs, goal,
        spread=(min(each), max(each)), rounds=len(own),
    )  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="where the run is; .bertworks by default")
    parser.add_argument("--run", help="its id; the newest by default")
    parser.add_argument("--rounds", type=int, help="turns of each side")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--overload", type=float, help="seconds of each overload")
    parser.add_argument("--soak", type=float, help="minutes")
    parser.set_defaults(**DEFAULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
