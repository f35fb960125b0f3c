"""Trials that are cross-validated: where rows are few, one split says little of a setting.

A trial trains one model a fold of the training rows, and its value is the mean over the folds; a fold
takes the place of an epoch as the rung at which trials are compared. The models of the folds are thrown
away: the best settings are fitted once more on all training rows, and the validation split picks the
epoch, as in every fine-tuning.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np

from bertworks.contracts.history import Point
from bertworks.contracts.tuned import Chosen
from bertworks.data.rows.enough import too_few_for
from bertworks.models.layout import Weights
from bertworks.models.model import get_weights
from bertworks.spec import Finetune
from bertworks.storage.checkpoints import Checkpoints
from bertworks.training.loop import OVER, State
from bertworks.training.objectives.finetuning import Judge, Material, finetune_on
from bertworks.training.rows import LabelledRows
from bertworks.training.search.soup import Soup
from bertworks.training.search.trainer import Kept, ModelTrainer


class FoldTrainer(ModelTrainer):
    """Trains trials on folds; the arguments are those of `ModelTrainer`, with three more.

    Attributes:
        folds: How many.
        seed: By which rows are dealt into folds.
        settings: The finetune section, whose other settings all trials have.
    """

    folds = 0
    seed = 0
    settings = Finetune()

    def train(
        self, chosen: Chosen, settings: Finetune, judge: Judge, over: Callable[[], bool], name: str
    ) -> State:
        """One trial: a model a fold. The state has a point a fold, the mean of those so far."""
        self._open: list[Checkpoints] = []
        material, trial = self.starts.material(chosen), State()
        values: list[float] = []
        self.error: float | None = None
        for number, part in enumerate(folded(material, self.folds, self.seed), start=1):
            part = self.starts.shared(part, chosen, number)
            state = self._fold(part, chosen, settings, over, f"{name}, fold {number}", number)
            assert state.best is not None
            values.append(state.best)
            trial.step += state.step
            trial.seconds += state.seconds
            trial.tokens += state.tokens
            mean = float(np.mean(values))
            trial.points.append(Point(trial.step, float(number), "validation", self.metric, mean))
            if len(values) > 1:
                self.error = float(np.std(values, ddof=1) / len(values) ** 0.5)
            if number < self.folds:
                trial.stopped = state.stopped if state.stopped == OVER else judge(trial)
                if trial.stopped:
                    break
            else:
                judge(trial)
        return trial

    def offer(self, number: int, chosen: Chosen, value: float) -> None:
        """Keeps the settings of the trial that has just ended, where they are among the best."""
        handler = self.starts.own.handler
        others = [one for one in self.kept if one.number != number]
        place = sum(not handler.is_better(self.metric, value, one.value) for one in others)
        ranked = [*others[:place], Kept(number, value, "", State(), chosen), *others[place:]]
        self.kept = ranked[: self.most]
        self._write()

    def close(self) -> None:
        """As `ModelTrainer.close`, of all folds."""
        super().close()
        for one in self._open:
            one.remove()
        self._open = []

    def winner(self, settings: Finetune, soup: int) -> tuple[Soup, State]:
        """The model of the best settings, fitted on all training rows; `soup` is not asked."""
        weights, state = self._fitted(self.kept[0])
        assert state.best is not None
        return Soup([self.kept[0].number], weights, state.best), state

    def others(self, besides: Collection[int], count: int) -> Iterator[tuple[Kept, Weights]]:
        """The models of the next best settings, fitted likewise."""
        rest = [one for one in self.kept if one.number not in besides]
        for one in rest[:count]:
            weights, state = self._fitted(one)
            yield replace(one, state=state), weights

    def _fitted(self, kept: Kept) -> tuple[Weights, State]:
        material = self.starts.material(kept.settings)
        settings = self.settings.model_copy(update=kept.settings.of_finetune())
        with self._kept_at(kept.settings, settings, 0) as checkpoints:
            name = f"fitting trial {kept.number} on all training rows"
            model, state = finetune_on(material, settings, checkpoints, name=name)
        return get_weights(model), state

    def _fold(
        self,
        material: Material,
        chosen: Chosen,
        settings: Finetune,
        over: Callable[[], bool],
        name: str,
        number: int,
    ) -> State:
        gc.collect()  # a model's graphs refer to each other
        with self._kept_at(chosen, settings, number) as checkpoints:
            _, state = finetune_on(material, settings, checkpoints, over=over, name=name)
            if checkpoints:
                checkpoints.flush()
        return state

    @contextlib.contextmanager
    def _kept_at(
        self, chosen: Chosen, settings: Finetune, fold: int
    ) -> Iterator[Checkpoints | None]:
        """Where a fold's training is kept until its trial is closed; a fold of 0 is all rows."""
        section = {**self.section_of(chosen, settings), "fold": fold}
        place = Checkpoints.for_run(section, self._inputs)
        if place is None:
            yield None
            return
        self._open.append(place)
        with place:
            yield place


def check_folds(material: Material, folds: int) -> None:
    """Refuses fewer training rows than folds.

    Raises:
        DataError: There are fewer.
    """
    if (count := _whole(material).asked) < folds:
        raise too_few_for(folds, count)


def _whole(material: Material) -> LabelledRows:
    """The training rows, each one text."""
    return material.train if material.train.texts is None else material.train.texts.rows


def folded(material: Material, folds: int, seed: int) -> Iterator[Material]:
    """The material with each fold of the training rows left out in turn, and validated on.

    Rows with one label each are dealt out label by label, so that every fold has its share of each
    (stratified; Kohavi, "A Study of Cross-Validation and Bootstrap", 1995).

    Args:
        material: Of which the validation rows are not used.
        folds: How many.
        seed: By which rows are dealt.
    """
    rows = _whole(material)
    order = np.random.default_rng(seed).permutation(rows.asked)
    targets = rows.targets
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu":
        order = order[np.argsort(targets[order], kind="stable")]
    fold_of = np.full(len(rows), -1)  # what rows are learned with is in every fold
    fold_of[order] = np.arange(rows.asked) % folds

    def part(which: np.ndarray) -> LabelledRows:
        chosen = np.flatnonzero(which | (fold_of < 0))
        return rows.take(chosen).windowed(material.info.max_length)

    for fold in range(folds):
        yield replace(material, train=part(fold_of != fold), validation=part(fold_of == fold))
