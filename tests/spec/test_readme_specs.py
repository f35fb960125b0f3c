"""Each spec that README shows is one, and shows what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertworks.spec import AgentSpec
from bertworks.spec.file import load

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_each_spec_in_the_readme_is_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(block, encoding="utf-8")
    load(tmp_path / "agent.yaml")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_no_setting_in_the_readme_is_a_comment(block: str) -> None:
    """One that is shown as a comment is not tried, and may be none when the mark is taken away."""
    assert not re.findall(r"^ *#.*\w:", block, re.M)


def test_the_readme_shows_pairs_official_splits_and_another_base(tmp_path: Path) -> None:
    specs = []
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"{number}.yaml").write_text(block, encoding="utf-8")
        specs.append(load(tmp_path / f"{number}.yaml").spec)
    default = AgentSpec.model_fields["base"].default_factory().uri  # type: ignore[misc, call-arg]
    assert any(spec.task.pair for spec in specs)
    assert any(spec.base.uri != default for spec in specs)
    official = [source for spec in specs for source in spec.data.sources if source.keep_all]
    assert {source.split for source in official} == {"validation", "test"}
