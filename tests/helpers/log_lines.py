"""What a logger is told, without the loggers above it."""

import contextlib
import logging
from collections.abc import Iterator


class _Keeping(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def kept(name: str) -> Iterator[list[logging.LogRecord]]:
    """Keeps what the logger and those below it say from INFO on; all is as it was afterwards."""
    logger, keeping = logging.getLogger(name), _Keeping()
    before = logger.handlers, logger.propagate, logger.disabled
    level, switched_off = logger.level, logging.root.manager.disable
    logger.handlers, logger.propagate, logger.disabled = [keeping], False, False
    logging.disable(logging.NOTSET)
    logger.setLevel(logging.INFO)
    try:
        yield keeping.records
    finally:
        logger.handlers, logger.propagate, logger.disabled = before
        logging.disable(switched_off)
        logger.setLevel(level)
