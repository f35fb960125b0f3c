"""Trains the trials of a search in one process: rows, encoder and compiled kernels are shared."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping

from bertworks.contracts.files import to_json
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, get_weights
from bertworks.spec import Finetune
from bertworks.storage import temporary
from bertworks.storage.checkpoints import Checkpoints
from bertworks.training.loop import STATE, State
from bertworks.training.objectives.finetuning import Judge, Material, finetune_on


class ModelTrainer:
    """Trains trials, each with checkpoints of its own, and keeps the best one's model in a place.

    Args:
        material: What all of them are trained on.
        place: Where the search is kept, already entered.
        identity: Tells this search's trials from those of others.
        inputs: The inputs' digests.
    """

    def __init__(
        self,
        material: Material,
        place: Checkpoints,
        identity: Mapping[str, object],
        inputs: Mapping[str, str],
    ) -> None:
        self.material, self.place = material, place
        self._identity, self._inputs = identity, inputs
        self._last: tuple[BertModel, State] | None = None
        self._checkpoints: Checkpoints | None = None
        self._state: dict[str, object] = {}
        if found := place.load():
            self._state = dict(found[0])

    def train(self, settings: Finetune, judge: Judge, name: str) -> State:
        """One trial."""
        section = {**self._identity, "finetune": settings.model_dump(mode="json")}
        self._checkpoints = Checkpoints.for_run(section, self._inputs)
        self._last = None
        gc.collect()  # a model's graphs refer to each other
        with self._checkpoints or contextlib.nullcontext():
            self._last = finetune_on(
                self.material, settings, self._checkpoints, judge=judge, name=name
            )
            if self._checkpoints:
                self._checkpoints.flush()
        return self._last[1]

    def keep(self, number: int) -> None:
        """Keeps the model of the trial that has just ended: its weights first, then what names them."""
        assert self._last is not None
        model, state = self._last
        file = f"best-{number}.safetensors"
        self.place.save_best(file, get_weights(model))
        self._state = {
            "best_file": file,
            "winner": to_json(state),
        }
        self._write()

    def close(self) -> None:
        """Keeps the study's present state with the model, and removes the trial's checkpoints."""
        self._write()
        if self._checkpoints:
            self._checkpoints.remove()
        self._checkpoints = None

    def winner(self) -> tuple[Weights, State]:
        """The weights that were kept last, and where their training ended."""
        found = self.place.load()
        assert found is not None and found[2] is not None
        return found[2], STATE.of(found[0]["winner"], "the search's best trial")

    def _write(self) -> None:
        # In a bucket it is this that copies the folder, with the study's file.
        self.place.save(self._state, {})
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
