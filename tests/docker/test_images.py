"""What is in the built images, and what is not."""

import json
import os

import pytest
from confined import CONFINED, IMAGES
from tiny_agent import REPOSITORY

from bertworks import __version__

pytestmark = pytest.mark.docker

HELPERS = REPOSITORY / "tests/helpers"
SERVING = [name for name in IMAGES if name == "serving"]
GPU = [name for name in IMAGES if name == "pipeline-gpu"]
STEPS = [name for name in IMAGES if name.startswith("pipeline")]


@pytest.fixture
def sh(engine, image):
    """Runs a shell command in an image, confined; returns what it prints."""

    def run(name: str, command: str, **options) -> str:
        given = {**CONFINED, "network_mode": "none", "entrypoint": ["sh", "-c"], **options}
        return engine.containers.run(image(name), [command], remove=True, **given).decode()

    return run


@pytest.mark.parametrize("name", IMAGES)
def test_it_runs_as_nobody_of_importance_and_says_what_it_is(engine, image, name) -> None:
    config = engine.images.get(image(name)).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert "HOME=/home/bertworks" in config["Env"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"bertworks/{name}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert len(labels["org.opencontainers.image.revision"].removesuffix("-dirty")) == 40


@pytest.mark.parametrize("name", IMAGES)
def test_it_writes_to_tmp_only(sh, name) -> None:
    assert sh(name, "bertworks --version").strip() == __version__
    assert sh(name, "echo x > /tmp/x && cat /tmp/x").strip() == "x"
    assert "no" in sh(name, "touch /opt/bertworks/x 2>/dev/null || echo no", read_only=False)
    assert sh(name, "touch ~/x && echo yes", read_only=False).strip() == "yes"


@pytest.mark.parametrize("name", IMAGES)
def test_any_user_of_group_0_will_do(sh, name) -> None:
    out = sh(name, "touch ~/x && bertworks --version", user="12345:0", read_only=False)
    assert out.strip() == __version__


@pytest.mark.parametrize("name", IMAGES)
def test_the_build_left_nothing_of_itself(engine, image, sh, name) -> None:
    # Without a scratch folder on /tmp: it would hide what a build left there.
    left = sh(
        name,
        "ls -d /opt/* /tmp/* /mnt/* /media/* /srv/* /src /root/.cache/* /run/secrets /etc/pip.conf "
        "/usr/local/bin/with-index /usr/local/bin/trim /home/bertworks/.cache /home/bertworks/.config "
        "2>/dev/null; command -v uv pip npm; true",
        user="0",
        tmpfs={},
    )
    assert left.split() == ["/opt/bertworks"]
    picture = json.dumps(
        [engine.images.get(image(name)).attrs, engine.images.get(image(name)).history()]
    )
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_CERT"):
        assert variable not in picture
        assert not (value := os.environ.get(variable)) or value not in picture


@pytest.mark.parametrize("name", STEPS)
def test_a_step_finds_what_kubeflow_calls(sh, name) -> None:
    assert sh(
        name, "python3 -c 'import kfp.dsl.executor_main, kfp.local, kfp.kubernetes; print(1)'"
    )
    assert sh(name, "python3 -c 'import bertworks, components, pipelines.wiring; print(2)'")
    assert sh(name, "mktemp -d").startswith("/tmp/")


@pytest.mark.parametrize("name", STEPS)
def test_the_steps_libraries_load_together(sh, name) -> None:
    libraries = (
        "tensorflow tensorflow_transform tfx_bsl tensorflow_model_analysis apache_beam keras "
        "transformers onnxruntime openvino nncf sklearn uvicorn grpc kubernetes s3fs gcsfs"
    )
    code = "; ".join(f"import {name}" for name in libraries.split())
    assert sh(name, f"python3 -c '{code}; print(keras.backend.backend())'").strip() == "tensorflow"


@pytest.mark.parametrize("name", GPU)
def test_the_gpu_image_has_cuda_and_runs_without(sh, name) -> None:
    code = """
import ctypes, nvidia, pathlib, tensorflow
for name in ("cublas.so.12", "cudnn.so.9", "cufft.so.11", "cusolver.so.11", "nccl.so.2"):
    folder = pathlib.Path(list(nvidia.__path__)[0]) / name.split(".")[0] / "lib"
    ctypes.CDLL(str(folder / f"lib{name}"))
devices = [one.device_type for one in tensorflow.config.list_physical_devices()]
print(tensorflow.test.is_built_with_cuda(), devices)
"""
    out = sh(name, f"python3 - <<'END'\n{code}\nEND\necho $NVIDIA_VISIBLE_DEVICES")
    assert out.splitlines() == ["True ['CPU']", "all"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_answer_in_it_reports_to_nobody(engine, image, name, tiny_bundle, tmp_path) -> None:
    """No name is looked up and no file is left in the home, not even by native code."""
    from docker.types import Mount

    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (tmp_path / "resolv.conf").chmod(0o644)
    serves = name != "tfx"
    inside = (
        ["/helpers/served_once.py", "/bundle", "8080"]
        if serves
        else ["-c", "from bertworks.runtime.agent import Agent\n"
                    "assert Agent.load('/bundle').predict(['good film'])"]
    )  # fmt: skip
    script = (
        'python3 /helpers/name_lookups.py python3 "$@" && find "$HOME" /tmp -type f ! -name "*.pyc"'
    )
    out = engine.containers.run(
        image(name), [script, "sh", *inside], entrypoint=["sh", "-c"], remove=True,
        mounts=[
            Mount("/etc/resolv.conf", str(tmp_path / "resolv.conf"), type="bind", read_only=True),
            Mount("/helpers", str(HELPERS), type="bind", read_only=True),
            Mount("/bundle", str(tiny_bundle), type="bind", read_only=True),
        ],
        network_mode="none", sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
        **{**CONFINED, "read_only": False},
    ).decode().splitlines()  # fmt: skip
    at = max(number for number, line in enumerate(out) if line.startswith("["))
    assert json.loads(out[at]) == []
    home = [file for file in out[at + 1 :] if not file.startswith("/home/bertworks/.bash")]
    assert [file for file in home if not file.endswith("/.profile")] == []


@pytest.mark.parametrize("name", SERVING)
def test_the_serving_image_is_small_and_knows_no_training(engine, image, sh, name) -> None:
    assert engine.images.get(image(name)).attrs["Size"] < 700e6
    out = sh(
        name,
        "python3 -c 'import importlib.util as u; "
        'print([n for n in ("tensorflow", "torch", "keras", "kfp", "pip") if u.find_spec(n)])\'',
    )
    assert out.strip() == "[]"


@pytest.mark.parametrize("name", IMAGES)
def test_its_packages_fit_together(sh, name) -> None:
    """What each installed package requires is there, at a version that it takes."""
    code = """
from importlib.metadata import distributions
from packaging.requirements import Requirement
found = {d.name.lower().replace("_", "-").replace(".", "-"): d.version for d in distributions()}
wrong = []
for one in distributions():
    for line in one.requires or []:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        version = found.get(need.name.lower().replace("_", "-").replace(".", "-"))
        if version is None or not need.specifier.contains(version, prereleases=True):
            wrong.append((one.name, line, version))
print(len(found) > 50, wrong)
"""
    assert sh(name, f"python3 - <<'END'\n{code}\nEND").strip() == "True []"
