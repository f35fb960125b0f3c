"""Folders and files named as public data sets name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.places import Place, split_by_name
from tests.inspection.made import texts


def _write(folder: Path, name: str, count: int, first: int, ending: str = ".txt") -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts(count, seed=first)):
        (folder / f"{first + number}{name}{ending}").write_text(f"{text} {first + number}\n")


def _classes(found: Composed) -> dict[str, set[str]]:
    sources = found.content["data"]["sources"]
    result: dict[str, set[str]] = {}
    for source in sources:
        result.setdefault(source.get("split", ""), set()).add(source["constants"]["label"])
    return result


def test_folders_of_classes_in_folders_of_splits_with_lists_of_words_beside(tmp_path: Path) -> None:
    for split, count in (("train", 40), ("test", 25)):
        for place, label in enumerate(("pos", "neg")):
            first = 1000 * (place + 1) + (500 if split == "test" else 0)
            _write(tmp_path / split / label, "_7", count, first)
    _write(tmp_path / "train" / "unsup", "_0", 30, 9000)
    for listed in ("imdb.vocab", "train/urls_pos.txt", "train/labeledBow.feat"):
        (tmp_path / listed).write_text("the\nand\na\nof\n")
    (tmp_path / "README").write_text("Large Movie Review Dataset\n")
    found = inspect([str(tmp_path)], tmp_path)
    assert _classes(found) == {"train": {"pos", "neg"}, "test": {"pos", "neg"}}
    told = " ".join(one.line() for one in found.decisions)
    assert "unsup" in told and "imdb.vocab" in told


@pytest.mark.parametrize("count", [8, 30])
def test_texts_without_an_ending_in_folders_of_classes(count: int, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for place, label in enumerate(("sci.space", "rec.autos")):
            first = 10_000 * (place + 1) + (5_000 if split == "test" else 0)
            _write(tmp_path / f"20news-bydate-{split}" / label, "", count, first, "")
    found = inspect([str(tmp_path)], tmp_path)
    every = {"sci.space", "rec.autos"}
    assert _classes(found) == {"train": every, "test": every}


@pytest.mark.parametrize(("name", "split"), [
    ("esp.train", "train"), ("esp.testa", "validation"), ("esp.testb", "test"),
    ("eng.testa", "validation"), ("conll03/eng.testb", "test"),
])  # fmt: skip
def test_the_names_of_shared_tasks(name: str, split: str) -> None:
    assert split_by_name(Place("", (name,), ())) == split
