"""How well an agent knows when it does not know: `make bench-confidence ARGS="--data FOLDER"`.

    make bench-confidence ARGS="--data ../data --outside snips sst2 --set finetune.epochs=10"

FOLDER holds a folder a data set, of {train,validation,test}.jsonl with text and label. The agent is
trained on `--inside`; test rows of the `--outside` sets are texts that it should not answer.
Several scores are tried, each with a threshold by which 5 % of the validation rows are refused: the
bundle's own (the distance of the text's vector from those of the training rows), the energy of the
logits (Liu et al. 2020), the largest logit, and the probability of the label that is given. Runs
share one folder, so that the same agent is not trained twice.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from benchmarks.harness.running import run

if TYPE_CHECKING:
    from bertworks.runtime.confidence import Read

REFUSED = 0.05
SPLITS = ("train", "validation", "test")
Score = Callable[["Read"], np.ndarray]


def main() -> None:
    """Trains the agent and prints what it knows of itself."""
    options = _options()
    root = Path(options.root)
    places = made(options.data, options.inside, options.outside, root, options.set)
    print(json.dumps(told(places["bundle_metrics"]), indent=2))
    for line in tried(places["bundle"], options.data, options.inside, options.outside):
        print(line)


def made(
    data: Path, inside: str, outside: Sequence[str], root: Path, changes: Sequence[str]
) -> dict[str, Path]:
    """The artifacts of the run, by name.

    Raises:
        SystemExit: The run failed otherwise than at its gates.
    """
    root.mkdir(parents=True, exist_ok=True)
    file = root / "confidence.yaml"
    file.write_text(yaml.safe_dump(spec(data, inside, outside), sort_keys=False), "utf-8")
    return run(file, root, changes).places


def spec(data: Path, inside: str, outside: Sequence[str]) -> dict[str, object]:
    """Official splits; nothing pruned, so that int8 alone is between the training and the scores."""
    folder = data.resolve()
    official = [
        {
            "uri": str(folder / inside / f"{split}.jsonl"),
            "split": split,
            "keep_all": split != "train",
        }
        for split in SPLITS
    ]
    others = [{"uri": str(folder / name / "test.jsonl"), "out_of_scope": True} for name in outside]
    return {
        "name": f"confidence-{inside}".replace("_", "-"),
        "task": {"type": "classification", "max_length": 64},
        "data": {"sources": [*official, *others], "max_rejected": 0.1},
        "validate": {"checks": {"near_duplicates": "ignore", "leakage": "ignore"}},
        "evaluate": {"slices": []},
        "compress": {"prune": {"enabled": False}},
        "confidence": {
            "abstain": {"precision": 0.95},
            "out_of_scope": REFUSED,
            "conformal": 0.9,
        },
        "gates": {"beat_floor": False},
    }


def told(metrics: Path) -> dict[str, object]:
    """confidence.json without its curves."""
    found = json.loads((metrics / "confidence.json").read_text("utf-8"))
    for split in found["splits"].values():
        del split["curve"]
    return dict(found)


def tried(bundle: Path, data: Path, inside: str, outside: Sequence[str]) -> Iterator[str]:
    """A line a score: the share of the test rows refused; recall and AUROC on each outside set."""
    from bertworks.evaluation.confidence.fitting import least_scope
    from bertworks.evaluation.confidence.measuring import out_of_scope
    from bertworks.runtime.agent import Agent

    agent = Agent.load(bundle)

    def ask(name: str, split: str) -> Read:
        return agent.read(agent.encode(_texts(data / name / f"{split}.jsonl")).ids)

    validation, test = (ask(inside, split) for split in ("validation", "test"))
    others = {name: ask(name, "test") for name in outside}
    for title, score in scores(agent.info.temperature).items():
        least = least_scope(score(validation), REFUSED)
        found = {n: out_of_scope(score(rows), score(test), least) for n, rows in others.items()}
        each = ", ".join(f"{n} {one.recall:.3f} / {one.auroc:.3f}" for n, one in found.items())
        refused = float((score(test) < least).mean())
        yield f"{title}: test rows refused {refused:.3f}; recall / AUROC: {each}"


def scores(temperature: float) -> Mapping[str, Score]:
    """Scope scores by name, of what a bundle of that temperature says of rows."""
    from bertworks.tasks.measuring import softmax

    def logits(read: Read) -> np.ndarray:
        return np.stack(read.logits)

    def energy(read: Read) -> np.ndarray:
        return np.logaddexp.reduce(logits(read) * temperature, axis=1)

    return {
        "distance (the bundle's)": lambda read: np.asarray(read.scope),
        "energy": energy,
        "largest logit": lambda read: logits(read).max(axis=1),
        "largest probability": lambda read: softmax(logits(read)).max(axis=1),
    }


def _texts(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--inside", default="banking77", help="the set to train on")
    parser.add_argument("--outside", nargs="+", default=["snips", "ag_news", "sst2"])
    parser.add_argument("--root", default=".bertworks/confidence", help="folder of the run")
    parser.add_argument("--set", nargs="+", default=[], help="changes to the spec, name=value")
    return parser.parse_args()


if __name__ == "__main__":
    main()
