"""Packaging: the library, the steps and the pipelines, installed under their own names."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "bertworks/__init__.py").read_text("utf-8"), re.MULTILINE
).group(1)
REQUIREMENTS = [
    line
    for line in (ROOT / "requirements/runtime.in").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]

# The serving manifests are part of the deploy step; an image that never deploys may leave them out.
MANIFESTS = ROOT / "k8s/serving"
DEPLOY = "components.deploy.serving"

setup(
    name="bertworks",
    version=VERSION,
    description="From a pretrained BERT and your own text to a small, fast, gated, served agent.",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.14",
    packages=[
        *find_packages(include=["bertworks*", "components*", "pipelines*"]),
        *([DEPLOY] if MANIFESTS.is_dir() else []),
    ],
    package_dir={DEPLOY: "k8s/serving"} if MANIFESTS.is_dir() else {},
    package_data={
        "bertworks.pages": ["templates/**/*.html.j2", "templates/**/*.css"],
        "bertworks.serving.page": ["files/*"],
        DEPLOY: ["*/*.yaml"],
    },
    install_requires=REQUIREMENTS,
    entry_points={"console_scripts": ["bertworks = pipelines.cli.main:main"]},
)
