"""Training a student with its teacher for a given time: the same for every kind of student."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.pruning_agents import Agent
from benchmarks.pruning_students import Student
from bertworks.compression.pruning.shrink import Model
from bertworks.models.model import BertModel, build, get_weights
from bertworks.spec import Prune
from bertworks.training import precision
from bertworks.training.feed import ahead
from bertworks.training.objectives.distillation import Answers, TaughtFeed, answers, objective
from bertworks.training.objectives.labelled import LabelledFeed, Predictor
from bertworks.training.optimizer import AdamW, groups_of
from bertworks.training.schedule import learning_rate
from bertworks.training.stepper import Stepper

# The schedule is a function of the share of the time that is gone, in so many steps.
SCHEDULE_STEPS = 10_000
NO_END = 10**9


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes:
        model: Sizes and weights.
        metrics: On the held-out rows; the default metric first.
        agreement: Share of the held-out answers (rows, or words' tags) that are the teacher's.
        seconds: Time of the optimizer steps, the first (in which the graph is made) not counted.
        epochs: Passes over the training rows.
    """

    model: Model
    metrics: dict[str, float]
    agreement: float
    seconds: float
    epochs: float


class Classroom:
    """A teacher whose answers are computed once for all its students."""

    def __init__(self, agent: Agent, settings: Prune) -> None:
        self.agent, self.settings = agent, settings
        self.pad = agent.info.special.pad
        self.precision = precision.resolve(settings.precision)
        self.teacher = self._build(agent.full)
        self.told = answers(self.teacher, agent.train, self.pad)
        self.known = self._logits(self.teacher)
        self.metrics = agent.held_out_metrics(self.known)

    def train(self, student: Student, seconds: float) -> Trained:
        """Trains a student for some seconds and scores it on the held-out rows."""
        model = self._build(student.model)
        taken, steps, per_epoch = (
            self._run(model, student.taught, seconds) if seconds else (0, 0, 1)
        )
        logits = self._logits(model)
        return Trained(
            Model(student.model.config, get_weights(model)),
            self.agent.held_out_metrics(logits),
            self._agreement(logits),
            taken,
            steps / per_epoch,
        )

    def _run(
        self, model: BertModel, taught: tuple[int, ...], seconds: float
    ) -> tuple[float, int, int]:
        """Time taken, steps done, and steps of an epoch."""
        settings, agent = self.settings, self.agent
        rows = LabelledFeed(
            agent.train, agent.handler.task, settings.batch_size, settings.seed, self.pad
        )
        told = Answers(self.told.logits, [hidden[:, taught] for hidden in self.told.hidden])
        feed = TaughtFeed(rows, told)
        optimizer = AdamW(groups_of(model), settings.weight_decay, settings.clip_norm)
        loss = objective(agent.handler.task, settings, None)
        stepper = Stepper(model, optimizer, loss, settings.seed)
        began, steps = time.monotonic(), 0
        for batches in ahead(feed, 0, NO_END, settings.accumulate):
            share = (time.monotonic() - began) / seconds if steps else 0.0
            if share >= 1:
                break
            place = int(share * SCHEDULE_STEPS)
            stepper.step(batches, steps, learning_rate(place, SCHEDULE_STEPS, settings))
            steps += 1
            if steps == 1:  # in it the graph was made
                began = time.monotonic()
        return time.monotonic() - began, steps, len(feed.steps(0))

    def _build(self, model: Model) -> BertModel:
        return build(
            model.config, self.agent.handler.head(), model.weights, precision=self.precision
        )

    def _logits(self, model: BertModel) -> list[list[np.ndarray]]:
        predictor = Predictor(model)
        return [predictor.logits(rows, self.pad) for rows in self.agent.held_out]

    def _agreement(self, logits: list[list[np.ndarray]]) -> float:
        same = [
            np.argmax(one, -1) == np.argmax(other, -1)
            for mine, known in zip(logits, self.known, strict=True)
            for one, other in zip(mine, known, strict=True)
        ]
        return float(np.mean(np.concatenate([np.atleast_1d(part) for part in same])))
