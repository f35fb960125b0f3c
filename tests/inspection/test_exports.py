"""Tables as help desks, trackers and survey tools export them, and what their cells hold."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.facts import columns_of
from bertworks.data.inspection.inspect import inspect
from tests.inspection.made import N, as_csv, as_jsonl, labels, texts
from tests.inspection.test_bad_input import refused, said

TAGS = ("billing", "login", "mobile", "web", "eu", "vip", "shipping")


def tagged(mark: str = "", seed: int = 2) -> list[str]:
    """One to three different tags a row, with spaces between."""
    luck = random.Random(seed)
    return [" ".join(mark + tag for tag in luck.sample(TAGS, luck.randint(1, 3))) for _ in range(N)]


def marks(found: Composed) -> dict[str, bool]:
    return {one.subject: one.guessed for one in found.decisions}


@pytest.mark.parametrize("word", ["NA", "null", "None"])
def test_a_label_that_is_a_word_for_none_is_shown_as_it_stands(tmp_path: Path, word: str) -> None:
    regions = labels(N, ["EU", word, "US"])
    found = inspect([as_csv(tmp_path / "a.csv", ["text", "region"], texts(N), regions)], tmp_path)
    assert f"{word!r} (" in said(found, "unlabelled") and marks(found)["unlabelled"]
    assert f"if {word!r} is a label, name it in `where`" in said(found, "unlabelled")


@pytest.mark.parametrize("every", [1, 3])
def test_several_labels_of_fasttext_are_all_read(tmp_path: Path, every: int) -> None:
    rows = zip(texts(N), tagged("__label__"), strict=True)
    lines = [
        f"{several if number % every == 0 else several.split()[0]} {text}"
        for number, (text, several) in enumerate(rows)
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = inspect([str(tmp_path / "a.txt")], tmp_path)
    assert found.content["task"]["multi_label"] is True
    assert found.content["data"]["label_separator"] == " "
    assert "7 labels" in said(found, "labels")


@pytest.mark.parametrize(("name", "mark"), [("hashtags", "#"), ("tags", ""), ("Tags", "")])
def test_tags_with_spaces_between_are_several_labels(tmp_path: Path, name: str, mark: str) -> None:
    found = inspect([as_csv(tmp_path / "a.csv", ["text", name], texts(N), tagged(mark))], tmp_path)
    assert found.content["task"]["multi_label"] is True
    assert found.content["data"]["label_separator"] == " "
    assert "7 labels" in said(found, "labels")


def test_labels_of_several_words_are_not_taken_apart(tmp_path: Path) -> None:
    names = ["not good", "very good", "good", "not bad", "very bad", "bad"]
    found = inspect(
        [as_csv(tmp_path / "a.csv", ["text", "label"], texts(N), labels(N, names))], tmp_path
    )
    assert "multi_label" not in found.content["task"] and "6 labels" in said(found, "labels")


def test_columns_of_one_name_are_told_and_judge_nothing(tmp_path: Path) -> None:
    file = as_csv(
        tmp_path / "a.csv", ["Summary", "Labels", "Labels", "Labels", "Type"],
        texts(N), labels(N, ["x", "y"]), [""] * N, ["web"] * N, labels(N, ["Bug", "Task", "Story"]),
    )  # fmt: skip
    found = inspect([file], tmp_path)
    assert found.content["data"]["sources"][0]["columns"]["label"] == "Type"
    assert "Labels: 3 columns have this name" in said(found, "not read")


def test_lines_above_a_header_are_taken_out_as_advised(tmp_path: Path) -> None:
    as_csv(
        tmp_path / "a.csv",
        ["No", "Complaint", "Category"],
        range(N),
        texts(N),
        labels(N, ["a", "b"]),
    )
    file = tmp_path / "my report.csv"
    file.write_text(f"Monthly report,,\nGenerated: 2024,,\n,,\n{(tmp_path / 'a.csv').read_text()}")
    error = refused(str(file))
    assert "the header seems to be line 4 (No, Complaint, Category)" in error.message
    subprocess.run(error.fix.partition(": ")[2], shell=True, cwd=tmp_path, check=True)
    assert inspect([str(tmp_path / "rows.csv")], tmp_path).rows == N


def test_only_comments_above_the_header_are_taken_out(tmp_path: Path) -> None:
    """Rows may begin with the mark, too; and the command is run where `init` was."""
    folder = tmp_path / "my data"
    folder.mkdir()
    as_csv(folder / "a.csv", ["text", "label"], [f"#fail {one}" for one in texts(N)],
           labels(N, ["good", "bad"]))  # fmt: skip
    (folder / "a.csv").write_text(f"# exported\n{(folder / 'a.csv').read_text()}")
    error = refused(str(folder / "a.csv"))
    subprocess.run(error.fix.partition(": ")[2], shell=True, cwd=tmp_path, check=True)
    assert inspect([str(tmp_path / "rows.csv")], tmp_path).rows == N


@pytest.mark.parametrize("punctuation", ["PUNCT", "INTJ"])
def test_a_treebank_is_made_spans_as_advised(tmp_path: Path, punctuation: str) -> None:
    file = tmp_path / "my tree.conllu"
    words = [("dogs", "NOUN"), ("bark", "VERB"), ("loud", "ADV"), (".", punctuation)]
    lines = "\n".join(
        f"{n}\t{word}\t{word}\t{tag}\t_\t_\t0\troot\t_\t_" for n, (word, tag) in enumerate(words, 1)
    )
    sentences = [lines.replace("dogs", f"dogs{n}") for n in range(40)]
    file.write_text("".join(f"# text = dogs\n{one}\n\n" for one in sentences))
    error = refused(str(file))
    subprocess.run(error.fix.partition(": ")[2], shell=True, cwd=tmp_path, check=True)
    found = inspect([str(tmp_path / "rows.conll")], tmp_path)
    assert found.content["task"]["type"] == "tagging"


def test_lines_of_logs_are_texts_and_times_are_none(tmp_path: Path) -> None:
    begun = [
        f"2024-05-{n % 28 + 1:02}T10:11:00Z host sshd: {one}" for n, one in enumerate(texts(N))
    ]
    found = inspect([as_csv(tmp_path / "a.csv", ["line", "sev"], begun, labels(N, ["INFO", "WARN"]))],
                    tmp_path)  # fmt: skip
    assert found.content["data"]["sources"][0]["columns"]["text"] == "line"
    times = ["2024-05-03 10:11:12", "Mon, 03 Jan 2024 10:00:00 +0000", "Monday, 3 January 2024",
             "03/01/2024 10:00 AM", "Jan 3, 2024 10:00:00 PM UTC", "10:15"]  # fmt: skip
    for one in times:
        assert columns_of([{"when": one}] * 20)[0].is_time, one
    for one in ("Money is not there for it", "Sunny days for all of us", "Monitor broken again"):
        assert not columns_of([{"when": one}] * 20)[0].is_time, one


def test_emoji_are_texts(tmp_path: Path) -> None:
    luck = random.Random(1)
    faces = ["".join(luck.choices("😀😡👍🎉🤢💔✨🔥", k=6)) for _ in range(N)]
    found = inspect([as_csv(tmp_path / "a.csv", ["msg", "mood"], faces, labels(N, ["pos", "neg"]))],
                    tmp_path)  # fmt: skip
    assert found.content["data"]["sources"][0]["columns"]["text"] == "msg"


@pytest.mark.parametrize("name", ["nps", "How likely are you to recommend us (0-10)?", "CSAT"])
def test_what_people_were_asked_for_is_a_score(tmp_path: Path, name: str) -> None:
    given = [str(n % 11) for n in range(N)]
    team = labels(N, ["sales", "support", "it"], seed=4)
    found = inspect(
        [as_csv(tmp_path / "a.csv", ["why", name, "team"], texts(N), given, team)], tmp_path
    )
    assert found.content["task"]["type"] == "regression"
    assert found.content["data"]["sources"][0]["columns"]["label"] == name


def test_questions_and_answers_lead_to_matching(tmp_path: Path) -> None:
    error = refused(as_csv(tmp_path / "a.csv", ["question", "answer"], texts(N), texts(N, seed=9)))
    assert "task: {type: matching}" in error.fix and "docs/matching.md" in error.fix
    rows = {
        name: texts(N, seed=seed) for seed, name in enumerate(("query", "positive", "negative"))
    }
    assert "matching" in refused(as_jsonl(tmp_path / "a.jsonl", **rows)).fix


def test_texts_of_which_the_beginning_was_counted_are_not_called_short(tmp_path: Path) -> None:
    long = [" ".join([one] * 100) for one in texts(60)]
    found = inspect(
        [as_csv(tmp_path / "a.csv", ["doc", "label"], long, labels(60, ["a", "b"]))], tmp_path
    )
    told = int(said(found, "max_length").split("at most ")[1].split()[0])
    assert told > 1400
