"""Runs the TFX DAG with LocalDagRunner: progress, errors that can be acted on, and the verdict."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bertworks import progress
from bertworks.errors import BertworksError, EnvironmentFault, GateRefused
from bertworks.sources.fingerprints import fingerprints
from bertworks.spec import AgentSpec, task_metric
from bertworks.spec_file import SpecFile
from pipelines.sections import sections as step_sections
from pipelines.tfx_agent import build
from pipelines.tfx_steps.lineage import Lineage

_NODE = re.compile(r"Component (\S+) is (running|finished)\.")


def run(loaded: SpecFile, root: Path, *, cache: bool = True, debug: bool = False) -> list[str]:
    """Runs the DAG of a spec.

    Returns:
        The closing lines: verdict, where the bundle is, its lineage.

    Raises:
        BertworksError: What a box raised.
        GateRefused: The Evaluator did not bless the bundle.
        EnvironmentFault: Another run holds the root, or TFX failed in a way of its own.
    """
    with _locked(root), _surroundings(root), _logged(root, debug) as log:
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


def sections(loaded: SpecFile, root: Path) -> dict[str, str]:
    """The sections of `pipelines.sections`, which also change when these modules do."""
    found = step_sections(
        loaded,
        store=str(root / "models"),
        fingerprints=fingerprints(loaded.spec, loaded.folder),
        code=True,
    )
    own = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        own.update(file.read_bytes())
    return {
        step: json.dumps({**json.loads(text), "tfx": own.hexdigest()[:16]}, sort_keys=True)
        for step, text in found.items()
    }


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
    return list(found) or [f"{spec.gates.metric or task_metric(spec.task)} was not measured"]


@contextlib.contextmanager
def _surroundings(root: Path) -> Iterator[None]:
    """Where downloads and checkpoints go, for this process and those that it starts."""
    wanted = {
        "BERTWORKS_DOWNLOADS": str(root / "downloads"),
        "BERTWORKS_CHECKPOINTS": str(root / "checkpoints"),
    }
    before = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
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
        lock = (root / "lock").open("a")
    except OSError as error:
        raise EnvironmentFault(
            f"The folder {root} cannot be written: {error.strerror}.",
            "Choose another one with --root; in a container, mount one that uid "
            f"{os.getuid()} may write.",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EnvironmentFault(
                f"Another run is at work in {root}.",
                "Wait for it, or run beside it with another --root.",
            ) from None
        yield


class _Log(logging.Handler):
    """Everything that TFX, Beam and TensorFlow say goes to a file; boxes become lines of progress."""

    def __init__(self, file: Path) -> None:
        super().__init__(logging.INFO)
        self.file = file
        self.box = ""
        self._boxes: list[str] = []
        self._began = 0.0
        self._cached = False

    @contextlib.contextmanager
    def watching(self, boxes: list[str]) -> Iterator[None]:
        self._boxes = boxes
        logging.getLogger("absl").addHandler(self)
        for handler in logging.getLogger("tensorflow").handlers[:]:
            logging.getLogger("tensorflow").removeHandler(handler)
        try:
            yield
        finally:
            logging.getLogger("absl").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("A cached execution"):
            self._cached = True
        found = _NODE.match(message)
        if not found:
            return
        box, state = found.groups()
        if state == "running":
            self.box, self._began, self._cached = box, time.monotonic(), False
            os.environ[progress.STEP] = box
            place = self._boxes.index(box) + 1 if box in self._boxes else 0
            print(f"[{place}/{len(self._boxes)}] {box}", file=sys.stderr, flush=True)
        else:
            took = progress.duration(time.monotonic() - self._began)
            note = "from the cache" if self._cached else took
            print(f"      {box}: {note}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _logged(root: Path, debug: bool) -> Iterator[_Log]:
    """Sends what the libraries log and print to a file under the root; our progress stays here."""
    from absl import logging as absl_logging

    file = root / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
    writer = logging.FileHandler(file, encoding="utf-8")
    writer.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    base, absl_logger = logging.getLogger(), logging.getLogger("absl")
    kept = base.handlers[:], base.level, absl_logger.propagate
    with contextlib.nullcontext() if debug else _descriptors_into(file):
        base.handlers = [writer, *([logging.StreamHandler()] if debug else [])]
        base.setLevel(logging.INFO)
        absl_logging.use_python_logging(quiet=True)
        absl_logging.set_verbosity(absl_logging.INFO)
        absl_logger.handlers = []
        absl_logger.propagate = True
        try:
            yield _Log(file)
        finally:
            base.handlers, base.level, absl_logger.propagate = kept
            os.environ.pop(progress.STEP, None)
            writer.close()


@contextlib.contextmanager
def _descriptors_into(file: Path) -> Iterator[None]:
    """Sends the process's stdout and stderr to a file, but what Python prints to sys.stderr.

    TensorFlow's and OpenVINO's C++ write to the descriptors, past every setting.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    terminal, ours = os.dup(2), sys.stderr
    out = os.dup(1)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stderr = os.fdopen(os.dup(terminal), "w", buffering=1, encoding="utf-8", errors="replace")
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.close()
        sys.stderr = ours
        os.dup2(out, 1)
        os.dup2(terminal, 2)
        os.close(out)
        os.close(terminal)


def _cause(error: BaseException, log: _Log) -> BertworksError:
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
