"""What nothing can be learned of is refused with what would help; what is odd is told."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bertworks.data.inspection import sampling
from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from bertworks.errors import BertworksError, DataError, SourceError
from tests.inspection.made import ENGLISH, GERMAN, N, as_csv, as_jsonl, labels, texts


def refused(*data: str) -> BertworksError:
    with pytest.raises(BertworksError) as caught:
        inspect(data, Path("/"))
    assert caught.value.fix
    return caught.value


def said(found: Composed, subject: str) -> str:
    return " | ".join(one.line() for one in found.decisions if one.subject == subject)


def test_no_text(tmp_path: Path) -> None:
    file = as_csv(tmp_path / "a.csv", ["id", "price"], range(N), [n * 1.5 for n in range(N)])
    error = refused(file)
    assert "no column of text" in error.message and "'price'" in error.message


def test_text_alone(tmp_path: Path) -> None:
    error = refused(as_csv(tmp_path / "a.csv", ["id", "text"], range(N), texts(N)))
    assert "nothing to learn" in error.message and "labels that repeat" in error.fix


def test_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(texts(N)))
    assert "nothing to learn" in refused(str(tmp_path / "a.txt")).message


def test_one_row(tmp_path: Path) -> None:
    error = refused(as_csv(tmp_path / "a.csv", ["text", "label"], texts(1), ["good"]))
    assert isinstance(error, DataError)


def test_a_few_rows(tmp_path: Path) -> None:
    error = refused(as_csv(tmp_path / "a.csv", ["text", "label"], texts(6), ["good", "bad"] * 3))
    assert "too few" in error.message


def test_one_class(tmp_path: Path) -> None:
    error = refused(as_csv(tmp_path / "a.csv", ["text", "label"], texts(N), ["good"] * N))
    assert "one class" in error.message and "'good'" in error.message


def test_labels_that_are_sentences(tmp_path: Path) -> None:
    answers = texts(N, seed=5)
    error = refused(as_csv(tmp_path / "a.csv", ["question_text", "answer"], texts(N), answers))
    assert "sentences" in error.message and "labels that repeat" in error.fix


def test_hundreds_of_classes_with_few_rows(tmp_path: Path) -> None:
    names = [f"intent_{n}" for n in range(500)]
    file = as_csv(tmp_path / "a.csv", ["text", "label"], texts(2000), labels(2000, names))
    found = inspect([file], tmp_path)
    assert "500 labels" in said(found, "labels") and "too few" in said(found, "labels")
    assert found.content["validate"]["checks"]["rare_labels"] == "warning"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    assert "is empty" in refused(str(tmp_path / "a.csv")).message


def test_a_header_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n")
    assert "no rows" in refused(str(tmp_path / "a.csv")).message


def test_labels_that_are_words_for_a_missing_value_are_told_with_their_counts(
    tmp_path: Path,
) -> None:
    words = labels(N, ["NA", "None", "nan", "yes"])
    error = refused(as_csv(tmp_path / "a.csv", ["text", "label"], texts(N), words))
    for word in ("NA", "None", "nan"):
        assert f"{word!r} ({words.count(word)})" in error.message
    assert "the others have the same, 'yes'" in error.message
    assert "every row" not in error.message and "`bertworks run` reads them" in error.fix
    only = labels(N, ["NA", "None"])
    error = refused(as_csv(tmp_path / "b.csv", ["text", "label"], texts(N), only))
    assert f"'NA' ({only.count('NA')})" in error.message and "no others" in error.message


def test_two_columns_of_one_name_are_said_first(tmp_path: Path) -> None:
    rows = (texts(N), labels(N, ["x", "y"]), texts(N))
    error = refused(as_csv(tmp_path / "a.csv", ["text", "label", "text"], *rows))
    assert "a.csv has 2 columns 'text', of which none is read" in error.message
    assert "rename the others" in error.fix
    as_csv(tmp_path / "b.csv", ["text", "label", "other"], *rows)
    assert inspect([str(tmp_path / "b.csv")], tmp_path).content["data"]


def test_a_column_without_a_name_is_told_as_not_read(tmp_path: Path) -> None:
    file = as_csv(tmp_path / "a.csv", ["text", "label", ""], texts(N), labels(N, ["x", "y"]),
                  [f"x{n}" for n in range(N)])  # fmt: skip
    assert "(no name)" in said(inspect([file], tmp_path), "not read")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.bin", "a"])
def test_a_binary_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(random.Random(1).randrange(256) for _ in range(5000)))
    assert isinstance(refused(str(tmp_path / name)), DataError)


def test_control_characters_make_no_column_names(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(bytes(byte or 1 for byte in random.Random(2).randbytes(5000)))
    error = refused(str(file))
    assert "binary" in error.message and "\x1c" not in error.message


def test_one_object_that_holds_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": [1, 2]}}')
    error = refused(str(tmp_path / "a.json"))
    assert "'a'" in error.message and "columns" not in error.fix


def test_scores_that_are_not_finite_are_no_labels(tmp_path: Path) -> None:
    scores = ["3.5", "2.25", "1,200", "1.75", "inf", "4.5"] * (N // 6)
    found = inspect([as_csv(tmp_path / "a.csv", ["text", "score"], texts(N), scores)], tmp_path)
    assert found.content["task"]["type"] == "regression"
    assert "a guess" in said(found, "task")


def test_what_looks_alike_is_counted_together(tmp_path: Path) -> None:
    names = ["good", "GOOD", "bad", "Bad", "BAD"]
    file = as_csv(tmp_path / "a.csv", ["text", "label"], texts(N), labels(N, names))
    found = inspect([file], tmp_path)
    assert "2 labels" in said(found, "labels") and "2 labels" in said(found, "task")
    assert "more" not in found.content["description"] and "GOOD" not in found.content["description"]


def test_no_such_file_and_an_empty_folder(tmp_path: Path) -> None:
    assert isinstance(refused(str(tmp_path / "a.csv")), SourceError)
    assert "holds no file" in refused(str(tmp_path)).message


def test_a_word_a_row(tmp_path: Path) -> None:
    words = [word for one in texts(30) for word in one.split()]
    tags = ["B-PER" if n % 11 == 0 else "O" for n in range(len(words))]
    file = as_csv(
        tmp_path / "ner.csv", ["Sentence #", "Word", "Tag"], [""] * len(words), words, tags
    )
    assert "a word and its tag a row" in refused(file).message


def test_two_languages_are_told(tmp_path: Path) -> None:
    both = [*texts(N, ENGLISH), *texts(N, GERMAN)]
    found = inspect(
        [as_csv(tmp_path / "a.csv", ["text", "label"], both, labels(2 * N, "ab"))], tmp_path
    )
    assert "two languages" in said(found, "language") and "German" in said(found, "language")


def test_a_large_file_is_looked_at_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_BYTES", 40_000)
    monkeypatch.setattr(sampling, "PIECES_BYTES", 40_000)
    order = sorted(labels(4000, ["bad", "good"]))  # a file that is sorted by its label
    file = as_csv(tmp_path / "a.csv", ["text", "label"], texts(4000), order)
    found = inspect([file], tmp_path)
    assert not found.whole and 100 < found.rows < 3000
    assert "not all" in said(found, "sample")
    assert "'bad'" in said(found, "labels") + said(found, "imbalance")


def test_conflicts_and_duplicates_are_settled_and_told(tmp_path: Path) -> None:
    made = texts(N)
    rows = [*made, *made[:10], *made[:10], *made[20:30]]
    first = labels(N, ["good", "bad"])
    other = [("bad" if one == "good" else "good") for one in first[:10]]
    file = as_csv(
        tmp_path / "a.csv", ["text", "label"], rows, [*first, *first[:10], *other, *first[20:30]]
    )
    found = inspect([file], tmp_path)
    assert "10 of them get the label that most" in said(found, "conflicts")
    assert "20 rows" in said(found, "duplicates")
    assert found.content["data"]["conflicting_labels"] == "majority"


def test_rows_that_stand_in_train_and_test(tmp_path: Path) -> None:
    made, names = texts(N), labels(N, ["good", "bad"])
    as_jsonl(tmp_path / "train.jsonl", text=made, label=names)
    as_jsonl(tmp_path / "dev.jsonl", text=texts(30, seed=4), label=labels(30, ["good", "bad"]))
    as_jsonl(tmp_path / "test.jsonl", text=[*made[:20], *texts(20, seed=5)],
             label=[*names[:20], *labels(20, ["good", "bad"])])  # fmt: skip
    as_jsonl(
        tmp_path / "test_unseen.jsonl", text=texts(20, seed=5), label=labels(20, ["good", "bad"])
    )
    found = inspect([str(tmp_path)], tmp_path)
    uris = [one["uri"] for one in found.content["data"]["sources"]]
    assert uris == ["train.jsonl", "dev.jsonl", "test_unseen.jsonl"]
    assert "test.jsonl" in said(found, "files")


def test_uneven_classes_are_judged_by_all_labels(tmp_path: Path) -> None:
    names = ["common"] * 390 + ["rare"] * 10
    found = inspect([as_csv(tmp_path / "a.csv", ["text", "label"], texts(400), names)], tmp_path)
    assert found.content["gates"] == {"metric": "macro_f1"}


def test_rows_that_are_refused_are_told_and_allowed_for(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    as_jsonl(file, text=texts(N), label=labels(N, ["good", "bad"]))
    with file.open("a") as stream:
        stream.write("".join(json.dumps({"text": "", "label": "good"}) + "\n" for _ in range(6)))
    found = inspect([str(file)], tmp_path)
    assert 0.05 <= found.content["data"]["max_rejected"] <= 0.1
    assert "is empty" in said(found, "refused")


def test_each_rule_that_refuses_rows_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    as_jsonl(file, text=texts(N), label=labels(N, ["good", "bad"]))
    broken = [
        "[1, 2]", "[1, 2, 3]", "[1]", "1", '{"text": "a", "text": "b", "label": "good"}', "{",
        '{"text": "", "label": "good"}', "[1, 2, 3, 4]", '{"text": {}, "label": "bad"}',
        '{"text": "a", "label": ["bad", "good"]}',
    ]  # fmt: skip
    whole = file.read_text()
    file.write_text(whole + "\n".join(broken[:8]))
    shown = said(inspect([str(file)], tmp_path), "refused")
    assert shown.count(f"(1: {file.name} row ") == 8 and "other rules" not in shown
    file.write_text(whole + "\n".join(broken))
    shown = said(inspect([str(file)], tmp_path), "refused")
    assert shown.count(f"(1: {file.name} row ") == 8 and "and 2 more of 2 other rules" in shown


def annotated(folder: Path, several: int) -> str:
    """Tasks of Label Studio; in the first so many a second annotator says the other label."""
    rows = []
    for number, text in enumerate(texts(N)):
        said = ["ab"[number % 2], *("ba"[number % 2] for _ in range(number < several))]
        done = [{"result": [{"type": "choices", "value": {"choices": [one]}}]} for one in said]
        rows.append({"id": number, "data": {"text": text}, "annotations": done})
    (folder / "a.json").write_text(json.dumps(rows))
    return str(folder / "a.json")


def test_annotators_who_do_not_agree_are_told(tmp_path: Path) -> None:
    found = inspect([annotated(tmp_path, 30)], tmp_path)
    assert found.rows == N + 30 and found.content["data"]["conflicting_labels"] == "drop"
    assert "30 tasks of Label Studio have several annotations" in said(found, "read")
    assert "30 texts" in said(found, "conflicts")


def test_annotators_who_never_agree_leave_nothing_to_learn(tmp_path: Path) -> None:
    error = refused(annotated(tmp_path, N))
    assert f"{N} of {N} texts stand with different labels" in error.message


def test_a_mixture_of_encodings_is_called_one(tmp_path: Path) -> None:
    rows = [f"{text} très café,{'ab'[n % 2]}\n" for n, text in enumerate(texts(N))]
    rows = [row.replace(",", "", row.count(",") - 1) for row in rows]
    odd = [row.encode("cp1252" if n % 10 == 0 else "utf-8") for n, row in enumerate(rows)]
    (tmp_path / "a.csv").write_bytes(b"text,label\n" + b"".join(odd))
    found = inspect([str(tmp_path / "a.csv")], tmp_path)
    shown = said(found, "format")
    assert "It is a mixture" in shown and f"{N // 10} are not, perhaps cp1252" in shown
    assert "encoding" not in found.content["data"]["sources"][0]
    assert "bytes that are not in the encoding" in said(found, "refused")


def test_several_data_sets_in_one_folder(tmp_path: Path) -> None:
    for place, name in enumerate(("news", "bank")):
        (tmp_path / name).mkdir()
        for split, count in (("train", N), ("test", 40)):
            as_jsonl(tmp_path / name / f"{split}.jsonl", text=texts(count, seed=place + count),
                     label=labels(count, [f"{name} a", f"{name} b"]))  # fmt: skip
    error = refused(str(tmp_path))
    assert "2 data sets" in error.message and "bank, news" in error.message
    assert inspect([str(tmp_path / "news")], tmp_path).content["name"] == "news"


def test_a_text_and_its_label_in_two_files_are_joined_as_advised(tmp_path: Path) -> None:
    as_csv(tmp_path / "texts.csv", ["nr", "text"], range(N), texts(N))
    as_csv(tmp_path / "labels.csv", ["nr", "label"], range(N), labels(N, ["good", "bad"]))
    error = refused(str(tmp_path))
    assert "'text' stands in" in error.message and "no file has both" in error.message
    asked = error.fix[error.fix.index("python -c") :]
    command = [sys.executable, *shlex.split(asked)[1:]]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = inspect([str(tmp_path / "rows.csv")], tmp_path)
    assert found.content["task"]["type"] == "classification" and found.rows == N


def test_comments_above_a_table_are_taken_out_as_advised(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    as_csv(file, ["text", "label"], texts(N), labels(N, ["good", "bad"]))
    file.write_text(f"# exported on Monday\n# by us\n{file.read_text()}")
    error = refused(str(file))
    assert "begins with 2 comment lines: '# exported on Monday'" in error.message
    subprocess.run(error.fix.partition(": ")[2], shell=True, cwd=tmp_path, check=True)
    assert inspect([str(tmp_path / "rows.csv")], tmp_path).rows == N
    # A header may begin with the mark.
    as_csv(file, ["#text", "label"], texts(N), labels(N, ["good", "bad"]))
    assert inspect([str(file)], tmp_path).rows == N


def test_chats_are_told_with_what_makes_rows_of_them(tmp_path: Path) -> None:
    made = zip(texts(N), labels(N, ["good", "bad"]), strict=True)
    chats = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in made]
    error = refused(as_jsonl(tmp_path / "a.jsonl", messages=chats))
    assert "holds chats" in error.message
    assert "{text: .messages[-2].content, label: .messages[-1].content}" in error.fix


@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("from", "value")])
def test_chats_by_whoever_wrote_them_are_told_too(tmp_path: Path, who: str, what: str) -> None:
    rows = [[{who: "a", what: text}, {who: "b", what: "yes"}] for text in texts(60)]
    file = tmp_path / "chats.jsonl"
    file.write_text(
        "".join(json.dumps({"id": n, "said": one}) + "\n" for n, one in enumerate(rows))
    )
    with pytest.raises(DataError, match=f"holds chats: .*{what}") as raised:
        inspect([str(file)], tmp_path)
    assert f"label: .said[-1].{what}" in raised.value.fix


def test_the_likelier_of_two_labels_is_marked_as_a_guess(tmp_path: Path) -> None:
    file = as_csv(
        tmp_path / "a.csv", ["text", "How satisfied are you? (1-5)", "How likely is it? (0-10)"],
        texts(100), [1 + n % 5 for n in range(100)], [n * 7 % 11 for n in range(100)],
    )  # fmt: skip
    found = inspect([file], tmp_path)
    (said,) = [one for one in found.decisions if one.subject == "label"]
    assert said.guessed and "the likelier of" in said.reason


def test_labels_that_are_sentences_are_cut_with_a_sign(tmp_path: Path) -> None:
    sentences = [
        f"The customer wants to send {one} back, and to have money for it." for one in "ab"
    ]
    file = as_csv(tmp_path / "a.csv", ["text", "label"], texts(60), labels(60, sentences))
    (said,) = [one for one in inspect([file], tmp_path).decisions if one.subject == "labels"]
    assert "…'" in said.value
