"""The tfx image's lock: hashed, and at the versions of the images that run the steps."""

import re

import pytest
from tiny_agent import REPOSITORY

from bertworks import __version__


def _versions(lock):
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", ["tfx", "tfx-test"])
def test_every_package_is_pinned_and_hashed(lock):
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text("utf-8")
    packages = re.findall(r"^[a-z].*(?:\n    .*)*", text, re.MULTILINE)

    assert packages
    assert all("==" in one and "--hash=sha256:" in one for one in packages)


def test_only_what_tfx_wants_otherwise_differs_from_the_steps_image():
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    apart = re.search(r"^TFX_APART = (.*)$", makefile, re.MULTILINE).group(1)
    ours, steps = _versions("tfx"), _versions("image")

    differing = {name for name in ours.keys() & steps.keys() if ours[name] != steps[name]}

    assert differing <= set(apart.split("|"))
    assert {"tensorflow", "keras", "tokenizers", "numpy", "onnxruntime"} <= ours.keys()
    assert "kfp" not in ours


def test_pytest_goes_into_the_image_without_changing_it():
    ours, beside = _versions("tfx"), _versions("tfx-test")

    assert not {name for name in ours.keys() & beside.keys() if ours[name] != beside[name]}


def test_the_image_of_the_tests_stands_on_this_version():
    text = (REPOSITORY / "docker/tfx-tests.Dockerfile").read_text("utf-8")

    assert f"ARG BASE_IMAGE=bertworks/tfx:{__version__}\n" in text
