"""Pretrain: masked-language-model training on the corpus."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from bertworks import artifacts
from bertworks.encoder.weights import save_folder
from bertworks.history import TIMINGS, write_history
from bertworks.spec import Pretrain
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.checkpoints import Checkpoints
from bertworks.training.initial import load_initial

SAVES_MEMORY = f"{Pretrain.place}.batch_size"  # the setting, when it does not fit


def run(section: dict[str, Any], *, tokens: Path, base: Path, model: Path) -> dict[str, Any]:
    """Writes a model artifact with a masked-language-model head.

    Args:
        section: `task`, `pretrain` and `base` of the spec.
        tokens: tokens artifact; its corpus is trained on.
        base: base artifact; a scratch one starts from random weights.
        model: Where the model artifact goes.

    Returns:
        Masked accuracy and pseudo-perplexity on held-out text, before and after, and the rate; a notice
        where it taught nothing.
    """
    from bertworks.encoder.model import get_weights
    from bertworks.training.finetuning import agent_json
    from bertworks.training.mlm import pretrain

    settings = Pretrain.model_validate(section["pretrain"])
    parents = {
        "tokens": artifacts.open_artifact(tokens, "tokens"),
        "base": artifacts.open_artifact(base, "base"),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    config, weights = load_initial(parents["base"], parents["tokens"])
    checkpoints = Checkpoints.for_run({"step": "pretrain", **section}, digests)
    with checkpoints or contextlib.nullcontext():
        trained, state, measures, notices = pretrain(
            parents["tokens"], (config, weights), settings, checkpoints
        )
        uri = str(parents["base"].metadata.get("uri", ""))
        metadata = {"uri": uri, **measures}
        with artifacts.write(
            model, kind="model", producer="pretrain", parents=parents, metadata=metadata,
            measured=(TIMINGS,),
        ) as folder:  # fmt: skip
            # What the base has beside the encoder (its pooler) goes on to fine-tuning unchanged.
            kept = {name: array for name, array in weights.items() if name.startswith("bert.")}
            save_folder(folder, config, {**kept, **get_weights(trained)}, trained.head)
            Tokenizer.load(parents["tokens"].path).save(folder)
            artifacts.write_json(folder / "agent.json", agent_json(parents["tokens"], uri, digests))
            write_history(folder, state.history())
        if checkpoints:
            checkpoints.remove()
    rate = {"tokens_per_second": round(state.tokens_per_second, 1)}
    return {
        "metrics": {**measures, **rate},
        "html": None,
        "confusion": None,
        "notices": [notice.to_json() for notice in notices],
    }
