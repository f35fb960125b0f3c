"""Intents and slots from one pass, over several seeds.

    make bench-understanding                     # examples/turns.yaml, seeds 1 to 5
    make bench-understanding DATA=../data ARGS="--seeds 1 2 3 4 5 --outside banking77 sst2"

With DATA it is Snips: FOLDER/snips holds {train,validation,test}.jsonl with tokens, tags and label (its
standard split: 13,084 / 700 / 700 rows, 7 intents, 39 slots), and `--outside` names more folders there,
whose test texts are out of scope. Each seed's agent is fine-tuned, pruned with distillation and
quantized; model and bundle are evaluated by the run itself on the test rows, with its slices. Runs share
one folder, so that a seed that is there already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.harness.results import Result, Row
from benchmarks.harness.running import run
from benchmarks.harness.sides import REPOSITORY

SPLITS = ("train", "validation", "test")
SEEDED = ("finetune.seed", "compress.prune.seed", "compress.quantize.seed")
METRICS = ("intent_accuracy", "slot_f1", "frame_accuracy")
AGENTS = {"model_metrics": "fine-tuned", "bundle_metrics": "bundle"}
GOALS = {"intent_accuracy": 0.98, "slot_f1": 0.95}
PEER = "BERT-base joint (Chen et al. 2019): 0.986 / 0.970 / 0.928"


@dataclass
class Outcome:
    """What one seed gave.

    Attributes:
        seed: Of training, pruning and quantizing.
        scores: Agent to metric to value, with its 95 % bootstrap interval, on test.
        engine: What the bundle runs on.
        size_mb: Of its graph and tokenizer, 10^6 bytes.
        outside: Share of the texts out of scope that are told; None without such texts.
        slices: Of the bundle: slice to frame accuracy, and its rows.
    """

    seed: int
    scores: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)
    engine: str = ""
    size_mb: float = 0.0
    outside: float | None = None
    slices: dict[str, tuple[float, int]] = field(default_factory=dict)


def main() -> None:
    """Runs the seeds and writes the result; what is known so far is kept after each."""
    options = _options()
    root = Path(options.root)
    root.mkdir(parents=True, exist_ok=True)
    file = REPOSITORY / "examples/turns.yaml"
    if options.data is not None:
        file = root / "snips.yaml"
        written = spec(options.data, options.base, options.outside)
        file.write_text(yaml.safe_dump(written, sort_keys=False), "utf-8")
    outcomes: list[Outcome] = []
    for seed in options.seeds:
        outcomes.append(ask(file, seed, root, options.set))
        print(json.dumps(vars(outcomes[-1])), file=sys.stderr, flush=True)
        if len(outcomes) > 1:
            result(file, outcomes, len(options.seeds), snips=options.data is not None).save()


def spec(data: Path, base: str, outside: Sequence[str]) -> dict[str, object]:
    """The official splits of Snips."""
    folder = data.resolve()
    official = [
        {
            "uri": str(folder / "snips" / f"{split}.jsonl"),
            "split": split,
            "keep_all": split != "train",
        }
        for split in SPLITS
    ]
    others = [{"uri": str(folder / name / "test.jsonl"), "out_of_scope": True} for name in outside]
    return {
        "name": "snips",
        "task": {"type": "understanding", "max_length": 64},
        "data": {"sources": [*official, *others], "max_rejected": 0.1},
        "base": {"name": base},
        "validate": {"checks": {"near_duplicates": "ignore", "leakage": "ignore"}},
        "evaluate": {"slices": []},
        "finetune": {"learning_rate": 3e-4, "epochs": 4, "batch_size": 64},
        "compress": {
            "prune": {"speedup": 1.5, "epochs": 3, "learning_rate": 2e-4, "batch_size": 64}
        },
        "gates": {"max_drop": 0.05},
    }


def ask(file: Path, seed: int, root: Path, changes: Sequence[str]) -> Outcome:
    """Makes one seed's agent and reads what its run measured.

    Raises:
        SystemExit: The run failed otherwise than at its gates.
    """
    places = run(file, root, [*(f"{name}={seed}" for name in SEEDED), *changes]).places
    found = Outcome(seed)
    for name in AGENTS:
        listed = json.loads((places[name] / "metrics.json").read_text("utf-8"))
        whole = {one["name"]: one for one in listed if one["slice"] == ""}
        found.scores[name] = {
            metric: tuple(whole[metric][key] for key in ("value", "low", "high"))
            for metric in METRICS
        }
        found.slices = {
            one["slice"]: (one["value"], one["rows"])
            for one in listed
            if one["slice"].startswith("values=") and one["name"] == "frame_accuracy"
        }
    bundle = places["bundle"]
    agent = json.loads((bundle / "agent.json").read_text("utf-8"))
    files = [one for one in bundle.iterdir() if one.suffix in (".onnx", ".bin", ".xml", ".json")]
    found.engine = agent["engine"]["name"]
    found.size_mb = sum(one.stat().st_size for one in files) / 1e6
    sure = places["bundle_metrics"] / "confidence.json"
    told = json.loads(sure.read_text("utf-8")) if sure.is_file() else None
    if told and told.get("out_of_scope"):
        found.outside = told["out_of_scope"]["recall"]
    return found


def result(file: Path, outcomes: list[Outcome], asked: int, *, snips: bool) -> Result:
    """The table: median and range of each measure of model and bundle."""
    rows = []
    for name, title in AGENTS.items():
        for metric in METRICS:
            values = [one.scores[name][metric][0] for one in outcomes]
            low, high = (
                statistics.median(one.scores[name][metric][side] for one in outcomes)
                for side in (1, 2)
            )
            rows.append(
                Row(
                    what=f"{title}, {metric}",
                    peer="",
                    unit="share",
                    own=statistics.median(values),
                    goal=GOALS.get(metric) if snips and name == "bundle_metrics" else None,
                    rounds=len(values),
                    note=f"median; {min(values):.4f} to {max(values):.4f} over the seeds; 95 % interval "
                    f"by rows, median of the seeds': {low:.4f} to {high:.4f}",
                )
            )
    sizes = [one.size_mb for one in outcomes]
    rows.append(Row("largest bundle", "", "MB", max(sizes), rounds=len(sizes)))
    if all(one.outside is not None for one in outcomes):
        told = [one.outside or 0.0 for one in outcomes]
        note = f"median; {min(told):.4f} to {max(told):.4f}"
        rows.append(
            Row("texts out of scope that are told", "", "share", statistics.median(told), note=note)
        )
    for name in sorted({name for one in outcomes for name in one.slices}):
        parts = [one.slices[name] for one in outcomes if name in one.slices]
        shares = [share for share, _ in parts]
        rows.append(
            Row(
                what=f"bundle, frame_accuracy of {name}",
                peer="",
                unit="share",
                own=statistics.median(shares),
                rounds=len(shares),
                note=f"median; {min(shares):.4f} to {max(shares):.4f}; {parts[0][1]} rows",
            )
        )
    engines = ", ".join(sorted({one.engine for one in outcomes}))
    data = f"{file.name}; engines {engines}"
    if snips:
        data += (
            f"; standard split of Snips, 13,084 / 700 / 700 rows; for comparison {PEER} (intent "
        )
        data += "accuracy, slot F1, frame accuracy; 110 M parameters, uncompressed)"
    return Result(
        name="understanding" if snips else "understanding-turns",
        title=f"Intents and slots, {file.stem}: {len(outcomes)} of {asked} seeds",
        command=f"make bench-understanding{' DATA=FOLDER' * snips}",
        data=data,
        rows=rows,
        seed=outcomes[0].seed,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets, for Snips")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--base", default="minilm-l6")
    parser.add_argument("--outside", nargs="*", default=[], help="sets that are out of scope")
    parser.add_argument(
        "--root", default=".bertworks/understanding", help="where the runs are kept"
    )
    parser.add_argument("--set", action="append", default=[], help="override a value of the spec")
    return parser.parse_args()


if __name__ == "__main__":
    main()
