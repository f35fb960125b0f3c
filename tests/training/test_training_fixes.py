"""Advice of the training steps is taken (`tests/fixes`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_tokens import CLASSIFICATION, CONFIG, make_base, make_tokens

from bertworks.models.weights import check_finite, load_folder
from tests.fixes.taking import Bench, bench, change, taken
from tests.helpers.records import tokens_info

__all__ = ["bench"]


def test_texts_longer_than_the_encoder_reads(bench: Bench) -> None:
    from bertworks.training.objectives.finetuning import config_for

    def attempt(*changes: str) -> None:
        spec = bench.spec("task.max_length=64", *changes).spec
        info = tokens_info(vocab_size=18, max_length=spec.task.max_length)
        config_for(CONFIG, info, spec.finetune)

    taken("bertworks/training/objectives/finetuning.py", "Lower task.max_length.", attempt,
          change("task.max_length", CONFIG.max_positions))  # fmt: skip


def test_sequences_longer_than_the_encoder_reads(bench: Bench, tmp_path: Path) -> None:
    from bertworks.training.objectives.mlm import _check_positions

    def attempt(*changes: str) -> None:
        _check_positions(bench.spec(*changes).spec.pretrain, CONFIG)

    taken("bertworks/training/objectives/mlm.py", "Lower pretrain.sequence_length.", attempt,
          change("pretrain.sequence_length", 16))  # fmt: skip


def test_training_that_diverges(bench: Bench, tmp_path: Path) -> None:
    """A rate that is too high ends a real run; the lower one, and warming up, make sound weights."""
    from tests.helpers.steps import finetune as run

    tokens = make_tokens(tmp_path / "tokens", rows=(32, 8, 8))
    base = make_base(tmp_path / "base")
    bench.content["finetune"] = {
        "learning_rate": 1e38, "warmup": 0.0, "epochs": 2, "batch_size": 16, "precision": "float32",
    }  # fmt: skip

    def attempt(*changes: str) -> Path:
        section = bench.section("finetune", *changes)
        section["task"] = CLASSIFICATION
        model = tmp_path / f"model{len(changes)}"
        run(section, tokens=tokens, initial=base, model=model)
        return model

    def by(fix: str) -> tuple[str, ...]:
        lower = change("finetune.learning_rate", 0.001)(fix)
        return (*lower, *change("finetune.warmup", 0.5)(fix))

    model = taken("bertworks/training/loop.py", "Lower ", attempt, by)

    def checked(folder: Path | None = None) -> None:
        weights = load_folder(folder)[1] if folder else {"w": np.array([np.nan])}
        check_finite(weights, "model")

    def lowered(fix: str) -> tuple[Path]:
        assert change("finetune.learning_rate", 0.001)(fix)
        return (model,)

    taken("bertworks/models/weights.py", "lower finetune.learning_rate", checked, lowered)
