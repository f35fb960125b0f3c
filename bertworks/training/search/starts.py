"""What a search's trials start from: an encoder, some of its layers, how much is read at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from bertworks.contracts.tuned import OWN, Chosen
from bertworks.models.config import EncoderConfig
from bertworks.models.depth import first_layers
from bertworks.models.layout import Weights
from bertworks.models.weights import load_folder
from bertworks.training.objectives.finetuning import Material


class Starts:
    """Encoders and rows.

    Args:
        own: What trials are trained from where nothing else is chosen.
        others: Name to folder of encoders of the catalogue that read the same tokens.
    """

    def __init__(self, own: Material, others: Mapping[str, Path] | None = None) -> None:
        self.own, self._others = own, dict(others or {})
        self._last: tuple[Chosen, Material] | None = None
        self._classifiers: dict[tuple[Chosen, int], Weights] = {}
        self._layers = {OWN: own.initial[0].num_layers}

    @property
    def names(self) -> list[str]:
        """Of the encoders, the own one first."""
        return [OWN, *self._others]

    def share_of_longer(self, length: int) -> float:
        """The share of the training rows with more tokens; 0 of pairs, which are not read shorter."""
        rows = self.own.train
        if rows.type_ids is not None or not len(rows):
            return 0.0
        whole = rows if rows.texts is None else rows.texts.rows
        return float((whole.lengths > length).mean())

    def cost(self, chosen: Chosen) -> float:
        """What a step takes, by one of the own encoder: as many times as it has layers."""
        return self.layers(chosen) / max(1, self._layers[OWN])

    def layers(self, chosen: Chosen) -> int:
        """Layers of the chosen encoder."""
        name = chosen.base or OWN
        if name not in self._layers:
            self._layers[name] = self._config(name).num_layers
        own = self._layers[name]
        return own if chosen.layers is None else min(own, chosen.layers)

    def config(self, chosen: Chosen) -> EncoderConfig:
        """Sizes of the chosen encoder."""
        return first_layers((self._config(chosen.base or OWN), {}), self.layers(chosen))[0]

    def material(self, chosen: Chosen) -> Material:
        """What a trial is trained from; that of the latest trial is kept."""
        wanted = self._start(chosen)
        if self._last is None or self._last[0] != wanted:
            self._last = wanted, self.shared(self._made(wanted), wanted)
        return self._last[1]

    def shared(self, material: Material, chosen: Chosen, fold: int = 0) -> Material:
        """The material with what its new classifier begins with, where a trial had the same start.

        Args:
            material: Of the chosen start.
            chosen: Its start.
            fold: Which fold of the rows is left out, from 1; 0: none is.
        """
        kept = self._classifiers.setdefault((self._start(chosen), fold), {})
        return material.sharing(kept)

    def _start(self, chosen: Chosen) -> Chosen:
        """What of the chosen settings a trial starts from, in full; the others do not matter."""
        return Chosen(
            max_length=chosen.max_length, layers=self.layers(chosen), base=chosen.base or OWN
        )

    def _config(self, name: str) -> EncoderConfig:
        return self.own.initial[0] if name == OWN else load_folder(self._others[name])[0]

    def _made(self, wanted: Chosen) -> Material:
        own, name = self.own, wanted.base or OWN
        config, weights = own.initial if name == OWN else load_folder(self._others[name])[:2]
        made = dataclasses.replace(own, initial=first_layers((config, weights), wanted.layers or 0))
        length = wanted.max_length
        if length is None or length >= own.info.max_length:
            return made
        cut = own.handler.task.long_text == "cut"
        return dataclasses.replace(
            made,
            train=own.train.shortened(length, cut=cut),
            validation=own.validation.shortened(length, cut=cut),
            info=dataclasses.replace(own.info, max_length=length),
        )
