"""No library under an agent reports home: no name is looked up, no file is left in the home.

Watched from outside, because it is native code that does it: a network namespace whose only name server
is the test's own.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import bundle_of, make_model

HELPERS = Path(__file__).parents[1] / "helpers"
REPOSITORY = HELPERS.parents[1]
ENGINES = {
    "onnxruntime": None,
    "openvino": {"name": "openvino", "file": "model.onnx", "options": {}},
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A bundle for each engine."""
    folder = tmp_path_factory.mktemp("bundles")
    model = make_model(folder / "model", {}, ["bad", "good"])
    return {name: bundle_of(model, folder / name, engine) for name, engine in ENGINES.items()}


@pytest.fixture
def watch(tmp_path):
    """Runs Python with a fresh home; returns the names that were asked for and the files left there."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` here to make a network namespace with")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}

    def run(*arguments: str, **variables: str) -> tuple[list[str], list[str]]:
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        inside = ["unshare", "--map-root-user", "--net", "--mount", "sh", "-c", script]
        tried = subprocess.run([*inside, tmp_path / "resolv.conf", "true"], capture_output=True)
        if tried.returncode:
            pytest.skip(f"no network namespace may be made here: {tried.stderr.decode().strip()}")
        done = subprocess.run(
            [*inside, tmp_path / "resolv.conf", sys.executable, HELPERS / "name_lookups.py",
             sys.executable, *arguments],
            env={**environment, **variables}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        left = [str(file.relative_to(home)) for file in home.rglob("*")]
        return json.loads(done.stdout.splitlines()[-1]), left

    return run


def test_the_watch_sees_a_name_and_a_file(watch):
    code = (
        "import contextlib, pathlib, socket\n"
        "with contextlib.suppress(OSError): socket.getaddrinfo('somebody.invalid', 80)\n"
        "pathlib.Path.home().joinpath('left').touch()"
    )
    asked, left = watch("-c", code)
    assert set(asked) == {"somebody.invalid"}
    assert left == ["left"]


@pytest.mark.parametrize("engine", ENGINES)
def test_predict_reports_to_nobody(watch, bundles, engine):
    command = ["-m", "pipelines.cli", "predict", "good film", "--agent", str(bundles[engine])]
    assert watch(*command) == ([], [])


def test_the_server_reports_to_nobody(watch, bundles):
    # Any port: the namespace has no other server.
    assert watch(str(HELPERS / "served_once.py"), str(bundles["onnxruntime"]), "8080") == ([], [])
