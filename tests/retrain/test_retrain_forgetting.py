"""Why old rows are rehearsed: a challenger that sees only new rows unlearns the old ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.contracts.tokens import TOKENS
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.retraining.plan import make_plan
from bertworks.retraining.rows import Key
from bertworks.spec import Finetune, Task
from bertworks.storage.artifacts import Artifact, open_artifact, write
from bertworks.tasks import for_task
from tests.helpers.records import tokens_info

pytestmark = pytest.mark.usefixtures("uncompiled")
CONFIG = EncoderConfig(40, 16, (2, 2), 8, (32, 32), max_positions=32)
GOOD, BAD, NEW_GOOD, NEW_BAD = 10, 11, 12, 13
Row = tuple[list[int], int]


def make_rows(count: int, new: bool, seed: int) -> dict[str, Row]:
    """Old rows mean what their old word says. New ones mean their new word, the old one is irony."""
    random, rows = np.random.default_rng(seed), {}
    for number in range(count):
        words = random.integers(14, 40, 6)
        good = bool(number % 2)
        places = random.choice(6, 2, replace=False)
        words[places[0]] = GOOD if good != new else BAD
        if new:
            words[places[1]] = NEW_GOOD if good else NEW_BAD
        rows[f"{seed:08x}{number:08x}"] = ([2, *words.tolist(), 3], int(good))
    return rows


def tokens(path: Path, train: dict[str, Row], validation: dict[str, Row]) -> Artifact:
    with write(path, kind="tokens", producer="test") as folder:
        for split, rows in (("train", train), ("validation", validation), ("test", {})):
            (folder / split).mkdir()
            table = {
                "id": pa.array(list(rows), pa.string()),
                "input_ids": pa.array([ids for ids, _ in rows.values()], pa.list_(pa.int32())),
                "length": pa.array([len(ids) for ids, _ in rows.values()], pa.int32()),
                "label": pa.array([label for _, label in rows.values()], pa.int32()),
            }
            pq.write_table(pa.table(table), folder / split / "part-00000.parquet")
        rows = {"train": len(train), "validation": len(validation), "test": 0}
        TOKENS.write(folder, tokens_info(labels=["n", "y"], vocab_size=40, rows=rows))
    return open_artifact(path)


def train(path: Path, rows: dict[str, Row], held: dict[str, Row], start: Any, rate: float) -> Any:
    """The weights after fine-tuning."""
    from bertworks.models.model import get_weights
    from bertworks.training.objectives.finetuning import finetune

    made = tokens(path, rows, held)
    handler = for_task(Task(max_length=16), ["n", "y"])
    settings = Finetune(
        epochs=10, patience=10, learning_rate=rate, batch_size=16, precision="float32", dropout=0.0
    )
    return get_weights(finetune(made, handler, (CONFIG, start), settings)[0])


def accuracy(path: Path, weights: Any, rows: dict[str, Row]) -> float:
    from bertworks.models.model import build
    from bertworks.training.objectives.labelled import Predictor
    from bertworks.training.rows import read_rows

    made = tokens(path, rows, {})
    handler = for_task(Task(max_length=16), ["n", "y"])
    found = read_rows(made / "train", "label")
    logits = Predictor(build(CONFIG, handler.head(), weights)).logits(found)
    return float((np.argmax(logits, axis=1) == found.targets).mean())


def test_rehearsal_keeps_what_the_champion_knew(tmp_path: Path) -> None:
    old, new = make_rows(240, False, 1), make_rows(120, True, 2)
    old_test, new_test = make_rows(80, False, 3), make_rows(80, True, 4)
    fresh = initialize(encoder_shapes(CONFIG), seed=1)
    champion = train(tmp_path / "champion", old, make_rows(40, False, 5), fresh, 2e-3)
    assert accuracy(tmp_path / "a", champion, old_test) > 0.95
    assert accuracy(tmp_path / "b", champion, new_test) < 0.2

    known = {one: Key("train", b"", (str(label),)) for one, (_, label) in old.items()}
    current = {one: Key("train", b"", (str(label),)) for one, (_, label) in new.items()}
    scores = {}
    for share in (0.0, 1.0):
        plan = make_plan(current, known, rehearsal=share, seed="s", min_label_rows=1)
        rows = {one: old[one] for one in plan.rehearsed} if share else {}
        assert len(rows) == round(share * len(new))
        held = make_rows(40, True, 7) | (make_rows(40, False, 6) if share else {})
        weights = train(tmp_path / f"train{share}", {**rows, **new}, held, champion, 2e-3)
        scores[share] = (
            accuracy(tmp_path / f"old{share}", weights, old_test),
            accuracy(tmp_path / f"new{share}", weights, new_test),
        )
    assert scores[0.0][0] < 0.7  # Without rehearsal the old is forgotten,
    assert min(scores[1.0]) > 0.9  # with it, the old is kept and the new is learned.
