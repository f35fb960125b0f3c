"""All models of a server, by name; which of them are to be asked, and whether they answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from bertworks.errors import BertworksError
from bertworks.serving import log
from bertworks.serving.engine.batcher import Batcher
from bertworks.serving.meters import Meters
from bertworks.serving.models.served import ServedModel
from bertworks.serving.refusals import Refused

STUCK = 2
"""How many times a request's time a batch may take before its thread counts as lost."""


class Registry:
    """The models of a server.

    Args:
        batcher: What computes for all of them.
        seconds: How long one request is computed, at most.

    Attributes:
        draining: Whether the server is stopping.
    """

    def __init__(self, batcher: Batcher, seconds: float) -> None:
        self.batcher, self._longest = batcher, STUCK * seconds
        self._models: dict[str, ServedModel] = {}
        self._loaders: dict[str, Callable[[], ServedModel]] = {}
        self._preparations: list[Callable[[ServedModel], None]] = []
        self._lock = threading.Lock()
        self.draining = False

    def add(self, model: ServedModel, load: Callable[[], ServedModel] | None = None) -> None:
        """Serves one more.

        Args:
            model: The model.
            load: Loads it anew after it was unloaded; None: it can only be taken back as it is.
        """
        self._models[model.name] = self._prepared(model)
        self._loaders[model.name] = load or (lambda: model)

    def prepare(self, preparation: Callable[[ServedModel], None]) -> None:
        """Has something done to each model before it is asked, those that are loaded later too."""
        self._preparations.append(preparation)
        for model in self:
            preparation(model)

    def _prepared(self, model: ServedModel) -> ServedModel:
        for preparation in self._preparations:
            preparation(model)
        return model

    def load(self, name: str) -> None:
        """Loads a model that was unloaded; takes as long as that takes, so not on the event loop.

        Raises:
            Refused: 404: this server was not started with it; 503: its bundle is damaged or gone.
        """
        loader = self._loaders.get(name)
        if loader is None:
            raise Refused(404, "model", f"This server was not started with a model {name[:50]!r}.")
        with self._lock:
            if name not in self._models:
                try:
                    self._models[name] = self._prepared(loader())
                except BertworksError as error:
                    log.LOGGER.error("%s cannot be loaded: %s", name, error)
                    raise Refused(
                        503, "load", f"{name} cannot be loaded.", "See the server's log."
                    ) from None

    def unload(self, name: str) -> None:
        """Serves a model no more; what is asked of it already is answered.

        Raises:
            Refused: 404: there is none of that name.
        """
        model = self[name]
        del self._models[model.name]
        model.close()

    def index(self) -> list[dict[str, str]]:
        """All models that this server was started with, as V2's repository extension lists them."""
        found = []
        for name in self._loaders:
            model = self._models.get(name)
            state = "READY" if model is not None and model.ready else "UNAVAILABLE"
            version = "" if model is None else model.champion.identity.served
            reason = "" if model is not None else "unloaded"
            found.append({"name": name, "version": version, "state": state, "reason": reason})
        return found

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(list(self._models.values()))

    def __getitem__(self, name: str) -> ServedModel:
        """The model of that name.

        Raises:
            Refused: 404: there is none.
        """
        model = self._models.get(name)
        if model is None:
            raise Refused(404, "model", f"There is no model {name[:50]!r} here.")
        return model

    def meters(self, name: str) -> Meters | None:
        """The meters of a model; None: there is none of that name."""
        model = self._models.get(name)
        return None if model is None else model.meters

    @property
    def names(self) -> list[str]:
        """The models that are loaded."""
        return [model.name for model in self]

    @property
    def alive(self) -> bool:
        """Whether a restart would not help: a thread that is lost does not come back."""
        return self.batcher.whole and self.batcher.longest() <= self._longest

    @property
    def ready(self) -> bool:
        """Whether every model that this server was started with can be asked, and it is not stopping."""
        loaded = len(self._models) == len(self._loaders)
        return not self.draining and loaded and self.alive and all(model.ready for model in self)
