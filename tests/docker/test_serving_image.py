"""The serving image, read-only and confined, on the bundle that the DAG in containers made."""

import time
import urllib.error
from pathlib import Path

import pytest
from asked import ask, wait_for
from certificates import write_certificate
from confined import readable

from bertworks.runtime.agent import Agent

pytestmark = pytest.mark.docker

AGENT = ("--agent", "/bundle")
TEXTS = [
    "the plot was lovely and number 1 had a cast",
    "the pace was dull and number 2 had an ending",
    "nothing that it was trained on",
]


@pytest.fixture(scope="module")
def bundle(dag) -> Path:
    return dag.artifact("quantize", "bundle")


@pytest.fixture(scope="module")
def server(start, bundle):
    container = start({"/bundle": bundle}, *AGENT)
    wait_for(container, "healthy")
    return container


@pytest.fixture(scope="module")
def expected(bundle) -> list[dict]:
    return Agent.load(bundle).predict(TEXTS)


def test_v1_answers_as_the_runtime_does(server, expected) -> None:
    answers = ask(server, "/v1/models/agent:predict", {"instances": TEXTS})["predictions"]
    assert [answer["label"] for answer in answers] == [one["label"] for one in expected]
    assert [answer["label"] for answer in answers[:2]] == ["positive", "negative"]
    for answer, one in zip(answers, expected, strict=True):
        assert answer["scores"] == pytest.approx(one["scores"], abs=1e-5)


def test_v2_answers_as_the_runtime_does(server, expected) -> None:
    (name,) = [one["name"] for one in ask(server, "/v2/models/agent")["inputs"]]
    tensor = {"name": name, "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    answer = ask(server, "/v2/models/agent/infer", {"inputs": [tensor]})
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    assert outputs["label"] == [one["label"] for one in expected]
    assert outputs["score"] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_a_bad_request_is_answered_with_400_and_leaves_it_healthy(server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(server, "/v1/models/agent:predict", {"instances": [7]})
    wait_for(server, "healthy")


def test_another_port_is_known_to_the_health_check(start, bundle) -> None:
    container = start({"/bundle": bundle}, *AGENT, environment={"BERTWORKS_LISTEN": "9000"})
    wait_for(container, "healthy")
    assert "9000" in container.logs().decode()


def test_the_health_check_asks_by_tls_where_the_server_speaks_it(start, bundle, tmp_path) -> None:
    write_certificate(tmp_path)
    keys = ("--tls-cert", "/keys/server.pem", "--tls-key", "/keys/server.key")
    container = start({"/bundle": bundle, "/keys": readable(tmp_path)}, *AGENT, *keys)
    wait_for(container, "healthy")
    assert "https://" in container.logs().decode()


def test_a_damaged_bundle_is_refused_with_its_exit_code(start, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    container = start({"/bundle": tmp_path}, *AGENT)
    assert container.wait(timeout=60)["StatusCode"] == 5
    log = container.logs().decode()
    assert "fix:" in log and "Traceback" not in log


def test_it_stops_when_told_to(start, bundle) -> None:
    container = start({"/bundle": bundle}, *AGENT)
    wait_for(container, "healthy")
    began = time.monotonic()
    container.stop(timeout=60)
    assert time.monotonic() - began < 50, "it waited to be killed"
    assert container.wait()["StatusCode"] == 0, container.logs().decode()[-2000:]
