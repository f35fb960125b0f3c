"""Presets are defaults below what a spec says, and are told as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bertworks.errors import SpecError
from bertworks.facade.settings import spec_of
from bertworks.spec import AgentSpec, Finetune, presets
from bertworks.spec import file as spec_file
from bertworks.spec.presets import VALUES, Preset

ROWS: dict[str, Any] = {"name": "a", "data": {"sources": [{"uri": "rows.csv"}]}}
OVER: dict[str, Any] = {
    "finetune": {"decay": "linear", "epochs": 7},
    "compress": {"prune": {"enabled": True}},
    "evaluate": {"slices": ["length"]},
    "tune": {"enabled": False},
}


def written(folder: Path, **more: Any) -> Path:
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump({**ROWS, **more}), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", get_args(Preset))
def test_every_value_of_a_preset_is_set_and_told(name: Preset, tmp_path: Path) -> None:
    loaded = spec_file.load(written(tmp_path, preset=name))
    found = {key: (value, origin) for key, value, origin in spec_file.explain(loaded)}
    for key, value in VALUES[name].items():
        assert found[key] == (value, f"preset {name}")
    told = {key for key, (_, origin) in found.items() if origin.startswith("preset")}
    assert told == set(VALUES[name])


def test_balanced_is_what_there_is_without_a_preset() -> None:
    plain = AgentSpec(**ROWS).model_dump(exclude={"preset"})
    assert AgentSpec(**ROWS, preset="balanced").model_dump(exclude={"preset"}) == plain


def test_what_the_spec_says_stands_above(tmp_path: Path) -> None:
    file = written(tmp_path, preset="best", finetune={"decay": "linear"}, tune={"minutes": 5})
    loaded = spec_file.load(file)
    found = {key: (value, origin) for key, value, origin in spec_file.explain(loaded)}
    assert loaded.spec.finetune.decay == "linear" and loaded.spec.tune.minutes == 5
    assert found["finetune.decay"][1].startswith(str(file))
    assert found["finetune.layer_decay"] == (0.9, "preset best")
    off = spec_file.load(file, ["tune.enabled=false", "finetune.layer_decay=1"])
    assert not off.spec.tune.enabled and off.spec.finetune.layer_decay == 1


def test_an_override_chooses_another(tmp_path: Path) -> None:
    file = written(tmp_path, preset="best")
    loaded = spec_file.load(file, ["preset=quick"])
    assert loaded.spec.finetune.epochs == 2 and loaded.spec.finetune.decay == "linear"
    assert not loaded.spec.compress.prune.enabled and not loaded.spec.tune.enabled
    with pytest.raises(SpecError, match="`preset`.*'quick', 'balanced' or 'best'.*'fast'"):
        spec_file.load(file, ["preset=fast"])


def test_a_new_encoder_learns_in_all_layers_alike() -> None:
    spec = AgentSpec(**ROWS, preset="best", base={"uri": "scratch"})
    assert spec.finetune.layer_decay == 1 and spec.finetune.decay == "cosine"


def test_a_section_may_be_an_object() -> None:
    spec = AgentSpec(**ROWS, preset="quick", finetune=Finetune(learning_rate=0.5))
    assert (spec.finetune.epochs, spec.finetune.learning_rate) == (2, 0.5)


Given = st.fixed_dictionaries({}, optional={key: st.just(value) for key, value in OVER.items()})


@given(st.sampled_from(get_args(Preset)), Given)
def test_a_file_of_it_reads_as_it_was(name: Preset, more: dict[str, Any]) -> None:
    spec = AgentSpec(**ROWS, **more, preset=name)
    text = spec.to_yaml()
    assert AgentSpec.model_validate(yaml.safe_load(text)) == spec
    # What was resolved once reads the same again, as records and plans have it.
    whole = spec.model_dump(mode="json", by_alias=True)
    assert AgentSpec.model_validate(whole) == spec
    said = presets.without(yaml.safe_load(text))
    assert said == yaml.safe_load(text)


def test_agent_fit_takes_one_over_that_of_a_spec(tmp_path: Path) -> None:
    def fitted(**settings: Any) -> AgentSpec:
        none = {"validation": None, "test": None}
        return spec_of(
            None, name=None, columns={}, shares=none, rows=tmp_path / "rows", **settings
        ).spec

    file = written(tmp_path, preset="best", gates={"minimum": 0.5})
    for spec in (file, spec_file.load(file).spec):
        assert fitted(spec=spec, settings={}).finetune.decay == "cosine"
        quick = fitted(spec=spec, settings={"preset": "quick"})
        assert (quick.preset, quick.finetune.epochs, quick.tune.enabled) == ("quick", 2, False)
        assert quick.finetune.decay == "linear" and quick.gates.minimum == 0.5
        changed = fitted(spec=spec, settings={"preset": "quick", "epochs": 5})
        assert changed.finetune.epochs == 5
