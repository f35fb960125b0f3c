"""Pretrain: masked-language-model training on the corpus."""

from __future__ import annotations

import contextlib
from pathlib import Path

from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.tokens import TOKENS
from bertworks.models.weights import save_folder
from bertworks.spec import Base, Pretrain, Task
from bertworks.storage import artifacts
from bertworks.storage.checkpoints import Checkpoints
from bertworks.storage.history import TIMINGS, write_history
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.initial import load_initial
from components.contract import StepResult, StepSection

SAVES_MEMORY = f"{Pretrain.place}.batch_size"  # the setting, when it does not fit


class Section(StepSection):
    """The spec's `task`, `pretrain` and `base`."""

    task: Task
    pretrain: Pretrain
    base: Base


def run(section: Section, *, tokens: Path, base: Path, model: Path) -> StepResult:
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
    from bertworks.models.model import get_weights
    from bertworks.training.objectives.mlm import pretrain

    settings = section.pretrain
    parents = {
        "tokens": artifacts.open_artifact(tokens, "tokens"),
        "base": artifacts.open_artifact(base, "base"),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    config, weights = load_initial(parents["base"], parents["tokens"])
    checkpoints = Checkpoints.for_run(
        {"step": "pretrain", **section.model_dump(mode="json")}, digests
    )
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
            known = TOKENS.read(parents["tokens"])
            AGENT.write(folder, AgentRecord.of(known, uri, digests))
            write_history(folder, state.points, state.timings)
        if checkpoints:
            checkpoints.remove()
    rate = {"tokens_per_second": round(state.tokens_per_second, 1)}
    return StepResult({**measures, **rate}, notices=notices)
