"""Real data sets, where a folder of them lies beside the repository: each one as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from bertworks.errors import DataError
from bertworks.spec import AgentSpec

PARENTS = Path(__file__).resolve().parents
DATA = next((one / "shared/data" for one in PARENTS if (one / "shared/data").is_dir()), None)
needs_data = pytest.mark.skipif(DATA is None, reason="no folder shared/data beside the repository")
OFFICIAL = ["train", "validation", "test"]
EXPECTED = {
    # folder: task, pair, text, label, language, ending
    "ag_news": ("classification", False, "text", "label", "English", ".jsonl"),
    "banking77": ("classification", False, "text", "label", "English", ".jsonl"),
    "bitext_support": ("classification", False, "text", "label", "English", ".jsonl"),
    "chnsenticorp": ("classification", False, "text", "label", "Chinese", ".jsonl"),
    "cola": ("classification", False, "text", "label", "English", ".jsonl"),
    "conll2003_en": ("tagging", False, "text", "label", "English", ".txt"),
    "mrpc": ("classification", True, "text", "label", "English", ".jsonl"),
    "msra_ner_zh": ("tagging", False, "text", "label", "Chinese", ".txt"),
    "snips": ("classification", False, "text", "label", "English", ".jsonl"),
    "sst2": ("classification", False, "text", "label", "English", ".jsonl"),
    "stsb_en": ("regression", True, "text", "score", "English", ".jsonl"),
    "stsb_zh": ("regression", True, "text", "score", "Chinese", ".jsonl"),
}


def check(found: Composed, name: str, splits: list[str]) -> None:
    task, pair, text, label, language, _ = EXPECTED[name]
    spec = AgentSpec.model_validate(found.content)
    assert (spec.task.type, spec.task.pair) == (task, pair)
    assert [*dict.fromkeys(one.split for one in spec.data.sources)] == splits
    assert {one.columns.text for one in spec.data.sources} == {text}
    assert {one.columns.label for one in spec.data.sources} == {label}
    said = next(one.value for one in found.decisions if one.subject == "language")
    assert said.startswith(language)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_a_folder_is_recognized(name: str, tmp_path: Path) -> None:
    assert DATA is not None
    check(inspect([str(DATA / name)], tmp_path), name, OFFICIAL)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_a_training_file_alone_is_recognized(name: str, tmp_path: Path) -> None:
    assert DATA is not None
    found = inspect([str(DATA / name / f"train{EXPECTED[name][-1]}")], tmp_path)
    check(found, name, ["auto"])


@needs_data
def test_plain_text_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        inspect([str(DATA / "wikitext2_eval")], tmp_path)  # type: ignore[operator]
