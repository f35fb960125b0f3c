"""The Dockerfiles as text: what must hold on every host, without an engine."""

import re

import pytest
from tiny_agent import REPOSITORY

from bertworks import __version__
from bertworks.dialogue.learner import LEARNER
from bertworks.spec.cluster import Resources
from components.image import IMAGE, LEARNING

FOLDER = REPOSITORY / "docker"
FILES = sorted(FOLDER.glob("*.Dockerfile"))
LOCKS = ["build", "gpu", "image", "serving"]


def names(lock: str) -> dict[str, str]:
    """Package to version of a lock."""
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_is_built_from_its_argument_and_runs_as_10001(file) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert not any(line.startswith("# syntax") for line in lines), "fetches a frontend"
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    own = {stage[3] for stage in stages if len(stage) == 4}
    assert {stage[1] for stage in stages} - own - {"${PIPELINE_IMAGE}"} == {"${BASE_IMAGE}"}
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    commands = " ".join(lines).replace("\\ ", "").split("pip install")[1:]
    for command in commands:
        locked = "--require-hashes" in command.split("&&")[0]
        # torch brings what its platform needs: requirements/dialogue.txt is pinned, and not hashed.
        pinned = "-r /tmp/dialogue.txt" in command
        assert locked or pinned or ("--offline" in command and "--no-deps" in command)
    assert 'org.opencontainers.image.version="${VERSION}"' in "\n".join(lines)


@pytest.mark.parametrize("name", ["pipeline", "serving", "tfx"])
def test_no_library_in_it_reports_to_its_maker(name) -> None:
    text = (FOLDER / f"{name}.Dockerfile").read_text("utf-8")
    assert "\n    ORT_DISABLE_TELEMETRY=1 \\\n" in text.split("ENV PATH=")[1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_a_build_mounts_is_mounted_on_folders_of_the_base(file) -> None:
    """A mount point that the build makes stays in the image's layer, empty."""
    image = file.read_text("utf-8").rpartition("\nFROM ")[2]
    targets = set(re.findall(r"type=bind,\S*target=(\S+?)[,\s]", image))
    assert targets <= {"/mnt", "/media", "/srv"}


def test_the_example_in_the_tfx_image_may_write_to_what_it_mounts() -> None:
    text = (FOLDER / "tfx.Dockerfile").read_text("utf-8")
    assert '#   docker run --rm --user "$(id -u):0" -v "$PWD:/work"' in text


def test_the_gpu_image_stands_on_this_version_s_pipeline_image() -> None:
    text = (FOLDER / "pipeline-gpu.Dockerfile").read_text("utf-8")
    assert f"ARG PIPELINE_IMAGE=bertworks/pipeline:{__version__}\n" in text


def test_the_spec_asks_for_images_that_are_built() -> None:
    assert Resources().image == IMAGE == f"bertworks/pipeline:{__version__}"
    assert Resources().gpu_image == f"bertworks/pipeline-gpu:{__version__}"


def test_the_dialogue_image_stands_on_this_version_s_pipeline_image() -> None:
    text = (FOLDER / "dialogue.Dockerfile").read_text("utf-8")
    assert f"ARG PIPELINE_IMAGE=bertworks/pipeline:{__version__}\n" in text
    assert f"ENV {LEARNER}=/opt/dialogue/bin/python\n" in text
    assert Resources().dialogue_image == LEARNING == f"bertworks/dialogue:{__version__}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_and_hashed(lock) -> None:
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text("utf-8")
    packages = re.findall(r"^[a-z].*(?:\n    .*)*", text, re.MULTILINE)
    assert packages
    assert all("==" in one and "--hash=sha256:" in one for one in packages)


def test_the_images_use_the_versions_that_were_tested_here() -> None:
    runtime, image, serving, gpu = map(names, ("runtime", "image", "serving", "gpu"))
    differing = {name for name in runtime.keys() & image.keys() if runtime[name] != image[name]}
    assert differing <= {"google-apitools"}  # apache-beam wants another one on Python 3.13
    assert serving.items() <= image.items() <= gpu.items()
    extra = gpu.keys() - image.keys()
    assert extra and all(name.startswith("nvidia-") for name in extra)
    assert not {"tensorflow", "torch", "keras", "kfp", "transformers"} & serving.keys()
