"""Trainer: fine-tuning (and before it, when asked for, pretraining) by the DAG's own steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bertworks.spec import Task
from components.launch import run_step
from components.transform.shards import CORPUS
from pipelines.tfx.steps.tokens import write_tokens


def run_fn(fn_args: Any) -> None:
    """What TFX's Trainer calls: writes the tokens artifact, then runs the finetune step on it.

    The model goes to the serving folder as the artifact that docs/artifacts.md describes: in Hugging
    Face layout, with agent.json and a manifest.
    """
    files = {"train": fn_args.train_files, "validation": fn_args.eval_files}
    tokens = _tokens(fn_args, files)
    run_step(
        "finetune",
        fn_args.custom_config["section"],
        {"tokens": tokens, "initial": Path(fn_args.base_model)},
        {"model": Path(fn_args.serving_model_dir)},
    )


def pretrain_fn(fn_args: Any) -> None:
    """The same for the pretrain step, whose examples are the texts of the corpus."""
    tokens = _tokens(fn_args, {CORPUS: fn_args.train_files})
    run_step(
        "pretrain",
        fn_args.custom_config["section"],
        {"tokens": tokens, "base": Path(fn_args.base_model)},
        {"model": Path(fn_args.serving_model_dir)},
    )


def _tokens(fn_args: Any, files: dict[str, list[str]]) -> Path:
    task = json.loads(fn_args.custom_config["section"])["settings"]["task"]
    tokens = Path(fn_args.model_run_dir) / "tokens"
    write_tokens(
        tokens,
        Task.model_validate(task),
        Path(fn_args.transform_output),
        Path(fn_args.base_model),
        files,
        fn_args.custom_config["clean"],
    )
    return tokens
