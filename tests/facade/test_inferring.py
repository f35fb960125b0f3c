"""Agent.fit without the names of columns: they are found as `bertworks init` finds them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bertworks import AgentSpec
from bertworks.errors import DataError
from bertworks.facade.inferring import inferred, nothing_is_said
from bertworks.facade.settings import spec_of
from tests.inspection.made import N, as_csv, labels, save_to_disk, texts

COLUMNS = dict.fromkeys(("text", "label", "score", "tokens", "tags", "extra"))


def made(data: Any, folder: Path) -> AgentSpec:
    rows = folder / "root/rows"
    rows.mkdir(parents=True, exist_ok=True)
    data, spec = inferred(data, rows, tell=False)
    return spec_of(
        data, spec=spec, name=None, columns=COLUMNS, settings={}, rows=rows,
        shares={"validation": None, "test": None},
    ).spec  # fmt: skip


def test_columns_of_a_file_a_frame_and_dicts_are_found(tmp_path: Path) -> None:
    review, verdict = texts(N), labels(N, ["good", "bad"])
    frame = pd.DataFrame({"nr": range(N), "review": review, "verdict": verdict})
    file = as_csv(tmp_path / "reviews.csv", list(frame), range(N), review, verdict)
    for data in (file, frame, frame.to_dict("records"), iter(frame.to_dict("records"))):
        spec = made(data, tmp_path)
        columns = spec.data.sources[0].columns
        assert (columns.text, columns.label) == ("review", "verdict")
        assert spec.name == ("reviews" if data is file else "agent")


def test_a_folder_of_official_splits(tmp_path: Path) -> None:
    for name, count in (("train", N), ("dev", 40), ("test", 40)):
        as_csv(tmp_path / f"{name}.csv", ["utterance", "intent"], texts(count, seed=count),
               labels(count, ["pay", "ask"]))  # fmt: skip
    spec = made(tmp_path, tmp_path)
    assert [one.split for one in spec.data.sources] == ["train", "validation", "test"]
    assert all(Path(one.uri).is_file() for one in spec.data.sources)


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        save_to_disk(tmp_path / "saved" / split, [1])
    spec = made(tmp_path / "saved", tmp_path)
    assert [one.split for one in spec.data.sources] == ["train", "validation", "test"]
    spec = made(tmp_path / "saved/train/data-00000-of-00001.arrow", tmp_path)
    assert spec.data.sources[0].columns.label == "label"


def test_the_usual_names_need_no_look(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "b"}]
    assert inferred(rows, tmp_path, tell=False) == (rows, None)
    file = as_csv(tmp_path / "a.csv", ["label", "text"], ["b"], ["a"])
    assert inferred(file, tmp_path, tell=False) == (file, None)


def test_a_guess_is_warned_of(tmp_path: Path) -> None:
    stars = labels(N, [1, 2, 3, 4, 5])
    with pytest.warns(UserWarning, match="whole numbers"):
        made([{"review": a, "stars": b} for a, b in zip(texts(N), stars, strict=True)], tmp_path)


def test_what_is_no_rows_is_left_to_be_refused(tmp_path: Path) -> None:
    for data in (5, {"text": "a"}, [1, 2], []):
        assert inferred(data, tmp_path, tell=False)[1] is None
    with pytest.raises(DataError):
        made(5, tmp_path)


def test_a_word_on_columns_or_task_is_enough() -> None:
    assert nothing_is_said("a.csv", COLUMNS, {"epochs": 3})
    assert not nothing_is_said("a.csv", {**COLUMNS, "text": "review"}, {})
    assert not nothing_is_said("a.csv", COLUMNS, {"task": "tagging"})
    assert not nothing_is_said("a.csv", COLUMNS, {"task__pair": True})
    assert not nothing_is_said(None, COLUMNS, {})


def test_nothing_is_warned_of_where_all_is_clear(tmp_path: Path) -> None:
    rows = [{"review": a, "label": b} for a, b in zip(texts(N), labels(N, "ab"), strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(rows, tmp_path)


def test_rows_without_text_are_refused_without_the_name_of_a_file_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column of text") as caught:
        inferred([{"x": number * 1.5, "y": number} for number in range(N)], tmp_path, tell=False)
    assert caught.value.message.startswith("The table") and str(tmp_path) not in str(caught.value)
