"""AutoGluon MultiModal beside a run of `bertworks auto`: the same rows, checkpoint and minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.automatic.speed import evenly
from benchmarks.harness.sides import OWN_PYTHON, Side, in_turn, peer_python

METRICS = {"accuracy": "accuracy", "mcc": "mcc", "f1": "f1", "pearson": "pearsonr"}
"""A data set's metric to AutoGluon's; tagging has none, as it takes other files."""
ENVIRONMENT = "peers-autogluon"


@dataclass
class Compared:
    """What AutoGluon came to.

    Attributes:
        value: The metric on the test rows.
        minutes: That its `fit` took, of those that were given.
        rates: Rows a second of its predictor, a round each.
        own_rates: Those of the bundle, in turn with these.
    """

    value: float
    minutes: float
    rates: list[float]
    own_rates: list[float]


def compare(
    places: Mapping[str, Path],
    metric: str,
    minutes: float,
    seed: int,
    scratch: Path,
    *,
    most: int = 1000,
    rounds: int = 3,
) -> Compared:
    """Fits AutoGluon on the rows of a run, from the checkpoint that the run started from.

    Args:
        places: The run's artifacts by name.
        metric: One of `METRICS`.
        minutes: Its time limit.
        seed: Of its training.
        scratch: An existing folder for what it writes.
        most: Test rows that are timed, at most.
        rounds: How often.
    """
    from bertworks.contracts.agent import AGENT
    from bertworks.evaluation.data import read_split
    from bertworks.storage.artifacts import open_artifact
    from bertworks.tasks import for_task

    info = AGENT.read(open_artifact(places["bundle"], "bundle"))
    form, target = for_task(info.task).form, for_task(info.task).target.column
    examples = open_artifact(places["examples"], "examples")
    columns = [*form.columns, target]
    splits = {name: read_split(examples, name, columns) for name in ("train", "validation", "test")}
    timed = _taken(splits["test"], form.rows(splits["test"]), most)
    kind = "regression" if not info.labels else "binary" if len(info.labels) == 2 else "multiclass"
    job: dict[str, Any] = {
        **splits, "timed": timed, "label": target, "kind": kind, "metric": METRICS[metric],
        "minutes": minutes, "checkpoint": str(places["base"]), "folder": str(scratch / "autogluon"),
        "seed": seed,
    }  # fmt: skip
    rows = form.rows(timed)
    own = Side("bertworks", OWN_PYTHON, "benchmarks/own_rows.py")
    peer = Side("AutoGluon", peer_python(ENVIRONMENT), "benchmarks/peers/autogluon_text.py")
    with peer, own:
        fitted = peer.ask(job)
        own.ask({"texts": rows, "short": rows[:1], "model": str(places["bundle"])})
        seconds = in_turn([own, peer], "throughput", rounds)
    ours, theirs = ([len(rows) / one for one in seconds[side.name]] for side in (own, peer))
    return Compared(fitted["value"], fitted["minutes"], theirs, ours)


def _taken(columns: Mapping[str, list[Any]], rows: list[Any], most: int) -> dict[str, list[Any]]:
    """Some rows' columns, evenly taken."""
    chosen = evenly(range(len(rows)), most)
    return {name: [values[row] for row in chosen] for name, values in columns.items()}
