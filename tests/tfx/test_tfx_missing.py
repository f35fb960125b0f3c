"""Where tfx cannot be installed, the command says why and what to do."""

import importlib.util

import pytest

from bertworks.errors import EnvironmentFault
from pipelines.tfx import agent as tfx_agent
from tests.fixes.taking import as_written, taken


def test_it_names_what_is_missing_and_the_image(monkeypatch):
    here = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ml_metadata" else here(name)
    )

    with pytest.raises(EnvironmentFault, match="ml_metadata") as caught:
        tfx_agent.require_tfx()

    assert "glibc 2.39" in str(caught.value)
    assert "make images IMAGES=tfx" in caught.value.fix


def test_the_command_ends_with_that_and_no_traceback(monkeypatch, capsys, tmp_path):
    from tiny_agent import SPEC

    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["tfx_agent", str(tmp_path / "spec.yaml")])

    with pytest.raises(SystemExit) as caught:
        tfx_agent.entry()

    assert caught.value.code == EnvironmentFault.exit_code
    assert capsys.readouterr().err.startswith("error: The TFX pipeline needs tfx")


def test_a_wrong_spec_is_answered_before_tfx_is_asked_for(monkeypatch, capsys, tmp_path):
    (tmp_path / "spec.yaml").write_text("name: UPPER\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["tfx_agent", str(tmp_path / "spec.yaml")])

    with pytest.raises(SystemExit) as caught:
        tfx_agent.entry()

    assert caught.value.code == 2
    assert "name" in capsys.readouterr().err


def test_a_search_is_refused_with_what_to_do(tmp_path):
    from tiny_agent import SPEC

    from bertworks.spec import file as spec_file

    (tmp_path / "spec.yaml").write_text(SPEC + "tune: {trials: 3}\n", encoding="utf-8")

    def attempt(*changes):
        tfx_agent.refuse_others(spec_file.load(tmp_path / "spec.yaml", changes).spec)

    taken("pipelines/tfx/agent.py", "Add --set tune.enabled=false", attempt, as_written)
