"""The largest requests that are taken, from 64 clients at once, in the memory that a pod has."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from memory_limit import limited
from server_process import call, free_port, wait_until_ready
from tiny_model import bundle_of, make_model, tokenizer

from bertworks.models.config import EncoderConfig
from bertworks.runtime.engines import import_openvino

POD = 2**30
CLIENTS = 64
LABELS = [f"label {number:03}" for number in range(150)]
SERVE = """
from pathlib import Path
from bertworks.serving.server import serve
from bertworks.serving.settings import Served, Settings
from bertworks.spec.limits import Limits
serve([Served("intent", Path({bundle!r}))],
      Settings(port={port}, threads=2, limits=Limits(seconds=20)))
"""
LARGEST = {
    "long rows": ["good film " * 195] * 1024,
    "the longest rows": ["a" * 99_000 + "\U0001f600"] * 5,
    "many rows of the longest": ["good " * 380] * 1024,
    "many short rows": ["b"] * 1024,
    "many words": ["good film " * 9_900] * 20,
    "rows of all lengths": ["good film " * (number % 200) for number in range(1024)],
}


def openvino(graph, folder):
    """Writes a graph for OpenVINO, which keeps kernels for each shape that it has run."""
    library = import_openvino()
    made = library.Core().read_model(graph)
    library.save_model(made, str(folder / "model.xml"), compress_to_fp16=False)
    return {"name": "openvino", "file": "model.xml", "options": {"INFERENCE_PRECISION_HINT": "f32"}}


@pytest.fixture(scope="module", params=[None, openvino], ids=["onnxruntime", "openvino"])
def bundle(request, tmp_path_factory):
    """As large as MiniLM-L6 in float32, 90 MB: four times what its int8 bundle has."""
    root = tmp_path_factory.mktemp("large")
    sizes = EncoderConfig(
        vocab_size=30_522, hidden_size=384, num_heads=(12,) * 6, head_size=32,
        intermediate_sizes=(1536,) * 6, max_positions=512,
    )  # fmt: skip
    task = {"type": "classification", "max_length": 512}
    assert tokenizer().get_vocab_size() < sizes.vocab_size
    model = make_model(root / "model", task, LABELS, sizes=sizes)
    return bundle_of(model, root / "bundle", request.param)


def ask(url, body):
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, len(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, len(error.read())


@pytest.mark.slow
def test_the_largest_requests_of_64_clients_fit_into_a_pod(bundle, tmp_path):
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}/v1/models/intent:predict"
    code = SERVE.format(bundle=str(bundle), port=port)
    with limited(POD) as group, log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=stream, stderr=stream, preexec_fn=group.enter
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            for name, rows in LARGEST.items():
                body = json.dumps({"instances": rows}, ensure_ascii=False).encode()
                assert len(body) <= 2 * 2**20, name
                with ThreadPoolExecutor(CLIENTS) as pool:
                    told = list(pool.map(ask, [url] * CLIENTS, [body] * CLIENTS))
                statuses = {status for status, _ in told}
                # Answered, or refused for the time that it would take; never cut off.
                assert statuses <= {200, 429, 503}, (name, statuses)
                print(name, sorted(statuses), group.peak // 2**20, "MiB")
                assert process.poll() is None and group.kills == 0, name
            assert call(f"http://127.0.0.1:{port}/v2/health/live")[0] == 200
            assert call(url, {"instances": ["good film"]})[0] == 200
            assert group.peak <= POD
        finally:
            process.kill()
            process.wait()
