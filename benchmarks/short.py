"""Small ratios against the peers, which must not fall: `make bench-short`, in four minutes, in CI.

Everything is made up on the spot: Zipf's words, an untrained encoder of MiniLM-L6's size. A ratio is the
median of paired rounds. It is compared with what `benchmarks/short_baseline.json` says for this kind of
processor (bfloat16 and int8 instructions move every ratio): the exit code is 1 when one has fallen by
more than a third. A kind without a baseline is measured and told, not judged. The numbers are not those
of docs/performance.md.

    python -m benchmarks.short --only agent start_up
    python -m benchmarks.short --write        after a change that was meant to move a ratio
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import OWN_PYTHON, REPOSITORY, Side, in_turn, peer_python
from benchmarks.short_artifacts import MAX_LENGTH, Made, make
from bertworks.cpus import CPUINFO, instructions, vendor
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.replacing import replacing

BASELINE = REPOSITORY / "benchmarks/short_baseline.json"
LEAST = 2 / 3
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
STEPS = 4
START_UP = {
    "import bertworks": ["-c", "import bertworks"],
    "bertworks --help": ["-m", "pipelines.cli", "--help"],
}


def main() -> None:
    """Measures, and compares with the baseline or writes it."""
    options = _options()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bertworks-short-") as folder:
        os.environ["BERTWORKS_CHECKPOINTS"] = f"{folder}/checkpoints"
        made = make(Path(folder), options.rows, options.seed)
        for name in options.only:
            began = time.perf_counter()
            rows += PARTS[name](made, options)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(Result("short", "Short form", "make bench-short", "made up", rows).markdown())
    ratios = ratios_of(rows)
    if options.write:
        kept = read()
        kept[kind()] = {**kept.get(kind(), {}), **ratios}
        with replacing(BASELINE) as beside:
            beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {BASELINE}")
        return
    if kind() not in read():
        print(f"\nnot judged: no baseline for {kind()}; ARGS=--write keeps these ratios as one")
        return
    found = fallen(ratios, read()[kind()])
    print("\n".join(found) if found else "\nno ratio has fallen by more than a third")
    sys.exit(1 if found else 0)


def ratios_of(rows: Sequence[Row]) -> dict[str, float]:
    """Each row's ratio by what was compared with which peer."""
    return {f"{row.what}, {row.peer}": round(row.ratio or 0.0, 3) for row in rows}


def read() -> dict[str, dict[str, float]]:
    """The ratios that were once measured, by kind of processor."""
    return dict(json.loads(BASELINE.read_text(encoding="utf-8")))


def kind(cpuinfo: Path = CPUINFO) -> str:
    """The kind of processor: its architecture, maker, and the instructions that the ratios hang on.

    Makers differ in how fast the same instructions are: `training.precision` chooses by both.
    """
    flags, maker = instructions(cpuinfo), vendor(cpuinfo)
    known = [name for name in INSTRUCTIONS if name in flags]
    return " ".join([platform.machine(), *([maker] if maker else []), *known])


def fallen(ratios: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """A table of the ratios that are below two thirds of the baseline, or have none; else nothing."""
    bad = [
        f"| {name} | {baseline.get(name, '-')} | {ratio} |"
        for name, ratio in ratios.items()
        if ratio < LEAST * baseline.get(name, float("inf"))
    ]
    head = ["", "fallen by more than a third:", "", "| ratio | was | is |", "|---|---|---|"]
    return [*head, *bad] if bad else []


def preprocess(made: Made, options: argparse.Namespace) -> list[Row]:
    """The transform step against datasets.map: whole processes, reading and writing included."""
    commands = {
        "own": [str(OWN_PYTHON), "-m", "benchmarks.own_preprocess"],
        "peer": [str(peer_python()), "-m", "benchmarks.peers.datasets_map", "--processes", "1"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(min(3, options.rounds)):
        for name in list(commands)[:: 1 if number % 2 == 0 else -1]:
            with tempfile.TemporaryDirectory(dir=made.many.parent) as out:
                places = ["--rows", str(made.many), "--base", str(made.base), "--output", out]
                command = [*commands[name], *places, "--max-length", str(MAX_LENGTH)]
                times[name].append(seconds(command))
    what = f"preprocess {options.rows:,} rows"
    return [compare(what, "datasets.map", "s", times["own"], times["peer"])]


def finetune(made: Made, options: argparse.Namespace) -> list[Row]:
    """Fine-tuning steps in bfloat16 against the Trainer's, batches of rows of like length."""
    settings = json.dumps({"batch_size": 32, "precision": "bfloat16", "seed": options.seed})
    own = ("finetune", made.tokens, made.base, "--settings", settings)
    peer = (made.examples, made.base, "--bf16", "--grouped", "--seed", options.seed)
    return [_training("fine-tuning", "trainer_finetune", own, peer, options.rounds)]


def pretrain(made: Made, options: argparse.Namespace) -> list[Row]:
    """Masked-language-model steps in bfloat16 against run_mlm's grouped form."""
    from benchmarks.pretrain import write_texts
    from bertworks.spec import Pretrain

    settings = Pretrain(steps=200, batch_size=8, precision="bfloat16", seed=options.seed)
    texts, probe = (made.tokens.parent / f"{name}.npz" for name in ("texts", "probe"))
    write_texts(texts, probe, open_artifact(made.tokens, "tokens"), settings)
    own = ("pretrain", made.tokens, made.base, "--settings", settings.model_dump_json())
    length = settings.sequence_length
    per_step = ("--tokens", settings.batch_size * length, "--length", length)
    peer = (texts, made.base, "--probe", probe, "--form", "blocks", "--bf16", *per_step)
    return [_training("pretraining", "trainer_mlm", own, peer, options.rounds)]


def _training(
    what: str, script: str, own: Sequence[object], peer: Sequence[object], rounds: int
) -> Row:
    """Real tokens a second of both sides; the first round, in which graphs are built, is left out."""
    ours = Side("bertworks", OWN_PYTHON, "benchmarks/own_training.py", *map(str, own))
    theirs = Side(script, peer_python(), f"benchmarks/peers/{script}.py", *map(str, peer))
    with ours, theirs:
        answers = in_turn([ours, theirs], {"steps": STEPS}, rounds + 1)
    rates = {
        name: [answer["tokens"] / answer["seconds"] for answer in given[1:]]
        for name, given in answers.items()
    }
    return compare(
        what, "transformers Trainer bf16", "tokens/s", *rates.values(), higher_is_better=True
    )


def agent(made: Made, options: argparse.Namespace) -> list[Row]:
    """The int8 bundle of an untrained model: many texts, and one at a time."""
    job = {"texts": made.texts, "short": made.texts[:32], "calibration": made.texts[:32]}
    peers = {"torch fp32": "torch_agent", "ONNX Runtime dynamic int8": "onnxruntime_agent"}
    with ExitStack() as stack:
        ours = Side("bertworks", OWN_PYTHON, "benchmarks/own_agent.py")
        sides = [ours] + [
            Side(name, peer_python(), f"benchmarks/peers/{script}.py")
            for name, script in peers.items()
        ]
        for number, side in enumerate(map(stack.enter_context, sides)):
            work = made.model.parent / f"agent-{number}"
            work.mkdir()
            model = made.bundle if side is ours else made.model
            side.ask({**job, "model": str(model), "folder": str(work)})
        many = in_turn(sides, "throughput", options.rounds)
        single = in_turn(sides, "latency", options.rounds)
    alone = {name: [1e3 * statistics.median(times) for times in single[name]] for name in single}
    return [
        compare(what, name, unit, values["bertworks"], values[name])
        for what, unit, values in (
            (f"agent, {len(made.texts)} texts", "s", many),
            ("agent, one text", "ms", alone),
        )
        for name in peers
    ]


def start_up(made: Made, options: argparse.Namespace) -> list[Row]:
    """First answers against a Python that does nothing."""
    commands = {"python -c pass": ["-c", "pass"], **START_UP}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(2 * options.rounds):
        for name, arguments in commands.items():
            times[name].append(seconds([sys.executable, *arguments]))
    bare = times.pop("python -c pass")
    return [compare(name, "python -c pass", "s", own, bare) for name, own in times.items()]


PARTS: dict[str, Callable[[Made, argparse.Namespace], list[Row]]] = {
    "preprocess": preprocess,
    "finetune": finetune,
    "pretrain": pretrain,
    "agent": agent,
    "start_up": start_up,
}


def seconds(command: Sequence[str]) -> float:
    """Runs a command in the repository; its seconds from start to end.

    Raises:
        SystemExit: It failed.
    """
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return taken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--rounds", type=int, default=5, help="of each side (5)")
    parser.add_argument("--rows", type=int, default=20_000, help="to preprocess (20,000)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--write", action="store_true", help="write the baseline")
    return parser.parse_args()


if __name__ == "__main__":
    main()
