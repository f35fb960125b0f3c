"""The server as a pod runs it: from a store, checked, counted, and ended while it answers."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from kept import PASSED, REFUSED, keep

from bertworks.errors import ArtifactError, EnvironmentFault, GateRefused
from bertworks.serving.identity import in_folder, in_store
from pipelines.cli.served import locate
from tests.helpers import server_process


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Versions: 1 passed, 2 refused; and the digests."""
    folder = tmp_path_factory.mktemp("served")
    return folder / "models", keep(folder / "models", folder, decisions=(PASSED, REFUSED))


def test_a_version_is_found_with_what_its_record_says(store):
    models, digests = store
    found = in_store(str(models), "mood", 1, digests[0])
    assert found.folder == models / "mood/versions/1/bundle"
    assert (found.identity.version, found.identity.digest) == (1, digests[0])
    assert found.identity.latency_limit == 0.025
    assert abs(time.time() - found.identity.created) < 600
    lone = in_folder(found.folder, digests[0])
    assert (lone.identity.version, lone.identity.latency_limit) == (None, None)


def test_a_buckets_copy_lives_as_long_as_it_is_needed(store):
    import gc

    import fsspec

    models, digests = store
    fsspec.filesystem("memory").put(str(models) + "/", "memory://served/", recursive=True)
    found = in_store("memory://served", "mood", 1)
    gc.collect()
    assert (found.folder / "manifest.json").is_file()
    assert found.identity.digest == digests[0]


@pytest.mark.parametrize(
    ("number", "digest", "error", "message"),
    [
        (2, None, GateRefused, "refused by its gates: accuracy 0.1 < 0.8"),
        (3, None, ArtifactError, "has no version 3"),
        (1, "0" * 64, ArtifactError, "is not the bundle that is to serve"),
    ],
)
def test_versions_that_may_not_serve(store, number, digest, error, message):
    with pytest.raises(error, match=message):
        in_store(str(store[0]), "mood", number, digest)


@pytest.mark.parametrize(
    ("agent", "where", "message"),
    [
        ("mood", "models", "must be NAME/VERSION. Received: 'mood'"),
        ("mood/0", "models", "must be NAME/VERSION"),
        (None, "models", "must be NAME/VERSION. Received: None"),
        ("/mnt/models", None, "/mnt/models is not an artifact: it has no manifest.json"),
    ],
)
def test_agents_that_name_no_bundle(store, agent, where, message):
    with pytest.raises(ArtifactError, match=message):
        locate(agent, where and str(store[0]), None, lambda: pytest.fail("not asked for"))


sent = []
"""Requests with a body, so far."""


def call(url, body=None):
    if body is not None:
        sent.append(url)
    return server_process.call(url, body, seconds=300)


@pytest.fixture(scope="module")
def running(store, tmp_path_factory):
    """The arguments that the manifests give, on a free port."""
    models, digests = store
    port, log = server_process.free_port(), tmp_path_factory.mktemp("log") / "log"
    arguments = ["serve", f"--store={models}", "--agent=mood/1", f"--digest={digests[0]}",
                 "--name=mood", "--host=0.0.0.0", f"--port={port}", "--threads=1", "--open"]  # fmt: skip
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *arguments], stdout=stream, stderr=stream
        )
    base = f"http://127.0.0.1:{port}"
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail(log.read_text())
        try:
            if call(f"{base}/v2/health/ready")[0] == 200:
                break
        except OSError:
            time.sleep(0.25)
    yield base, process, digests[0], log
    if process.poll() is None:
        process.kill()
        process.wait()


def tensor(*texts):
    return {
        "inputs": [
            {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
        ]
    }


def series(metrics):
    """Name with labels to value."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if not line.startswith("#")
    }


def all_counted(base):
    """The metrics with all that was sent: requests are counted after their answers went out."""
    for _ in range(1200):
        found = series(call(f"{base}/metrics")[1])
        counts = [found[name] for name in found if name.startswith("bertworks_requests_total{")]
        if sum(counts) == len(sent):
            return found
        time.sleep(0.05)
    pytest.fail(f"{len(sent)} were sent, {sum(counts):g} counted")


def test_the_probes_of_the_manifests_are_answered(running):
    base, _, _, _ = running
    for path in ("/v2/health/ready", "/v2/health/live", "/v2/models/mood/ready"):
        assert call(base + path)[0] == 200


def test_answers_name_the_bundle_that_they_come_from(running):
    base, _, digest, _ = running
    said = json.loads(call(f"{base}/v2/models/mood/infer", tensor("good film"))[1])
    assert said["model_version"] == "1"
    assert said["parameters"] == {"digest": digest}


def test_what_is_counted(running):
    base, _, digest, _ = running
    before = all_counted(base)
    call(f"{base}/v2/models/mood/infer", tensor("a", "b", "good"))
    call(f"{base}/v1/models/mood:predict", {"instances": ["good"]})
    call(f"{base}/v1/models/mood:predict", {"instances": [3]})
    after = all_counted(base)

    def more(name):
        return after[name] - before.get(name, 0)

    of = 'model_name="mood"'
    assert more(f'bertworks_requests_total{{{of},outcome="answered"}}') == 2
    assert more(f'bertworks_requests_total{{{of},outcome="refused"}}') == 1
    assert more(f'bertworks_requests_total{{{of},outcome="failed"}}') == 0
    assert more(f"bertworks_rows_total{{{of}}}") == 4
    assert more(f'bertworks_request_seconds_count{{{of},rows="one"}}') == 1
    assert more(f'bertworks_request_seconds_count{{{of},rows="many"}}') == 1
    assert more(f'bertworks_request_rows_bucket{{le="2.0",{of}}}') == 1
    assert after[f"bertworks_latency_limit_seconds{{{of}}}"] == 0.025
    assert after[f"bertworks_requests_in_progress{{{of}}}"] == 0
    info = [name for name in after if name.startswith("bertworks_model_info")]
    assert len(info) == 1
    assert f'digest="{digest[:12]}"' in info[0] and 'model_version="1"' in info[0]


def test_a_rollout_asks_the_real_server_and_knows_its_bundle(running, cluster, fake, serving):
    from components.deploy import deployment

    base, _, digest, _ = running

    def forward(pod, path, body):
        status, said = call(f"{base}/{path}", body)
        return status, json.loads(said)

    fake.answers = forward
    how = {"poll": 0.01, "seconds": 5, "say": lambda line: None}
    done = deployment.deploy(cluster, serving(1, digest=digest), "deployment", **how)
    assert set(json.loads(done.answer.prediction)) == {"label", "score", "scores", "truncated"}
    with pytest.raises(EnvironmentFault, match="another bundle answers: version 1"):
        deployment.deploy(cluster, serving(2), "deployment", **how)


def test_probes_that_succeed_are_not_logged(running):
    base, _, _, log = running
    for path in ("/v2/health/ready", "/v2/models/mood/ready", "/metrics", "/v2/models/no/ready"):
        call(base + path)
    call(f"{base}/v2/models/mood/infer", tensor("logged"))
    for _ in range(100):
        lines = log.read_text()
        if "POST /v2/models/mood/infer" in lines:
            break
        time.sleep(0.05)
    assert "POST /v2/models/mood/infer" in lines
    assert "/v2/models/no/ready" in lines  # 404: worth a line
    good = [line for line in lines.splitlines() if re.search("status:200|HTTP/1.1. 200", line)]
    assert not [line for line in good if re.search("ready|live|metrics", line)]


def test_open_requests_are_answered_after_sigterm(running):
    """Kubernetes ends a pod this way; the last test of this server."""
    base, process, _, _ = running
    texts = ["the very good plot, a film so so " * 40] * 1024
    before = series(call(f"{base}/metrics")[1])
    began, answers = threading.Event(), []

    def ask():
        began.set()
        answers.append(call(f"{base}/v2/models/mood/infer", tensor(*texts)))

    asking = threading.Thread(target=ask)
    asking.start()
    began.wait()
    in_progress = 'bertworks_requests_in_progress{model_name="mood"}'
    for _ in range(2000):  # Until the server is at it.
        if asking.is_alive() and series(call(f"{base}/metrics")[1])[in_progress] == 1:
            break
    else:
        pytest.fail("the request was over before the signal")
    os.kill(process.pid, signal.SIGTERM)
    asking.join(30)
    status, body = answers[0]
    assert status == 200, body
    assert json.loads(body)["outputs"][0]["shape"] == [1024]
    assert process.wait(timeout=300) == 0
    assert before[in_progress] == 0


def test_a_version_that_may_not_serve_ends_the_server_with_its_reason(store):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "serve", f"--store={store[0]}", "--agent=mood/2"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 6
    assert re.search("error: mood version 2 was refused by its gates", done.stderr)
    assert "Traceback" not in done.stderr
