"""One seed for all that changes an agent, below the sections' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bertworks.errors import SpecError
from bertworks.facade.settings import spec_of
from bertworks.spec import AgentSpec, Finetune
from bertworks.spec import file as spec_file

ROWS: dict[str, Any] = {"name": "a", "data": {"sources": [{"uri": "rows.csv"}]}}


def seeds(spec: AgentSpec) -> list[int]:
    prune, quantize = spec.compress.prune, spec.compress.quantize
    return [part.seed for part in (spec.pretrain, spec.finetune, spec.tune, prune, quantize)]


def written(folder: Path, **more: Any) -> Path:
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump({**ROWS, **more}), encoding="utf-8")
    return file


def test_it_is_that_of_all_that_changes_the_agent_and_of_nothing_that_measures_it() -> None:
    spec = AgentSpec(**ROWS, seed=7)
    assert seeds(spec) == [7] * 5
    assert (spec.evaluate.seed, spec.retrain.seed) == (42, 42)
    assert not spec.tune.enabled  # a seed asks for no search
    assert seeds(AgentSpec(**ROWS)) == [42] * 5


def test_it_says_in_every_section_that_has_one_what_it_is(tmp_path: Path) -> None:
    """A section that comes later is seeded, too, or is among those that measure."""

    def seeded(content: Any, place: str = "") -> set[str]:
        if not isinstance(content, dict):
            return set()
        own = {f"{place}seed"} if "seed" in content and place else set()
        return own.union(*(seeded(part, f"{place}{name}.") for name, part in content.items()))

    from bertworks.spec.presets import SEEDED

    every = seeded(AgentSpec(**ROWS).model_dump(by_alias=True))
    assert every - {*SEEDED} == {"evaluate.seed", "retrain.seed"}
    assert {*SEEDED} <= every


def test_a_sections_own_stands_above_and_origins_are_told(tmp_path: Path) -> None:
    file = written(tmp_path, seed=7, finetune={"seed": 3}, preset="best")
    loaded = spec_file.load(file, ["compress.prune.seed=5"])
    assert seeds(loaded.spec) == [7, 3, 7, 5, 7]
    told = {key: origin for key, _, origin in spec_file.explain(loaded)}
    assert told["tune.seed"] == told["compress.quantize.seed"] == "seed"
    assert told["finetune.seed"].startswith(str(file)) and told["finetune.decay"] == "preset best"
    assert seeds(spec_file.load(file, ["seed=9"]).spec) == [9, 3, 9, 9, 9]


@pytest.mark.parametrize("more", [{}, {"preset": "best"}, {"finetune": {"seed": 3}}])
def test_a_file_of_it_reads_as_it_was_and_takes_another(tmp_path: Path, more: Any) -> None:
    spec = AgentSpec(**ROWS, **more, seed=7)
    text = spec.to_yaml()
    assert AgentSpec.model_validate(yaml.safe_load(text)) == spec
    assert text.count("seed") == 1 + ("finetune" in more)
    assert AgentSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    none = {"validation": None, "test": None}
    again = spec_of(
        None,
        spec=spec,
        name=None,
        columns={},
        shares=none,
        settings={"seed": 8},
        rows=tmp_path / "r",
    ).spec
    assert seeds(again) == [8, 3 if "finetune" in more else 8, 8, 8, 8]


def test_a_section_may_be_an_object() -> None:
    assert AgentSpec(**ROWS, seed=7, finetune=Finetune(epochs=2)).finetune.seed == 7


@pytest.mark.parametrize("wrong", [-1, "many", True, 1.5])
def test_what_is_no_seed_is_refused_as_such(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(SpecError, match="seed"):
        spec_file.load(written(tmp_path, seed=wrong))
