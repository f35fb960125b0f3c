"""Each kind of data set is recognized, and the spec that is written loads and reads its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.saving import save
from bertworks.spec import file as spec_file
from tests.inspection.made import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_a_data_set_of_this_kind_is_recognized(name: str, tmp_path: Path) -> None:
    make, expected = KINDS[name]
    (tmp_path / "rows").mkdir()
    found = inspect(make(tmp_path / "rows"), tmp_path)
    text = save(found, tmp_path / "agent.yaml", "bertworks init rows")
    loaded = spec_file.load(tmp_path / "agent.yaml").spec
    assert yaml.safe_load(text) == found.content  # comments change nothing
    task = loaded.task.type
    task += " pair" if loaded.task.pair else ""
    task = "multi_label" if loaded.task.multi_label else task
    wanted = "classification pair" if expected.task == "pair" else expected.task
    assert task == wanted, text
    sources = loaded.data.sources
    assert tuple(source.split for source in sources) == expected.splits, text
    for role, column in expected.columns.items():
        assert getattr(sources[0].columns, role) == column, text
    shown = found.content["data"]["sources"][0]
    assert {key: shown.get(key) for key in expected.source} == expected.source, text
    data = found.content["data"]
    assert {key: data.get(key) for key in expected.data} == expected.data, text
    if expected.language:
        said = next(one.value for one in found.decisions if one.subject == "language")
        names = {"en": "English", "de": "German", "fr": "French", "zh": "Chinese"}
        assert said.startswith(names[expected.language]), said
    for decision in found.decisions:
        assert decision.reason and decision.value, decision
