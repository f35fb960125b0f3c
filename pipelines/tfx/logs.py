"""What a run shows, and where everything else goes: TFX, Beam and TensorFlow have much to say."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bertworks import progress

_NODE = re.compile(r"Component (\S+) is (running|finished)\.")


class Log(logging.Handler):
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
        """Shows LocalDagRunner's way through the boxes, of which these are the names in order."""
        self._boxes = boxes
        logging.getLogger("absl").addHandler(self)
        for handler in logging.getLogger("tensorflow").handlers[:]:
            logging.getLogger("tensorflow").removeHandler(handler)
        try:
            yield
        finally:
            logging.getLogger("absl").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Turns LocalDagRunner's own messages into lines of progress."""
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
def logged(root: Path, debug: bool) -> Iterator[Log]:
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
            yield Log(file)
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
