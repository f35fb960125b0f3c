"""Compiled pipelines, byte for byte. A wanted change: `make golden`, and read the difference."""

import os
from pathlib import Path

import pytest
from tiny_agent import REPOSITORY

from bertworks.spec import file as spec_file
from pipelines.compile import compile_agent

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "sentiment": (REPOSITORY / "examples/sentiment.yaml", "agent"),
    "every-resource": (GOLDEN / "every-resource.yaml", "agent"),
    "search": (GOLDEN / "search.yaml", "agent"),
    "retrain": (GOLDEN / "retrain.yaml", "retrain"),
    "dialogue": (GOLDEN / "dialogue.yaml", "agent"),
    "dialogue-retrain": (GOLDEN / "dialogue-retrain.yaml", "retrain"),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(tmp_path, name):
    spec, kind = CASES[name]
    expected = GOLDEN / f"{name}.pipeline.yaml"
    compile_agent(spec_file.load_any(spec), tmp_path / "p.yaml", kind=kind)
    if os.environ.get("BERTWORKS_WRITE_GOLDEN"):
        expected.write_bytes((tmp_path / "p.yaml").read_bytes())
    # Lines, as pytest shows where two lists differ.
    assert (tmp_path / "p.yaml").read_text().splitlines() == expected.read_text().splitlines()
    assert (tmp_path / "p.yaml").read_bytes() == expected.read_bytes()
