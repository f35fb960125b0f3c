"""docs/notebook.ipynb run as a notebook; then the same again in a program, from the cache.

One real run for all of them: what the notebook makes is what the others find.
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest

from bertworks import Agent
from bertworks.errors import GateRefused
from bertworks.storage.store import Store
from tests.facade.kernel import REPOSITORY, execute

NOTEBOOK = REPOSITORY / "docs/notebook.ipynb"


def cell(notebook: Any, says: str) -> Any:
    """The code cell that holds a text."""
    return next(one for one in notebook.cells if one.cell_type == "code" and says in one.source)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The notebook with its outputs, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    execute(notebook, folder, tmp_path_factory.mktemp("kernels"))
    return folder, notebook


@pytest.fixture
def arguments(
    executed: tuple[Path, Any], warm_python: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What the notebook gave to Agent.fit, made by its own cells; steps need not start anew."""
    folder, notebook = executed
    monkeypatch.setattr(sys, "executable", warm_python)
    names: dict[str, Any] = {}
    exec(cell(notebook, "def made_up_reviews").source, names)
    fitting = cell(notebook, "agent = Agent.fit").source
    exec(fitting[: fitting.index("agent = Agent.fit")], names)
    own = {"text": "review", "label": "verdict", "name": "reviews", "root": folder / ".bertworks"}
    return {"data": names["reviews"], **own, **names["settings"]}


@pytest.mark.slow
def test_the_progress_is_one_output_that_changes_in_place(executed: tuple[Path, Any]) -> None:
    _, notebook = executed
    fitting = cell(notebook, "agent = Agent.fit")
    shown, agent = fitting.outputs
    assert shown.output_type == "display_data"
    text = shown.data["text/plain"]
    assert "register" in text and "succeeded after" in text
    assert "<pre" in shown.data["text/html"]
    assert agent.data["text/plain"] == "<Agent reviews/1: classification, 2 labels>"


def test_every_cell_says_what_its_text_promises(executed: tuple[Path, Any]) -> None:
    folder, notebook = executed
    table = cell(notebook, "unseen.join").outputs[0].data["text/html"]
    assert "verdict" in table and "label" in table
    report = cell(notebook, "agent.report").outputs[0].data["text/html"]
    assert report.startswith("<iframe srcdoc=") and "quantize" in report
    for outside in ("src=&quot;http", "href=&quot;http", "&lt;script"):
        assert outside not in report
    refusal = cell(notebook, "except GateRefused").outputs[0].text
    assert "not better than the floor" in refusal and "<Agent strict/1" in refusal
    assert "'label': 'good'" in cell(notebook, "agent.serve").outputs[0].text
    assert "finetune:" in cell(notebook, "to_yaml").outputs[0].text
    assert (folder / "reviews-agent/manifest.json").is_file()


def test_the_notebook_in_the_repository_holds_no_outputs() -> None:
    for one in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not one.get("outputs") and one.get("execution_count") is None


def test_the_same_again_from_a_thread_is_cached_and_leaves_nothing_behind(
    executed: tuple[Path, Any], arguments: dict[str, Any], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a program starts makes no difference
    before = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with ThreadPoolExecutor(1) as pool:
        agent = pool.submit(lambda: Agent.fit(**arguments, progress=False)).result()
    assert dict(os.environ) == before
    assert handlers == {number: signal.getsignal(number) for number in signal.valid_signals()}
    assert not [one for one in threading.enumerate() if one.name.startswith("bertworks")]
    assert list(tmp_path.iterdir()) == []
    states = {step["name"]: step["state"] for step in agent.record["steps"]}
    assert {states[name] for name in states if name != "register"} == {"cached"}
    assert (agent.name, agent.version, agent.labels) == ("reviews", 1, ["bad", "good"])
    assert agent.metrics["accuracy"] > 0.7
    assert agent.report.path.name == "report.html" and "gate" in agent.report.html
    loaded = Agent.load("reviews", root=arguments["root"])
    assert loaded.predict(["a warm plot"]) == agent.predict(["a warm plot"])
    assert loaded.metrics == agent.metrics
    assert "accuracy" in loaded.report.html


def test_a_refused_agent_comes_with_its_error(
    executed: tuple[Path, Any], arguments: dict[str, Any], capsys
) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with pytest.raises(GateRefused) as raised:
        Agent.fit(**{**arguments, "name": "strict"}, set={"gates.beat_floor": True})
    assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}
    refused = raised.value.agent
    assert refused.predict(["a warm plot"])[0]["label"] in ("bad", "good")
    assert "refused" in refused.report.html and refused.metrics["accuracy"] > 0.7
    assert Store(arguments["root"] / "models").show("strict", refused.version).state == "refused"
    assert "gate: failed" in capsys.readouterr().out  # in a program, a line a step
