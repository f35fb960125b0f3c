"""What all tests share: nothing of how, or from where, they were started may change their result."""

import functools
import gc
import inspect
import logging
import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests.helpers import log_lines, quick

_whole_stack = functools.partial(inspect.stack, context=0)


def _stack() -> list[inspect.FrameInfo]:
    """KFP asks for the whole stack, source lines included, at each setting of a task, to name a function
    in an error. Under pytest's deep stack that takes seconds a pipeline; the frames that it looks at do
    not.
    """
    asking = inspect.currentframe().f_back
    if asking.f_globals["__name__"] != "kfp.dsl.pipeline_task":
        return _whole_stack()[1:]
    return [
        inspect.FrameInfo(frame, "", frame.f_lineno, frame.f_code.co_name, None, None)
        for frame in (asking, asking.f_back)
    ]


inspect.stack = _stack

# A parent that ignores a signal (nohup, some CI runners) passes that on to all programs below it.
signal.signal(signal.SIGINT, signal.default_int_handler)
for ignored in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(ignored, signal.SIG_DFL)

# Models that are this tiny gain nothing by a second thread, and workers share the cores already.
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(name, "1")

# How long an example takes says nothing about the code on a busy machine.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# What a person, or the pod that the tests run in, has set for programs of their own. How packages are
# reached (PIP_*, npm_config_*, proxies, certificates) stays: a few tests fetch some.
OF_OTHERS = (
    "BERTWORKS_",
    "KFP_",
    "KUBE",
    "MLFLOW_",
    "OTEL_",
    "AWS_",
    "HF_",
    "TRANSFORMERS_",
    "LC_",
)
OF_TERMINALS = {"LANG", "LANGUAGE", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"}
for name in list(os.environ):
    if (name.startswith(OF_OTHERS) or name in OF_TERMINALS) and name != "BERTWORKS_WRITE_GOLDEN":
        del os.environ[name]
os.environ["LANG"] = "C.UTF-8"

# Workers take files in turn: what takes longest comes first, so that none is left alone with it.
LONGEST = (
    "tests/pipelines/test_whole_way.py",
    "tests/facade/test_fit.py",
    "tests/cluster/test_schedule.py",
    "tests/conformance/test_tasks_conform.py",
    "tests/cluster/test_runs.py",
    "tests/text/test_transform_step.py",
    "tests/pipelines/test_compare.py",
    "tests/pipelines/test_compile.py",
    "tests/training/test_finetune_step.py",
    "tests/cluster/test_doctor.py",
    "tests/training/test_choose_step.py",
    "tests/training/test_tune_step.py",
    "tests/compression/test_prune_step.py",
    "tests/conformance/test_families_conform.py",
    "tests/compression/test_quantize_step.py",
    "tests/retrain/test_retrain_local.py",
    "tests/pipelines/test_bad_input.py",
    "tests/training/test_resume.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order inside each stays."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: Python need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that is Python with all imported that steps need; all workers of a session share it."""
    from tests.helpers.warm_python import executable

    folder, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder, owner = folder.parent, os.getppid()
    return executable(folder / "warm-python", owner)


@pytest.fixture
def few_rows_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are no concern of the test: `evaluate` measures a few rows."""
    quick.few_rows_timed(monkeypatch.setattr)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test trains for seconds at most: no kernel is worth compiling."""
    quick.uncompiled(monkeypatch.setattr)


@pytest.fixture
def server_log() -> Iterator[list[logging.LogRecord]]:
    """What the server logs in this process, from INFO on, whatever was done to the loggers before: of
    `caplog`'s, the levels of all loggers on the way up to the root decide.
    """
    with log_lines.kept("bertworks.serving") as records:
        yield records
