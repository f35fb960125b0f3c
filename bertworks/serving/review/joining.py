"""The review joins a server: each model's answers are looked at by the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertworks.errors import SpecError
from bertworks.serving.assembly import Serving
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import ServedModel
from bertworks.serving.review.reviewer import Reviewer
from bertworks.serving.review.second import SecondOpinion
from bertworks.spec.review import Review, SecondAgent

NAME = "review"
"""The second agent's name in the meters."""


def join(serving: Serving, settings: Review) -> None:
    """Has the answers of all models looked at, where there is a rule.

    Args:
        serving: The server, with its models.
        settings: The rules.

    Raises:
        ArtifactError: The second agent's bundle is missing or damaged.
        SpecError: The second agent is of another task, or lacks a label that a rule names.
    """
    if not (settings.decides or settings.mask_answers):
        return
    _check_labels(serving, settings)
    second = _second(serving, settings.agent) if settings.agent else None

    def prepare(model: ServedModel) -> None:
        two_texts = model.champion.agent.form.two_texts
        model.reviewer = Reviewer(settings, model.name, second, two_texts=two_texts)

    serving.models.prepare(prepare)


def _check_labels(serving: Serving, settings: Review) -> None:
    """A rule for a label that no model gives would never hold anything, and nobody would notice."""
    known: set[str] = set()
    for model in serving.models:
        labels, target = model.champion.agent.labels, model.champion.agent.handler.target
        known |= {*labels, *target.choices(labels), *target.kinds(labels)}  # B-PER gives PER
    unknown = sorted({*settings.hold_labels, *settings.flag_labels} - known)
    if unknown:
        raise SpecError(
            f"serve.review names labels that no model here gives: {', '.join(unknown)}.",
            f"Write them as the agent has them: {', '.join(sorted(known - {''})) or 'it has none'}.",
        )


def _second(serving: Serving, settings: SecondAgent) -> SecondOpinion:
    bundle = LoadedBundle.load(Path(settings.bundle), serving.models.batcher, NAME)
    kind = bundle.agent.task.kind.name
    if bundle.agent.task.kind.type != "classification" or bundle.agent.form.two_texts:
        raise SpecError(
            f"serve.review.agent must be a classification of one text. {settings.bundle} is {kind}.",
            "Name the bundle of another agent, or leave serve.review.agent out.",
        )

    async def ask(texts: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        return await bundle.work(texts).future

    return SecondOpinion(settings, ask, bundle.agent.labels)
