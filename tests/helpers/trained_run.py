"""A run that has searched and fine-tuned: its record and the artifacts that hold its curves."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.history import Point, Timings
from bertworks.contracts.runs import RUN, RunRecord, RunStep
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Chosen, SearchTimes, Trial, Tuned
from bertworks.storage.history import write_history

POINTS = [
    Point(10, 0.5, "train", "loss", 0.75),
    Point(20, 1.0, "train", "loss", 0.5),
    Point(20, 1.0, "validation", "accuracy", 0.875),
    Point(20, 1.0, "validation, averaged", "accuracy", 0.9375),
]


def trained_run(folder: Path) -> RunRecord:
    """The record, in root/runs of the folder; its distillation's artifact is gone."""
    model, tuned = folder / "made/model", folder / "made/tuned"
    model.mkdir(parents=True)
    tuned.mkdir()
    write_history(model, POINTS, Timings(seconds=8.0))
    trials = [
        Trial(0, Chosen(), [0.5, 0.75], 0.75, "complete"),
        Trial(1, Chosen(learning_rate=0.1), [0.25], 0.25, "halved"),
    ]
    TUNED.write(tuned, Tuned("accuracy", 0, Chosen(), 0.75, [0], trials, {}, "trials"))
    SEARCH_TIMES.write(tuned, SearchTimes(6.0, [4.0, 2.0]))
    steps = [
        RunStep("tune", "succeeded", outputs={"tuned": str(tuned)}),
        RunStep("finetune", "cached", outputs={"model": str(model)}),
        RunStep("prune", "succeeded", outputs={"pruned": str(folder / "gone")}),
    ]
    place = folder / "root/runs/20261126-190922-tiny"
    place.mkdir(parents=True)
    found = RunRecord(
        id=place.name, name="tiny", kind="agent", started=1000.0, state="succeeded", steps=steps,
        folder=place,
    )  # fmt: skip
    RUN.write(place, found)
    return found
