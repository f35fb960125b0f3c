"""The serving image, read-only and confined, on the bundle that the DAG in containers made."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confined import CONFINED, user

from bertworks.runtime.agent import Agent

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1600)]

TEXTS = [
    "the plot was lovely and number 1 had a cast",
    "the pace was dull and number 2 had an ending",
    "nothing that it was trained on",
]


@pytest.fixture(scope="module")
def start(engine, image) -> Iterator[Callable]:
    """Starts the server with a bundle at /bundle; containers are removed at the end."""
    from docker.types import Mount

    started = []

    def run(bundle: Path, *arguments: str, **options):
        container = engine.containers.run(
            image("serving"), ["--agent", "/bundle", "--open", *arguments], detach=True, user=user(),
            mounts=[Mount("/bundle", str(bundle), type="bind", read_only=True)],
            ports={"8080/tcp": ("127.0.0.1", None)}, **CONFINED, **options,
        )  # fmt: skip
        started.append(container)
        return container

    yield run
    for container in started:
        container.remove(force=True)


def wait_for(container, status: str, seconds: float = 120) -> None:
    """Until HEALTHCHECK reports the status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        container.reload()
        if container.attrs["State"].get("Health", {}).get("Status") == status:
            return
        assert container.status == "running", container.logs().decode()
        time.sleep(0.5)
    pytest.fail(f"not {status} in {seconds} s: {container.logs().decode()[-2000:]}")


@pytest.fixture(scope="module")
def bundle(dag) -> Path:
    return dag.artifact("quantize", "bundle")


@pytest.fixture(scope="module")
def server(start, bundle):
    container = start(bundle)
    wait_for(container, "healthy")
    return container


def ask(container, path: str, body: dict | None = None) -> dict:
    port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


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
    container = start(bundle, environment={"BERTWORKS_LISTEN": "9000"})
    wait_for(container, "healthy")
    assert "9000" in container.logs().decode()


def test_a_damaged_bundle_is_refused_with_its_exit_code(start, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    container = start(tmp_path)
    assert container.wait(timeout=60)["StatusCode"] == 5
    log = container.logs().decode()
    assert "fix:" in log and "Traceback" not in log


def test_it_stops_when_told_to(start, bundle) -> None:
    container = start(bundle)
    wait_for(container, "healthy")
    began = time.monotonic()
    container.stop(timeout=60)
    assert time.monotonic() - began < 50, "it waited to be killed"
    assert container.wait()["StatusCode"] == 0, container.logs().decode()[-2000:]
