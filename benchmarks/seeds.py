"""How good an example's agent is over several seeds, and how safely it passes its gates.

    make bench-seeds                             # examples/sentiment.yaml, seeds 1 to 5
    make bench-seeds ARGS="--seeds 42 7 8 --spec examples/topics.yaml"

One run is luck: what is trained, pruned and quantized is made anew for each seed, on the same rows. Runs
share one folder, so that fetching and tokenizing are done once and seeds that are there already are not
trained again. The fine-tuned and the pruned model are asked as float32 graphs, the bundle as it serves.
A margin is counted in standard deviations between the seeds: how far the next seed's agent is likely
to be from the gate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.drops import drop
from benchmarks.harness.results import Result, Row
from benchmarks.harness.running import run

AGENTS = {"model": "fine-tuned, float32", "pruned": "pruned, float32", "bundle": "bundle"}
SPLITS = ("validation", "test")
WANTED_MARGIN = 3.0


@dataclass
class Outcome:
    """What one seed gave.

    Attributes:
        seed: Of training, pruning and quantizing.
        accuracies: Agent to split ("validation", "test", "both") to share of rows that are right.
        digests: Agent to the digest of its artifact: equal where nothing differs.
        least_drop: How much less often the bundle is right on test than the fine-tuned model, at least:
            the lower bound by chance, which the gate holds against `max_drop`.
        passed: Whether the run's gates let it through.
        seconds: The run; steps that were there already took none.
        engine: What the bundle runs on.
        size_mb: Of the bundle, 10^6 bytes.
    """

    seed: int
    accuracies: dict[str, dict[str, float]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    least_drop: float = 0.0
    passed: bool = False
    seconds: float = 0.0
    engine: str = ""
    size_mb: float = 0.0


def main() -> None:
    """Runs the seeds and writes the result; what is known so far is kept after each."""
    options = _options()
    root = Path(options.root)
    outcomes: list[Outcome] = []
    gates: dict[str, float | None] = {}
    floor: float | None = None
    for seed in options.seeds:
        outcome, places, gates = ask(options.spec, seed, root, options.set)
        floor = _floor(places)
        outcomes.append(outcome)
        print(json.dumps(asdict(outcome)), file=sys.stderr, flush=True)
        if len(outcomes) > 1:
            result(options.spec, outcomes, gates, floor, options.seeds).save()


def ask(
    spec: str, seed: int, root: Path, changes: list[str]
) -> tuple[Outcome, dict[str, Path], dict[str, float | None]]:
    """Makes one seed's agent and asks it.

    Returns:
        The outcome; the run's artifacts by name; the spec's gates.

    Raises:
        SystemExit: The run failed otherwise than at its gates.
    """
    made = run(spec, root, [f"seed={seed}", *changes])
    outcome = Outcome(seed, passed=made.passed, seconds=made.seconds)
    score(outcome, made.places)
    return outcome, made.places, made.gates


def score(outcome: Outcome, places: Mapping[str, Path]) -> None:
    """Asks each agent for the labels of the validation and test rows, text in, label out."""
    from bertworks.evaluation.data import read_split
    from bertworks.runtime.loading import load_agent
    from bertworks.storage.artifacts import open_artifact

    examples = open_artifact(places["examples"], "examples")
    rows = {split: read_split(examples, split, ["text", "label"]) for split in SPLITS}
    if any(set(columns) != {"text", "label"} for columns in rows.values()):
        raise SystemExit("error: the spec must be of a classification with one label and one text")
    tested: dict[str, list[bool]] = {}
    for name in (name for name in AGENTS if name in places):
        artifact = open_artifact(places[name])
        agent = load_agent(artifact)
        right = {
            split: [
                answer["label"] == label
                for answer, label in zip(
                    agent.predict(columns["text"]), columns["label"], strict=True
                )
            ]
            for split, columns in rows.items()
        }
        tested[name] = right["test"]
        right["both"] = right["validation"] + right["test"]
        outcome.accuracies[name] = {split: sum(hits) / len(hits) for split, hits in right.items()}
        outcome.digests[name] = artifact.digest
        if artifact.kind == "bundle":
            outcome.engine = artifact.json("agent.json")["engine"]["name"]
            files = [file for file in artifact.path.rglob("*") if file.is_file()]
            outcome.size_mb = sum(file.stat().st_size for file in files) / 1e6
    _, outcome.least_drop, _ = drop(tested["bundle"], tested["model"])


def result(
    spec: str,
    outcomes: list[Outcome],
    gates: Mapping[str, Any],
    floor: float | None,
    seeds: list[int],
) -> Result:
    """The table: mean and spread of each agent on each split, the drop, and the gates' margins."""
    rows = [
        _row(f"{title}, {split}", [one.accuracies[name][split] for one in outcomes])
        for name, title in AGENTS.items()
        if all(name in one.accuracies for one in outcomes)
        for split in (*SPLITS, "both")
    ]
    drops = [one.accuracies["model"]["both"] - one.accuracies["bundle"]["both"] for one in outcomes]
    rows.append(_row("loss from fine-tuned to bundle, both splits", drops))
    tested = [one.accuracies["bundle"]["test"] for one in outcomes]
    if gates.get("minimum") is not None:
        rows.append(_margin("gates.minimum", tested, float(gates["minimum"]), above=True))
    if gates.get("max_drop") is not None:
        least = [one.least_drop for one in outcomes]
        rows.append(_margin("gates.max_drop", least, float(gates["max_drop"]), above=False))
    if gates.get("max_size_mb") is not None:
        sizes = [one.size_mb for one in outcomes]
        limit = float(gates["max_size_mb"])
        rows.append(Row("largest bundle", "", "MB", max(sizes), goal=limit, at_most=True))
    if gates.get("beat_floor") and floor is not None:
        rows.append(_margin("the floor (TF-IDF)", tested, floor, above=True))
    passed = sum(one.passed for one in outcomes)
    rows.append(Row("gates passed", "", "seeds", passed, goal=float(len(outcomes))))
    each = "; ".join(
        f"seed {one.seed}: "
        + " / ".join(
            f"{one.accuracies[name]['both']:.4f}" for name in AGENTS if name in one.accuracies
        )
        + f", {one.engine}, {one.size_mb:.1f} MB, {one.seconds:.0f} s, "
        + " ".join(digest.removeprefix("sha256:")[:8] for digest in one.digests.values())
        for one in outcomes
    )
    return Result(
        name="seeds",
        title=f"{Path(spec).stem} over {len(outcomes)} of {len(seeds)} seeds",
        command="make bench-seeds",
        data=f"{spec}, every step from fine-tuning on made anew for each seed; fine-tuned / pruned / "
        f"bundle on validation and test together, and the digests of the artifacts: {each}",
        rows=rows,
        seed=outcomes[0].seed,
    )


def _row(what: str, values: list[float]) -> Row:
    """Mean over the seeds; the note has their standard deviation and range."""
    spread = f"standard deviation {statistics.stdev(values):.4f}; " if len(values) > 1 else ""
    return Row(
        what=what,
        peer="",
        unit="accuracy",
        own=statistics.mean(values),
        rounds=len(values),
        note=f"{spread}{min(values):.4f} to {max(values):.4f}",
    )


def _margin(what: str, values: list[float], limit: float, *, above: bool) -> Row:
    """How many standard deviations between seeds the mean is on the right side of a limit."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    far = (mean - limit) if above else (limit - mean)
    safe = mean - WANTED_MARGIN * deviation if above else mean + WANTED_MARGIN * deviation
    return Row(
        what=f"margin of {what}",
        peer="",
        unit="standard deviations between seeds",
        own=far / max(deviation, 1e-9),
        goal=WANTED_MARGIN,
        rounds=len(values),
        note=f"limit {limit:.4f}, mean {mean:.4f}, standard deviation {deviation:.4f}; three of them "
        f"away: {safe:.4f}",
    )


def _floor(places: Mapping[str, Path]) -> float | None:
    floor = json.loads((places["bundle_metrics"] / "floor.json").read_text("utf-8"))
    return next((one["value"] for one in floor if one["name"] == "accuracy"), None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--spec", default="examples/sentiment.yaml")
    parser.add_argument("--root", default=".bertworks/seeds", help="where the runs are kept")
    parser.add_argument("--set", action="append", default=[], help="override a value of the spec")
    return parser.parse_args()


if __name__ == "__main__":
    main()
