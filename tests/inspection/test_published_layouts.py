"""Folders and files named as public data sets name them."""

from __future__ import annotations

import json
import subprocess
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.places import Place, split_by_name
from bertworks.errors import DataError
from tests.inspection.made import N, as_csv, as_jsonl, labels, texts


def _write(folder: Path, name: str, count: int, first: int, ending: str = ".txt") -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts(count, seed=first)):
        (folder / f"{first + number}{name}{ending}").write_text(f"{text} {first + number}\n")


def _classes(found: Composed) -> dict[str, set[str]]:
    sources = found.content["data"]["sources"]
    result: dict[str, set[str]] = {}
    for source in sources:
        result.setdefault(source.get("split", "train"), set()).add(source["constants"]["label"])
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


def test_a_treebank_is_told_with_a_command_that_helps(tmp_path: Path) -> None:
    lines = [
        f"# sent_id = w{number}\n1\tfind\tfind\tVERB\t_\t_\t0\troot\t_\t_\n"
        f"2-3\tit's\t_\t_\t_\t_\t_\t_\t_\t_\n2\tit{number}\tit\tPRON\t_\t_\t1\tobj\t_\t_\n"
        "3\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_\n"
        for number in range(60)
    ]
    file = tmp_path / "en-ud-train.conllu"
    file.write_text("\n".join(lines))
    with pytest.raises(DataError, match="CoNLL-U") as caught:
        inspect([str(file)], tmp_path)
    command = caught.value.fix.partition(": ")[2].replace("rows.conll", f"{tmp_path}/rows.conll")
    subprocess.run(command, shell=True, check=True)
    found = inspect([f"{tmp_path}/rows.conll"], tmp_path)
    assert found.content["task"]["type"] == "tagging"


def test_numbers_of_tags_are_named_for_the_rows_to_measure_by_too(tmp_path: Path) -> None:
    words = [text.split() for text in texts(N)]
    tags = [[number % 3 for number in range(len(one))] for one in words]
    as_jsonl(tmp_path / "train.json", tokens=words, ner_tags=tags)
    words = [text.split() for text in texts(30, seed=5)]
    rare = [[4, *(number % 3 for number in range(1, len(one)))] for one in words]
    as_jsonl(tmp_path / "validation.json", tokens=words, ner_tags=rare)
    found = inspect([str(tmp_path)], tmp_path)
    assert found.content["data"]["sources"][0]["label_names"][-1] == "I-4"
    assert not [one for one in found.decisions if one.subject == "refused"]


def test_a_refused_row_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [
        json.dumps({"text": a, "label": b})
        for a, b in zip(texts(200), labels(200, ["a", "b"]), strict=True)
    ]
    rows[70] = rows[70][:-5]
    file.write_text("\n".join(rows))
    found = inspect([str(file)], tmp_path)
    refused = next(one for one in found.decisions if one.subject == "refused")
    assert "a.jsonl row 71" in refused.reason


def test_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    file = Path(as_csv(tmp_path / "a.csv", ["text", "label"], texts(N), labels(N, ["a", "b"])))
    with file.open("r+b") as stream:
        stream.truncate(200_000_000)  # sparse: NUL bytes that take no room
    tracemalloc.start()
    with pytest.raises(DataError, match="longer than") as caught:
        inspect([str(file)], tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "a.csv" in caught.value.message and peak < 50_000_000


STATEMENT = ("half-true", "mostly-true", "false", "true", "barely-true", "pants-fire")


def test_a_headerless_table_of_statements_has_its_label_beside_the_text(tmp_path: Path) -> None:
    """Names of rows, a verdict, the statement; behind it who said it, where, and counts of verdicts."""
    for split, count in (("train", 600), ("valid", 120), ("test", 120)):
        random = Random(split)
        rows = []
        for number, text in enumerate(texts(count, seed=count + len(split))):
            speaker = f"speaker-{random.randint(1, 90)}-name"
            job = random.choice(
                ["President", "Governor", "", *(f"Job {n} of it" for n in range(40))]
            )
            place = random.choice(["Illinois", "Texas", "Ohio", "", "New York"])
            party = random.choice(["republican", "democrat", "none", "independent"])
            counts = [str(random.choice([0, 0, 0, 1, 2, 7, 70])) for _ in range(5)]
            told = random.choice(["a speech", "a tweet", *(f"a show, part {n}" for n in range(80))])
            verdict = random.choice(STATEMENT)
            named = [
                f"{random.randint(1, 14000)}.json",
                verdict,
                f"Says {text} {number}",
                "taxes,jobs",
            ]
            rows.append([*named, speaker, job, place, party, *counts, told])
        lines = "\n".join("\t".join(row) for row in rows)
        (tmp_path / f"{split}.tsv").write_text(f"{lines}\n", encoding="utf-8")
    found = inspect([str(tmp_path)], tmp_path)
    source = found.content["data"]["sources"][0]
    assert source["header"] is False and source["names"][:3] == ["column_1", "label", "text"]
    label = next(one for one in found.decisions if one.subject == "label")
    assert "the likelier of" not in label.reason  # nothing else comes near


def _emotions(folder: Path, names: int, several: bool = True) -> Composed:
    """Rows of a text and the numbers of its classes, as published, with the names in a file beside."""
    listed = [f"emotion {n}" for n in range(names)]
    (folder / "emotions.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    for split, count in (("train", 400), ("dev", 90), ("test", 90)):
        random = Random(split)
        most = 9 if split == "train" else 7  # not every class stands in each file
        lines = []
        for number, text in enumerate(texts(count, seed=count + len(split))):
            size = random.choice([1, 1, 1, 2, 3]) if several else 1
            cell = ",".join(map(str, sorted(random.sample(range(most), size))))
            lines.append(f"{text} {number}\t{cell}\te{number:06x}z")
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return inspect([str(folder)], folder)


@pytest.mark.parametrize("several", [True, False])
def test_a_file_of_names_beside_numbered_labels_names_them(tmp_path: Path, several: bool) -> None:
    found = _emotions(tmp_path, 9, several)
    assert found.content["task"].get("multi_label", False) is several
    names = [f"emotion {n}" for n in range(9)]
    assert [one["label_names"] for one in found.content["data"]["sources"]] == [names] * 3
    told = next(one for one in found.decisions if one.subject == "label names")
    assert told.value.startswith("emotion 0, emotion 1") and "emotions.txt" in told.reason
    aside = next(one for one in found.decisions if one.subject == "left out")
    assert aside.reason == "the names of the labels"


@pytest.mark.parametrize("lines", [8, 10])
def test_a_file_of_another_length_names_no_labels(tmp_path: Path, lines: int) -> None:
    found = _emotions(tmp_path, lines)
    assert all("label_names" not in one for one in found.content["data"]["sources"])
