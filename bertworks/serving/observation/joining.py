"""How observation takes part in a server."""

from __future__ import annotations

from pathlib import Path

from bertworks.serving import log
from bertworks.serving.assembly import Serving
from bertworks.serving.observation.counting import Counting
from bertworks.serving.observation.drifting import Drifting
from bertworks.serving.observation.tracing import Tracing, configured
from bertworks.serving.settings import Join
from bertworks.spec.observing import Observing


def observing(settings: Observing) -> Join:
    """What joins a server: meters and drift always, spans and samples where they are asked for.

    Args:
        settings: The spec's `serve.observing`.

    Raises:
        EnvironmentFault: On joining: the endpoint for spans or the folder for samples is no good.
    """

    def join(serving: Serving) -> None:
        if settings.log_format == "json":
            log.as_json()
        batcher, observers = serving.models.batcher, serving.observers
        counting = Counting(serving.models)
        counting.watch(observers, lambda: batcher.waiting)
        batcher.batched, batcher.tokenized = counting.batched, counting.tokenized
        observers.add(counting)
        observers.add(Drifting(serving.models, settings))
        if (exporter := configured()) is not None:
            observers.add(Tracing(exporter))
            serving.closed.append(exporter.close)
        if settings.sampling.folder is not None:
            _keep_samples(serving, Path(settings.sampling.folder), settings)

    return join


def _keep_samples(serving: Serving, folder: Path, settings: Observing) -> None:
    from bertworks.serving.observation.feedback import Feedback
    from bertworks.serving.observation.files import SampleFiles
    from bertworks.serving.observation.sampling import Sampler

    wanted = settings.sampling
    limits = wanted.file_mb * 1e6, 60 * wanted.file_minutes
    samples = SampleFiles(folder, "rows", *limits)
    opinions = SampleFiles(folder, "feedback", *limits)
    serving.observers.add(Sampler(serving.models, samples, wanted.share, wanted.mask))
    Feedback(serving.models, opinions, wanted.mask, serving.labelled).join(serving)
    serving.closed += [samples.close, opinions.close]  # when all observers were told
