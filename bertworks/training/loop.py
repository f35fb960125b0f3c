"""The training loop: steps, evaluation, early stopping, checkpoints.

A TensorFlow graph serves every batch size and length: sizes are left open, so nothing is traced anew.
Shapes that come back often have a second graph, whose kernels are compiled (see `stepper`). Everything
random is keyed by (seed, step), so a run that is killed and resumed ends with the same bytes as one that
was not disturbed.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from bertworks import progress
from bertworks.contracts.files import File, to_json
from bertworks.contracts.history import Point, Timings
from bertworks.errors import Diverged
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, get_weights, set_weights_from, slots
from bertworks.spec import Optimizer
from bertworks.storage.checkpoints import Checkpoints
from bertworks.training.averaging import Average
from bertworks.training.feed import Feed, MicroBatch, ahead
from bertworks.training.interruption import Interruption
from bertworks.training.optimizer import AdamW, groups_of
from bertworks.training.schedule import learning_rate
from bertworks.training.stepper import Objective, Stepper, frequent_shapes

LOSS_POINTS = 100
LATEST_STEPS = 50  # by which the time of an epoch is told
OVER = "minutes"
"""Why a training ended whose time was over."""


@dataclass(frozen=True)
class Selection:
    """How the best epoch is picked.

    Attributes:
        name: The validation metric's name.
        evaluate: Measures the model as it is.
        is_better: Whether a value is better than the best before it (None: there was none).
        patience: Stop after so many epochs without a better one.
        minutes: As many epochs as fit into so many minutes of training steps; None: all. It is the one
            thing here that hangs on the clock.
        judge: Asked after each epoch; gives why to stop, or "" to go on, and may shorten what is left
            (`State.end_after`). None: nobody is asked.
        over: Whether time is over, asked after each step: the training then ends with the best of its
            epochs so far, and within the first one with what it has.
        by_chance: By how much a value may differ by chance, by the value. The last epoch, in which the
            learning rate comes down to nothing, is taken unless an earlier one was better by more (the 1
            SE rule of Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3, which
            takes the simplest of what is as good; here it is what has learned to the end).
    """

    name: str
    evaluate: Callable[[], float]
    is_better: Callable[[float, float | None], bool]
    patience: int
    minutes: float | None = None
    judge: Callable[[State], str] | None = None
    over: Callable[[], bool] | None = None
    by_chance: Callable[[float], float] = lambda value: 0.0


@dataclass
class State:
    """Where a run stands: all that a checkpoint keeps beside the arrays.

    Attributes:
        step: Optimizer steps done.
        best, best_epoch, best_file: Of the epoch that is taken: the metric, the epoch (from 1), its
            weights' file.
        highest: The best metric of any epoch, which that may be below by chance.
        best_averaged: Whether the best weights are a mean of the latest ones, see `averaging`.
        points: history.json's points.
        seconds: Spent in training steps.
        tokens: Real tokens seen.
        window: Sum and number of the losses since the last loss point.
        stopped: Why it ended before the last step: "patience", "minutes" or what the judge said; empty:
            it did not.
        epoch_seconds: What an epoch takes with its validation, by the median of its latest steps: the
            first ones compile.
        epochs: After which it ends where fewer than planned fit, see `end_after`; 0: as planned.
    """

    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_file: str | None = None
    best_averaged: bool = False
    highest: float | None = None
    points: list[Point] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    window: tuple[float, int] = (0.0, 0)
    stopped: str = ""
    epoch_seconds: float = 0.0
    epochs: int = 0

    def end_after(self, epochs: int) -> None:
        """Has the training end after fewer epochs than planned: its learning rate decays by then.

        What is cut off ends at a high rate instead, and is the worse for it.
        """
        self.epochs = epochs

    def fit(self, done: int, more: float, planned: int) -> str:
        """Has the training end after as many epochs as fit.

        Args:
            done: Epochs so far.
            more: That still fit.
            planned: Of the whole training.

        Returns:
            Why it ends now, or "".
        """
        if done + more >= (self.epochs or planned):
            return ""
        if more < 1:
            return OVER
        self.end_after(done + int(more))
        return ""

    @property
    def tokens_per_second(self) -> float:
        """Real tokens per second of training, evaluation and start-up not counted."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def timings(self) -> Timings:
        """What timings.json holds."""
        return Timings(round(self.seconds, 3), round(self.tokens_per_second, 1))


# A checkpoint's is of this very version (see `Checkpoints.for_run`): nothing is migrated.
STATE: File[State] = File("state", State, fix="Delete the checkpoint; training begins anew.")


def train(
    model: BertModel,
    feed: Feed,
    objective: Objective,
    settings: Optimizer,
    *,
    total: int,
    layer_decay: float = 1.0,
    selection: Selection | None = None,
    checkpoints: Checkpoints | None = None,
    name: str = "training",
    drops: bool = True,
) -> State:
    """Trains a model in place; with a selection it ends with the best epoch's weights.

    Each epoch offers two: the weights as they are, and the mean of the latest ones.

    Args:
        model: Built inside the strategy's scope, where there are several GPUs.
        feed: Where batches come from.
        objective: (model, batch, seed) -> sum of the losses.
        settings: Optimizer settings.
        total: Optimizer steps.
        layer_decay: Learning-rate factor from each layer to the one below.
        selection: Validation after each epoch, and early stopping; None trains to the end.
        checkpoints: Where to resume from and to save to, already entered; None saves nothing.
        name: What progress calls it.
        drops: Whether the objective drops units out: compiled kernels pay by that alone (two cores of an
            EPYC, a student of 8 layers: 0.227 s a step with and without them, 21 s to compile).

    Raises:
        Diverged: The loss is not finite.
    """
    run = _Run(model, feed, objective, settings, total, layer_decay, selection, checkpoints, drops)
    run.resume()
    with progress.stage(name, total=total, unit="steps", start=run.state.step) as stage:
        run.work(stage)
    run.restore_best()
    return run.state


class _Run:
    """One training run."""

    def __init__(
        self,
        model: BertModel,
        feed: Feed,
        objective: Objective,
        settings: Optimizer,
        total: int,
        layer_decay: float,
        selection: Selection | None,
        checkpoints: Checkpoints | None,
        drops: bool,
    ) -> None:
        self.model, self.feed, self.settings, self.total = model, feed, settings, total
        self.selection, self.checkpoints = selection, checkpoints
        self.optimizer = AdamW(
            groups_of(model, layer_decay), settings.weight_decay, settings.clip_norm
        )
        frequent = frequent_shapes(feed, total, settings.accumulate) if drops else frozenset()
        self.stepper = Stepper(model, self.optimizer, objective, settings.seed, frequent)
        self.per_epoch = len(feed.steps(0))
        self.state = State()
        self.best_weights: Weights | None = None
        self._latest: deque[float] = deque(maxlen=LATEST_STEPS)
        self.average = Average(self._weights(), total) if selection else None

    def work(self, stage: progress.Stage) -> None:
        """Steps until the end, or until patience runs out."""
        if self.state.stopped or self.state.step >= self.end:
            return
        with Interruption(hold=self.checkpoints is not None) as interruption:
            self._steps(stage, interruption)

    def _steps(self, stage: progress.Stage, interruption: Interruption) -> None:
        parts = self.settings.accumulate * self.stepper.replicas
        for batches in ahead(self.feed, self.state.step, self.total, parts):
            began = time.monotonic()
            rate = learning_rate(self.state.step, self.end, self.settings)
            loss = self.stepper.step(batches, self.state.step, rate)
            self._count(batches, loss, time.monotonic() - began)
            if self.average:
                self.average.look(self.state.step)
            stage.advance(1, note=f"loss {loss:.3f}")
            at_epoch_end = self.state.step % self.per_epoch == 0
            if at_epoch_end:
                self._end_epoch(stage)
                stage.total = self.end
            elif self.selection and self.selection.over and self.selection.over():
                self._cut_short(stage, self.selection)
                at_epoch_end = True
            if at_epoch_end or self._due() or interruption.asked:
                self._save()
            if interruption.asked and self.checkpoints:
                self.checkpoints.flush()
                interruption.obey()
            if self.state.stopped or self.state.step >= self.end:
                return

    @property
    def end(self) -> int:
        """The step that it ends with."""
        epochs = self.state.epochs
        return min(self.total, epochs * self.per_epoch) if epochs else self.total

    def resume(self) -> None:
        """Takes up the last checkpoint, where there is one."""
        found = self.checkpoints.load() if self.checkpoints else None
        if found is None:
            return
        state, arrays, self.best_weights = found
        self.state = STATE.of(state, "the checkpoint's state")
        for key, variable in self._variables().items():
            variable.assign(arrays[key])
        if self.average:
            self.average.restore(arrays)

    def restore_best(self) -> None:
        """Puts the best epoch's weights back."""
        if self.best_weights is not None:
            set_weights_from(self.model, self.best_weights)

    def _count(self, batches: list[MicroBatch], loss: float, seconds: float) -> None:
        state = self.state
        if not math.isfinite(loss):
            raise Diverged(
                f"Training diverged: the loss at step {state.step + 1} is {loss}.",
                f"Lower {self.settings.place}.learning_rate, or raise {self.settings.place}.warmup.",
            )
        state.step += 1
        state.seconds += seconds
        self._latest.append(seconds)
        state.tokens += sum(batch.tokens for batch in batches)
        state.window = (state.window[0] + loss, state.window[1] + 1)
        if state.step % max(1, self.total // LOSS_POINTS) == 0 or state.step == self.total:
            self._point("train", "loss", state.window[0] / state.window[1])
            state.window = (0.0, 0)

    def _end_epoch(self, stage: progress.Stage) -> None:
        if self.selection is None:
            return
        state, began = self.state, time.monotonic()
        self._offer(stage, averaged=False)
        if self.average and self.average.known:
            with self.average.in_place():
                self._offer(stage, averaged=True)
        asking = time.monotonic() - began
        state.epoch_seconds = self.per_epoch * float(np.median(self._latest)) + asking
        state.stopped = self._reason_to_stop(self.selection)

    def _cut_short(self, stage: progress.Stage, selection: Selection) -> None:
        """Ends within an epoch: the last rung counts, and where there is none yet, what was learned."""
        if self.state.best is None:
            self._offer(stage, averaged=False)
        self.state.stopped = OVER

    def _reason_to_stop(self, selection: Selection) -> str:
        done = self._epoch()
        judged = selection.judge(self.state) if selection.judge else ""
        if done - self.state.best_epoch >= selection.patience:
            return "patience"
        if judged or selection.minutes is None or self.state.step >= self.end:
            return judged if self.state.step < self.end else ""
        # By the latest steps: the first ones compile.
        epoch = self.per_epoch * float(np.median(self._latest))
        more = max(0.0, 60 * selection.minutes - self.state.seconds) // epoch
        return self.state.fit(done, more, -(-self.end // self.per_epoch))

    def _offer(self, stage: progress.Stage, *, averaged: bool) -> None:
        """Measures the weights that the model has now, and keeps them where they are to be taken."""
        assert self.selection is not None
        state, selection = self.state, self.selection
        value = selection.evaluate()
        split = "validation, averaged" if averaged else "validation"
        self._point(split, selection.name, value)
        stage.advance(0, note=f"validation {selection.name} {value:.4f}")
        if selection.is_better(value, state.highest):
            state.highest = value
        if self._takes(value, selection):
            state.best, state.best_epoch, state.best_averaged = value, self._epoch(), averaged
            self.best_weights = get_weights(self.model)
            if self.checkpoints:
                mark = "-averaged" if averaged else ""
                state.best_file = f"best-{self._epoch()}{mark}.safetensors"
                self.checkpoints.save_best(state.best_file, self.best_weights)

    def _takes(self, value: float, selection: Selection) -> bool:
        """Whether weights are taken instead of those that were so far."""
        state = self.state
        if state.best is None or selection.is_better(value, state.best):
            return True
        last = state.step >= self.end and state.best_epoch < self._epoch()
        return last and selection.is_better(value, state.best - selection.by_chance(state.best))

    def _epoch(self) -> int:
        return self.state.step // self.per_epoch

    def _point(self, split: str, name: str, value: float) -> None:
        epoch = round(self.state.step / self.per_epoch, 4)
        self.state.points.append(Point(self.state.step, epoch, split, name, float(value)))

    def _due(self) -> bool:
        steps = self.settings.checkpoint_steps
        return (
            self.checkpoints is not None
            and self.state.step % steps == 0
            and self.checkpoints.affordable()
        )

    def _save(self) -> None:
        if self.checkpoints:
            # Copies: the variables change in place while the checkpoint is being written.
            arrays = {key: np.array(value.numpy()) for key, value in self._variables().items()}
            arrays |= self.average.arrays() if self.average else {}
            self.checkpoints.save(to_json(self.state), arrays)

    def _variables(self) -> dict[str, tf.Variable]:
        weights = {f"weights/{name}": variable for name, variable in self._weights().items()}
        return weights | self.optimizer.state()

    def _weights(self) -> dict[str, tf.Variable]:
        return {slot.names[0]: slot.variable.value for slot in slots(self.model)}
