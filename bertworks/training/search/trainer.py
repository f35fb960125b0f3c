"""Trains the trials of a search in one process: rows, encoder and compiled kernels are shared."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from bertworks.contracts.files import File, to_json
from bertworks.contracts.tuned import Chosen
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, get_weights, set_weights_from
from bertworks.spec import Finetune
from bertworks.storage import temporary
from bertworks.storage.checkpoints import Checkpoints
from bertworks.training.loop import State
from bertworks.training.objectives.finetuning import (
    Judge,
    finetune_on,
    model_for,
    selection_for,
)
from bertworks.training.search.soup import Soup, greedy
from bertworks.training.search.starts import Starts


@dataclass(frozen=True)
class Kept:
    """A trial's model that is kept.

    Attributes:
        number: Of the trial.
        value: Its value on validation.
        file: Where its weights are, in the search's place.
        state: Where its training ended.
        settings: What it had.
    """

    number: int
    value: float
    file: str
    state: State
    settings: Chosen = field(default_factory=Chosen)


def _start(one: Kept) -> tuple[object, ...]:
    """Models of the same start have weights of the same shapes, and lie in the same basin."""
    return one.settings.base, one.settings.layers, one.settings.max_length


@dataclass(frozen=True)
class KeptModels:
    """The best trials' models, the best first."""

    kept: list[Kept] = field(default_factory=list)


# A search's place is of this very version, see `Checkpoints.for_run`.
KEPT: File[KeptModels] = File("kept", KeptModels, fix="Delete it; the search begins anew.")


class ModelTrainer:
    """Trains trials, each with checkpoints of its own, and keeps the best ones' models in a place.

    Args:
        starts: What they are trained from.
        place: Where the search is kept, already entered.
        identity: Tells this search's trials from those of others.
        inputs: The inputs' digests.
        most: Models to keep.
        metric: What trials are compared by.

    Attributes:
        kept: The best trials' models, the best first; none where a file of them was lost.
        error: Of the latest trial's value, see `Trial`.
    """

    def __init__(
        self,
        starts: Starts,
        place: Checkpoints,
        identity: Mapping[str, object],
        inputs: Mapping[str, str],
        most: int,
        metric: str,
    ) -> None:
        self.starts, self.place, self.most, self.metric = starts, place, most, metric
        self._identity, self._inputs = identity, inputs
        self._last: tuple[BertModel, State] | None = None
        self._checkpoints: Checkpoints | None = None
        self.kept: list[Kept] = []
        self.error: float | None = None
        if found := place.load():
            kept = KEPT.of(dict(found[0]), "the search's best models").kept
            there = all(not one.file or (place.folder / one.file).is_file() for one in kept)
            self.kept = kept if there else []

    def train(
        self, chosen: Chosen, settings: Finetune, judge: Judge, over: Callable[[], bool], name: str
    ) -> State:
        """One trial."""
        section = self.section_of(chosen, settings)
        self._checkpoints = Checkpoints.for_run(section, self._inputs)
        self._last = None
        gc.collect()  # a model's graphs refer to each other
        with self._checkpoints or contextlib.nullcontext():
            self._last = finetune_on(
                self.starts.material(chosen),
                settings,
                self._checkpoints,
                judge=judge,
                over=over,
                name=name,
            )
            if self._checkpoints:
                self._checkpoints.flush()
        return self._last[1]

    def section_of(self, chosen: Chosen, settings: Finetune) -> dict[str, object]:
        """What tells a trial's checkpoints from those of others."""
        start = [chosen.base, chosen.layers, chosen.max_length]
        return {**self._identity, "finetune": settings.model_dump(mode="json"), "start": start}

    def offer(self, number: int, chosen: Chosen, value: float) -> None:
        """Keeps the model of the trial that has just ended, where it is among the best.

        Its weights are written first, then what names them.
        """
        assert self._last is not None
        handler = self.starts.own.handler
        others = [one for one in self.kept if one.number != number]
        place = sum(not handler.is_better(self.metric, value, one.value) for one in others)
        if place >= self.most:
            return
        model, state = self._last
        file = f"trial-{number}.safetensors"
        self.place.save_best(file, get_weights(model))
        ranked = [*others[:place], Kept(number, value, file, state, chosen), *others[place:]]
        self.kept = ranked[: self.most]
        self._write()
        for left in ranked[self.most :]:
            (self.place.folder / left.file).unlink(missing_ok=True)

    def close(self) -> None:
        """Keeps the study's present state with the models, and removes the trial's checkpoints."""
        self._write()
        if self._checkpoints:
            self._checkpoints.remove()
        self._checkpoints = None

    def winner(self, settings: Finetune, soup: int) -> tuple[Soup, State]:
        """The best trial's weights, or their mean with other trials' where that is better.

        Args:
            settings: That the best trial had.
            soup: Trials that may be averaged.
        """
        best = self.kept[0]
        material = self.starts.material(best.settings)
        model = model_for(material, settings)
        selection = selection_for(model, material, settings)

        def measure(weights: Weights) -> float:
            set_weights_from(model, weights)
            return selection.evaluate()

        alike = [one for one in self.kept if _start(one) == _start(best)][:soup]
        ingredients = ((one.number, self.place.weights(one.file)) for one in alike)
        return greedy(ingredients, best.value, measure, selection.is_better), best.state

    def others(self, besides: Collection[int], count: int) -> Iterator[tuple[Kept, Weights]]:
        """The best models that are not in the winner's mean, at most so many, and their weights."""
        rest = [one for one in self.kept if one.number not in besides]
        for one in rest[:count]:
            yield one, self.place.weights(one.file)

    def _write(self) -> None:
        # In a bucket it is this that copies the folder, with the study's file.
        self.place.save(to_json(KeptModels(self.kept)), {})
        self.place.flush()


@contextlib.contextmanager
def place_for(section: Mapping[str, object], inputs: Mapping[str, str]) -> Iterator[Checkpoints]:
    """Where a search is kept: among the checkpoints, or in a temporary folder where there are none."""
    kept = Checkpoints.for_run(section, inputs)
    if kept is not None:
        with kept:
            yield kept
        return
    with temporary.scratch() as folder, Checkpoints(folder) as passing:
        yield passing
