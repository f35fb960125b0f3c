"""What a server tells of what it is asked: meters, drift, log lines; never a client's text."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from bertworks.serving import log
from bertworks.serving.exchange import Exchange
from bertworks.serving.observation import counting
from bertworks.serving.observation.counting import OTHER, Counting, stages
from bertworks.serving.observation.drifting import ROWS_A_SECOND, Drifting, latest
from bertworks.spec.observing import Observing
from tests.helpers import log_lines
from tests.helpers.asgi import post
from tests.helpers.tiny_model import TEXTS
from tests.observation.conftest import served

SECRET = "zyzzyva"


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def ask(serving, texts, name: str, headers=(), path: str | None = None):
    """The answer, once all observers were told."""
    app, _ = serving.application()
    found = post(app, path or f"/v1/models/{name}:predict", {"instances": texts}, headers)
    serving.observers.close()
    serving.observers._thread = None
    return found


def test_stages_batches_labels_and_confidence_are_counted(agent) -> None:
    serving = served("told", agent, Observing())
    assert ask(serving, TEXTS, "told").status == 200
    for stage in ("read", "wait", "decode", "queue", "compute", "encode", "write"):
        assert value("bertworks_stage_seconds_count", model_name="told", stage=stage) >= 1
    assert value("bertworks_tokenize_seconds_count", model_name="told") >= 1
    assert value("bertworks_batch_rows_sum", model_name="told") == len(TEXTS)
    ids = agent.encode(TEXTS).ids
    read = value("bertworks_tokens_total", model_name="told")
    padding = value("bertworks_padding_tokens_total", model_name="told")
    assert read == sum(map(len, ids))
    assert read + padding == value("bertworks_batch_tokens_sum", model_name="told")
    version = {"model_name": "told", "model_version": "3"}
    assert value("bertworks_answer_confidence_count", **version) == len(TEXTS)
    labels = [one["label"] for one in agent.predict(TEXTS)]
    for label in agent.labels:
        found = value("bertworks_answer_labels_total", **version, label=label)
        assert found == labels.count(label)


def test_a_stage_that_nobody_measured_is_the_way_out() -> None:
    exchange = SimpleNamespace(seconds={"read": 1.0, "compute": 2.0, "whole": 3.5})
    assert stages(exchange) == {"read": 1.0, "compute": 2.0, "write": 0.5}


def test_series_are_bounded(agent, monkeypatch) -> None:
    monkeypatch.setattr(counting, "MOST_LABELS", 1)
    serving = served("bounded", agent, Observing())
    observer = Counting(serving.models)
    bundle = next(iter(serving.models)).champion
    monkeypatch.setattr(counting, "answering", lambda *_: bundle)
    for version in range(9):
        exchange = Exchange("v1", "bounded", version=str(version), digest="d" * 64, rows=TEXTS)
        exchange.answers = agent.predict(TEXTS)
        observer.answered(exchange)
    mine = [
        one.labels
        for family in REGISTRY.collect()
        if family.name == "bertworks_answer_labels"
        for one in family.samples
        if one.labels["model_name"] == "bounded" and one.name.endswith("_total")
    ]
    assert {one["model_version"] for one in mine} == {"5", "6", "7", "8"}
    assert {one["label"] for one in mine} <= {"bad", OTHER}


def test_nothing_that_a_client_wrote_is_in_a_meter_or_a_line(agent, server_log) -> None:
    serving = served("quiet", agent, Observing())
    ask(serving, [SECRET], "quiet", [(b"x-request-id", b"r-1")])
    ask(serving, [{"text": SECRET, SECRET: 1}], "quiet")
    ask(serving, [SECRET], "quiet", path=f"/v1/models/{SECRET}:predict")
    from prometheus_client import generate_latest

    assert SECRET.encode() not in generate_latest()
    said = [record for record in server_log if "POST" in record.getMessage()]
    lines = [json.loads(log.JsonLines().format(one)) for one in said]
    assert [one["status"] for one in lines] == [200, 400, 404]
    assert lines[0]["request"] == "r-1" and lines[0]["rows"] == 1 and lines[0]["version"] == "3"
    assert lines[0]["stages_ms"]["compute"] > 0 and lines[1]["reason"] == "row"
    assert SECRET not in json.dumps(lines[:2])  # the third has it in its path, which was asked for


def test_json_lines_are_one_object_each() -> None:
    record = logging.LogRecord("bertworks.serving", 30, "f", 1, "odd \u2028 %s", ("x\n",), None)
    log.Escape().filter(record)
    line = log.JsonLines().format(record)
    assert "\n" not in line and line.isascii()
    assert json.loads(line)["level"] == "warning"


def test_a_window_that_has_drifted_is_told_once(agent, known: Path, server_log) -> None:
    serving = served("moved", agent, Observing(drift_rows=50), known)
    clock = iter(range(0, 100_000, 10))
    observer = Drifting(serving.models, Observing(drift_rows=50), lambda: float(next(clock)))

    def tell(texts: list[str]) -> None:
        exchange = Exchange("v1", "moved", version="3", digest="d" * 64, rows=texts)
        exchange.answers = agent.predict(texts)
        observer.answered(exchange)

    tell(TEXTS * 10)
    assert set(latest("moved")) == {"tokens", "lengths", "unknown", "labels"}
    assert not any("drift:" in one.getMessage() for one in server_log)
    assert value("bertworks_drift", model_name="moved", measure="tokens") == 0
    for _ in range(3):
        tell(["what nobody here has ever seen before"] * 60)
    assert value("bertworks_drift", model_name="moved", measure="tokens") == 1
    assert value("bertworks_drift_bits", model_name="moved", measure="unknown") > 0.1
    told = [one.getMessage() for one in server_log if "the tokens of the last" in one.getMessage()]
    assert len(told) == 1 and "bertworks label export" in told[0]
    tell(TEXTS * 10)
    assert value("bertworks_drift", model_name="moved", measure="tokens") == 0


def test_a_bundle_without_a_reference_says_so_once(agent, server_log) -> None:
    serving = served("bare", agent, Observing())
    for _ in range(2):
        ask(serving, TEXTS, "bare")
    assert sum("has no reference.json" in one.getMessage() for one in server_log) == 1


def test_a_flood_is_looked_at_in_part(agent, known: Path) -> None:
    serving = served("flood", agent, Observing(), known)
    observer = Drifting(serving.models, Observing(), lambda: 0.0)
    exchange = Exchange("v1", "flood", version="3", digest="d" * 64, rows=TEXTS * 100)
    exchange.answers = agent.predict(exchange.rows)
    for _ in range(3):
        observer.answered(exchange)
    window = observer._windows["d" * 64]
    assert window is not None and window.rows == ROWS_A_SECOND


@pytest.mark.parametrize("by", ["disabled", "level", "all off"])
def test_a_test_reads_the_log_whatever_was_done_to_it_before(monkeypatch, by) -> None:
    if by == "disabled":
        monkeypatch.setattr(log.LOGGER, "disabled", True)
    elif by == "level":
        monkeypatch.setattr(log.LOGGER, "level", logging.CRITICAL)
    else:
        monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    log.LOGGER.warning("not said")  # loggers remember what their level leaves out
    with log_lines.kept("bertworks.serving") as records:
        log.LOGGER.warning("said")
    assert [one.getMessage() for one in records] == ["said"]
    log.LOGGER.warning("not kept")
    assert len(records) == 1
