"""The data sets of `make bench-auto`, what is asked of each, and where its files come from.

Nothing of them is in the repository: most may be used for research alone. They are read from a folder
that the command names, and are skipped where that lacks them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.sides import REPOSITORY
from bertworks.storage.replacing import replacing

EXAMPLE = REPOSITORY / "examples/sentiment.yaml"


@dataclass(frozen=True)
class DataSet:
    """One row of the table.

    Attributes:
        name: As `--only` takes it.
        metric: Of the bundle, on the official test rows.
        asked: Its least value; None: nothing is asked.
        minutes: What `bertworks auto` is given where the command does not say.
        files: In the data folder; none: the rows of examples/sentiment.yaml, which are fetched.
        max_size_mb: Of the bundle; None: nothing is asked.
        speedup: What is asked of the ratio against the peer; None: nothing is.
        max_calibration_error: Of the bundle on test; None: nothing is asked.
        set_: Settings of the spec that a user who goes by this metric would give.
        outside: Folders of other data sets whose test rows are out of scope.
        note: What the reader has to know of the data.
    """

    name: str
    metric: str
    asked: float | None
    minutes: float
    files: tuple[str, ...] = ()
    max_size_mb: float | None = None
    speedup: float | None = None
    max_calibration_error: float | None = None
    set_: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    note: str = ""


def _split(folder: str, ending: str = "jsonl", test: str = "test") -> tuple[str, ...]:
    return tuple(f"{folder}/{part}.{ending}" for part in ("train", "validation", test))


SETS = (
    DataSet("sentiment", "accuracy", 0.86, 30, speedup=4.0, max_calibration_error=0.03),
    DataSet(
        "banking77", "accuracy", 0.930, 30, _split("banking77"), max_calibration_error=0.03,
        outside=("snips", "ag_news", "sst2"),
    ),
    DataSet("ag_news", "accuracy", 0.905, 30, _split("ag_news"), max_calibration_error=0.03),
    DataSet(
        "cola", "mcc", 0.40, 20, _split("cola"), set_=("gates.metric=mcc",),
        note="trained in domain, tested out of domain",
    ),
    DataSet("stsb_en", "pearson", 0.87, 20, _split("stsb_en")),
    DataSet("mrpc", "f1", 0.87, 20, _split("mrpc"), note="F1 of the label paraphrase"),
    DataSet("conll2003", "entity_f1", 0.90, 40, _split("conll2003_en", "txt")),
    DataSet(
        "chnsenticorp", "accuracy", 0.935, 40, _split("chnsenticorp", test="test_unseen"),
        max_size_mb=40.0, note="test rows that do not stand in train",
    ),
    DataSet("msra_ner_zh", "entity_f1", 0.90, 40, _split("msra_ner_zh", "txt"), max_size_mb=40.0),
)  # fmt: skip


def named(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        SystemExit: There is none.
    """
    for one in SETS:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in SETS)
    raise SystemExit(f"error: there is no data set {name!r}.\n  fix: --only takes some of: {names}")


def places(wanted: DataSet, data: Path | None, root: Path) -> list[Path] | str:
    """The files to give to `bertworks auto`, or why there are none.

    Args:
        wanted: The data set.
        data: The folder of the data sets; None: none was named.
        root: Where the example's rows are written: at the same place each time, so that a run that
            was cut off is gone on with.
    """
    if not wanted.files:
        return [_example(root)]
    if data is None:
        return "no folder of data sets was named: DATA=FOLDER"
    files = [data / file for file in wanted.files]
    if missing := [file for file in files if not file.is_file()]:
        return f"{missing[0]} is not there"
    return files


def _example(root: Path) -> Path:
    """The example's rows as a file of text and label; its split by content hash stays the example's."""
    from bertworks.data.sources.fetch import fetch
    from bertworks.spec import file as spec_file

    source = spec_file.load(EXAMPLE, []).spec.data.sources[0]
    root.mkdir(parents=True, exist_ok=True)
    file = root / "sentiment.csv"
    with (
        fetch(source.uri, source.sha256, EXAMPLE.parent) as found,
        open(found[0].path, encoding="utf-8", newline="") as read,
        replacing(file) as beside,
        open(beside, "w", encoding="utf-8", newline="") as written,
    ):
        rows = csv.writer(written)
        rows.writerow(["text", "label"])
        for row in csv.DictReader(read):
            if all(row[column] in map(str, values) for column, values in source.where.items()):
                rows.writerow([row["text"], source.label_map[row["label"]]])
    return file
