"""Runs the TFX DAG with LocalDagRunner: progress, errors that can be acted on, and the verdict."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bertworks import progress
from bertworks.data.sources.fingerprints import fingerprints
from bertworks.errors import BertworksError, EnvironmentFault, GateRefused
from bertworks.spec import AgentSpec
from bertworks.spec.file import SpecFile
from bertworks.storage.locks import lock
from pipelines.box import Box
from pipelines.dag import Dag
from pipelines.site import Laptop
from pipelines.tfx.agent import build
from pipelines.tfx.lineage import Lineage
from pipelines.tfx.logs import Log, logged


def run(loaded: SpecFile, root: Path, *, cache: bool = True, debug: bool = False) -> list[str]:
    """Runs the DAG of a spec.

    Returns:
        The closing lines: verdict, where the bundle is, its lineage.

    Raises:
        BertworksError: What a box raised.
        GateRefused: The Evaluator did not bless the bundle.
        EnvironmentFault: Another run holds the root, or TFX failed in a way of its own.
    """
    with _locked(root), _surroundings(root), logged(root, debug) as log:
        print(f"loading TensorFlow and TFX (log: {log.file})", file=sys.stderr, flush=True)
        from tfx import v1 as tfx

        parts = sections(loaded, root)
        pipeline = build(loaded.spec, parts, root, cache=cache)
        began = time.monotonic()
        with log.watching([node.id for node in pipeline.components]):
            try:
                tfx.orchestration.LocalDagRunner().run(pipeline)
            except Exception as error:
                raise _cause(error, log) from error
        return list(verdict(loaded.spec, root, time.monotonic() - began))


class Tfx(Laptop):
    """This machine, where TFX runs the steps: what it caches also changes when these modules do."""

    def stamp(self, box: Box) -> dict[str, str]:
        """The code's fingerprint, and that of the modules here."""
        own = hashlib.sha256()
        for file in sorted(Path(__file__).parent.glob("*.py")):
            own.update(file.read_bytes())
        return {**super().stamp(box), "tfx": own.hexdigest()[:16]}


def sections(loaded: SpecFile, root: Path) -> dict[str, str]:
    """Each box's section; TFX's boxes share them."""
    prints = fingerprints(loaded.spec, loaded.folder)
    return Dag(loaded.spec, Tfx.of(loaded, str(root / "models"), prints)).sections()


def verdict(spec: AgentSpec, root: Path, seconds: float) -> Iterator[str]:
    """What became of the bundle.

    Raises:
        GateRefused: It was not blessed; names each threshold that it missed.
    """
    lineage = Lineage(root / "metadata.sqlite")
    pushed = lineage.newest("Pusher", "PushedModel")
    if not pushed.facts.get("pushed"):
        evaluation = lineage.newest("Evaluator", "ModelEvaluation")
        raise GateRefused(
            f"The Evaluator did not bless the bundle of {spec.name}; it was not pushed:\n"
            + "\n".join(f"  - {reason}" for reason in reasons(Path(evaluation.uri), spec)),
            "Train longer (finetune.epochs), give more data, or change gates.minimum and "
            f"gates.beat_champion. The evaluation is in {evaluation.uri}.",
        )
    bundle = lineage.newest("Compressor", "Model")
    yield ""
    yield f"{spec.name}: blessed and pushed in {progress.duration(seconds)}"
    yield f"  bundle    {pushed.facts['pushed_destination']}"
    yield f"  lineage   {root / 'metadata.sqlite'}"
    yield f"  try it    bertworks predict --agent {pushed.facts['pushed_destination']} TEXT"
    yield "lineage (artifact <- box <- what the box had read):"
    for line in lineage.summary(bundle.number):
        yield f"  {line}"


def reasons(evaluation: Path, spec: AgentSpec) -> list[str]:
    """The thresholds that TFMA found missed, in words."""
    import tensorflow_model_analysis as tfma

    result = tfma.load_validation_result(str(evaluation))
    found: dict[str, None] = {}  # in order, each once: TFMA repeats them for every slice
    for part in result.metric_validations_per_slice:
        for failure in part.failures:
            name, value = failure.metric_key.name, failure.metric_value.double_value.value
            if failure.metric_threshold.HasField("change_threshold"):
                text = f"{name} differs by {value:+.4f} from the last blessed bundle's"
            else:
                text = f"{name} is {value:.4f}, the gate asks for {spec.gates.minimum:g}"
            found[text] = None
    return list(found) or [f"{spec.metric} was not measured"]


@contextlib.contextmanager
def _surroundings(root: Path) -> Iterator[None]:
    """Where downloads and checkpoints go, for this process and those that it starts."""
    wanted = {
        "BERTWORKS_DOWNLOADS": str(root / "downloads"),
        "BERTWORKS_CHECKPOINTS": str(root / "checkpoints"),
    }
    before = {name: os.environ.get(name) for name in wanted}
    for name, place in wanted.items():
        os.environ.setdefault(name, place)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Holds the root for one run; the lock goes with the process, however that ends."""
    try:
        for place in (root / "artifacts", root / "logs", root / "downloads", root / "checkpoints"):
            place.mkdir(parents=True, exist_ok=True)
        taken = lock(root / "lock").acquire()
    except TimeoutError:
        raise EnvironmentFault(
            f"Another run is at work in {root}.",
            "Wait for it, or run beside it with another --root.",
        ) from None
    except OSError as error:
        raise EnvironmentFault(
            f"The folder {root} cannot be written: {error.strerror}.",
            "Choose another one with --root; in a container, mount one that uid "
            f"{os.getuid()} may write.",
        ) from None
    with taken:
        yield


def _cause(error: BaseException, log: Log) -> BertworksError:
    """The error of ours under TFX's or Beam's; one that names box and log where there is none."""
    found: BertworksError | None = None
    under: BaseException | None = error
    while under is not None:  # the deepest: Beam raises it anew without its advice
        found = under if isinstance(under, BertworksError) else found
        under = under.__cause__ or under.__context__
    if found is not None:
        return type(found)(f"{log.box}: {found.message}", found.fix)
    logging.getLogger().error("box %s failed", log.box, exc_info=error)
    return BertworksError(
        f"{log.box} failed: {type(error).__name__}: {str(error)[:500]}",
        f"The log has the traceback: {log.file}. --debug shows it here.",
    )
