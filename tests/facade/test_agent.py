"""What a loaded agent answers, scores, shows, keeps; no training here."""

import doctest
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bertworks
from bertworks import Agent
from bertworks.errors import ArtifactError, BertworksError, DataError, EnvironmentFault
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from tests.helpers.tiny_model import bundle_of, make_model

REPOSITORY = Path(__file__).parents[2]
LABELS = ["negative", "positive"]


def test_the_library_offers_its_names_and_no_others() -> None:
    assert {"Agent", "AgentSpec"} <= set(dir(bertworks))
    with pytest.raises(AttributeError, match="no attribute 'Agents'"):
        bertworks.Agents  # noqa: B018
    with pytest.raises(ImportError):
        from bertworks import Nothing  # noqa: F401


def test_loading_and_asking_need_no_tensorflow_and_no_kubeflow(tmp_path: Path) -> None:
    bundle_of(make_model(tmp_path / "model", {"type": "classification"}, LABELS), tmp_path / "b")
    program = (
        "import sys, bertworks\n"
        f"print(bertworks.Agent.load({str(tmp_path / 'b')!r}).predict(['good'])[0]['label'])\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    label, modules = done.stdout.splitlines()
    assert label in LABELS
    assert not {"tensorflow", "keras", "kfp", "pandas", "apache_beam"} & set(modules.split())


def test_a_list_gives_a_list_and_a_frame_a_frame_with_its_index(agent_of) -> None:
    agent = agent_of(LABELS)
    texts = ["good film", "bad story ."]
    answers = agent.predict(texts)
    assert [set(one) for one in answers] == [{"label", "score", "scores", "truncated"}] * 2
    frame = pd.DataFrame({"n": [1, 2], "text": texts}, index=["x", "y"])
    for rows in (frame, frame["text"], frame[["text"]]):
        found = agent.predict(rows)
        assert list(found.index) == ["x", "y"]
        assert found.to_dict("records") == answers
    named = frame[["text"]].rename(columns={"text": "any"})
    for rows in (named, named.to_dict("records")):
        with pytest.warns(UserWarning, match="no column 'text': 'any' is read") as told:
            found = agent.predict(rows)
        assert told[0].filename == __file__  # the caller's line
        assert (found if rows is not named else found.to_dict("records")) == answers
    for rows in (tuple(texts), np.array(texts), iter(texts), [{"text": one} for one in texts]):
        assert agent.predict(rows) == answers
    assert agent.predict([]) == []
    assert agent.predict(frame.head(0)).empty


def test_columns_are_found_by_the_names_that_the_sources_had(agent_of) -> None:
    agent = agent_of(LABELS, columns={"text": ["review"]})
    rows = [{"stars": 1, "review": "good film"}]
    assert agent.predict(rows) == agent.predict(pd.DataFrame(rows)).to_dict("records")
    with pytest.raises(DataError, match="no column 'review' or 'text'. Theirs: 'a', 'b'"):
        agent.predict(pd.DataFrame({"a": ["x"], "b": ["y"]}))


def test_two_columns_of_one_name_and_rows_without_an_order_are_refused(agent_of) -> None:
    agent = agent_of(LABELS)
    frame = pd.DataFrame([["good film", 1, "bad story ."]], columns=["text", "n", "text"])
    with pytest.raises(DataError, match="have 2 columns 'text'. Theirs: 'text', 'n', 'text'"):
        agent.predict(frame)
    assert len(agent.predict(frame.iloc[:, :2])) == 1
    for rows in ({"good film"}, frozenset({"good film"})):
        with pytest.raises(DataError, match="in the order of the rows") as raised:
            agent.predict(rows)
        assert "agent.predict(sorted(rows))" in raised.value.fix
    texts = {"good film": 1, "bad story .": 2}
    assert agent.predict(texts.keys()) == agent.predict(list(texts))


def test_columns_inside_objects_are_found_as_fit_finds_them(agent_of) -> None:
    agent = agent_of(LABELS, columns={"text": ["review.text"]})
    rows = [{"id": n, "review": {"text": text}} for n, text in enumerate(["good film", "so so"])]
    answers = agent.predict(["good film", "so so"])
    flat = [{"review.text": row["review"]["text"]} for row in rows]
    assert agent.predict(rows) == agent.predict([{"review": row["review"]} for row in rows])
    assert agent.predict(rows) == agent.predict(flat) == answers
    frame = pd.DataFrame(rows, index=[5, 6])
    assert agent.predict(frame).to_dict("records") == answers
    assert list(agent.predict(frame).index) == [5, 6]
    assert agent.predict([{"text": "good film"}]) == answers[:1]  # by our name, too
    assert agent.predict(pd.DataFrame({"review.text": ["good film"]}))["label"][0]
    with pytest.raises(
        DataError, match="no column 'review.text' or 'text'. Theirs: .*'review.body'"
    ):
        agent.predict([{"review": {"body": "good film"}}])
    with pytest.raises(DataError, match="Row 2 has no 'review.text'"):
        agent.predict([rows[0], {"review": {}}])
    with pytest.raises(DataError, match="Row 2 has no text: its 'review.text'") as raised:
        agent.predict(pd.DataFrame([rows[0], {"review": {"text": None}}]))
    assert "dropna" not in raised.value.fix


def test_pairs_inside_objects(agent_of) -> None:
    agent = agent_of(LABELS, pair=True, columns={"text_a": ["a.q"], "text_b": ["b.c.answer"]})
    row = {"a": {"q": "good film"}, "b": {"c": {"answer": "so so"}}}
    answers = agent.predict([("good film", "so so")])
    assert agent.predict([row]) == agent.predict(pd.DataFrame([row])).to_dict("records") == answers


def test_pairs_and_words(agent_of) -> None:
    agent = agent_of(LABELS, pair=True, columns={"text_a": ["question"], "text_b": ["answer"]})
    answers = agent.predict([("good film", "so so")])
    frame = pd.DataFrame({"answer": ["so so"], "question": ["good film"]})
    assert agent.predict(frame).to_dict("records") == answers
    assert agent.predict([{"text_a": "good film", "text_b": "so so"}]) == answers
    with pytest.raises(DataError, match="no column 'answer' or 'text_b'"):
        agent.predict(frame[["question"]])


def test_words_of_a_frame_are_lists_or_texts(agent_of) -> None:
    agent = agent_of(["O", "B-X", "I-X"], type="tagging")
    answers = agent.predict([["good", "film"]])
    assert agent.predict(pd.DataFrame({"tokens": [["good", "film"]]})).to_dict("records") == answers
    array = pd.DataFrame({"tokens": [np.array(["good", "film"], dtype=object)]})
    assert agent.predict(array).to_dict("records") == answers
    assert agent.predict(pd.DataFrame({"text": ["good film"]}))["tags"][0] == answers[0]["tags"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("good film", "a list of rows. Received: str"),
        ({"text": ["good film"]}, "a list of rows. Received: dict"),
        (None, "a list of rows"),
        (pd.DataFrame({"text": ["good", None]}), "Row 2 has no text: its 'text' is None"),
        (pd.DataFrame({"review": ["good", None]}), "rows.dropna(subset=['review'])"),
        (pd.Series(["good", float("nan")], name="t"), "Row 2 has no text: its 't' is nan"),
        (pd.Series(["good", None]), "rows.dropna(), or"),
        ([{"text": None}], "Leave such rows out, or give"),
        ([{"text": "good"}, {"review": "x"}], "Row 2 has no 'text'"),
        ([7], "Row 1 must be a text"),
    ],
)
def test_what_are_no_rows_is_refused_with_what_to_do(rows: Any, said: str, agent_of) -> None:
    with pytest.raises(DataError) as raised:
        agent_of(LABELS, columns={"text": ["review"]}).predict(rows)
    assert said in str(raised.value) and raised.value.fix


def test_scores_are_those_of_the_answers(agent_of, tmp_path: Path) -> None:
    agent = agent_of(LABELS, columns={"text": ["review"]})
    texts, truth = ["good film", "so so", "b"], [LABELS[0], LABELS[1], LABELS[0]]
    rows = [{"review": one, "label": two} for one, two in zip(texts, truth, strict=True)]
    right = [
        one["label"] == row["label"] for one, row in zip(agent.predict(rows), rows, strict=True)
    ]
    scores = agent.evaluate(rows)
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    frame = pd.DataFrame(rows)
    assert agent.evaluate(frame) == scores
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert agent.evaluate(tmp_path / "rows.csv") == scores
    renamed = frame.rename(columns={"review": "t", "label": "l"})
    assert agent.evaluate(renamed, text="t", label="l") == scores
    twice = agent.evaluate([*rows, rows[0], rows[0]])  # each row counts as often as it stands there
    assert twice["accuracy"] == pytest.approx(np.mean([*right, right[0], right[0]]))


def test_scores_of_the_other_tasks(agent_of) -> None:
    score = agent_of([], {"mean": 3.0, "std": 1.0}, type="regression")
    rows = [
        {"text": "good film", "stars": 4.0},
        {"text": "bad", "stars": 1},
        {"text": "b", "stars": 2},
    ]
    found = score.evaluate(rows, score="stars")
    given = [one["score"] for one in score.predict(rows)]
    assert found["mae"] == pytest.approx(np.mean(np.abs(np.subtract([4, 1, 2], given))), abs=1e-6)
    with pytest.raises(DataError, match="no column 'label'"):
        score.evaluate(rows)


def test_scores_of_tags_and_pairs(agent_of) -> None:
    tags = agent_of(["O", "B-X", "I-X"], type="tagging")
    words = [{"tokens": ["good", "film"], "tags": ["B-X", "O"]}]
    assert 0 <= tags.evaluate(words)["token_accuracy"] <= 1
    with pytest.raises(DataError, match=r"does not know the labels 'Y'"):
        tags.evaluate([{"tokens": ["good"], "tags": ["B-Y"]}])


def test_refused_rows_and_unknown_labels_are_told(agent_of) -> None:
    agent = agent_of(LABELS)
    with pytest.raises(DataError, match="no column 'label'. Theirs: 'text'") as raised:
        agent.evaluate([{"text": "good film"}])
    assert "argument of evaluate" in raised.value.fix and "review" not in raised.value.fix
    good = [{"text": f"good film {n}", "label": "positive"} for n in range(150)]
    with pytest.warns(UserWarning, match="1 of 151 rows were refused"):
        agent.evaluate([*good, {"text": "", "label": "positive"}])
    with pytest.raises(DataError, match="1 of 2 rows were refused"):
        agent.evaluate([*good[:1], {"text": None, "label": "positive"}])
    with pytest.raises(DataError, match="does not know the labels 'neutral'; it knows 'negative'"):
        agent.evaluate([{"text": "so so", "label": "neutral"}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent.evaluate(good)


def test_saved_and_loaded_again(agent_of, tmp_path: Path, monkeypatch) -> None:
    agent = agent_of(LABELS)
    folder = agent.save(tmp_path / "deep/down")
    assert open_artifact(folder).digest == open_artifact(agent.path).digest
    assert Agent.load(folder).predict(["good"]) == agent.predict(["good"])
    agent.save(folder)  # over itself
    assert [file.name for file in folder.parent.iterdir()] == ["down"]
    monkeypatch.chdir(tmp_path)
    assert agent.save() == Path("bundle") and not list(tmp_path.glob(".*"))
    with pytest.raises(EnvironmentFault, match="/proc/x cannot be written") as unwritten:
        agent.save("/proc/x")
    assert ".partial" not in str(unwritten.value) and "--root" not in str(unwritten.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="is there already"):
        agent.save(tmp_path / "mine")
    assert (tmp_path / "mine/thesis.txt").exists()


def test_a_version_of_the_store_by_its_names(tmp_path: Path) -> None:
    from tests.helpers.retrain_rows import keep_version

    store = Store(tmp_path / "root/models")
    keep_version(store, tmp_path / "v1", 1, {})
    with pytest.raises(BertworksError) as raised:
        Agent.load("nobody", root=tmp_path / "root")
    assert "root=" in raised.value.fix and "--root" not in raised.value.fix
    with pytest.raises(BertworksError, match="is there no agent|not there"):
        Agent.load(tmp_path / "nowhere")
    (tmp_path / "r.csv").write_text("text\ngood\n")
    with pytest.raises(BertworksError, match="is a file, not an agent") as raised:
        Agent.load(tmp_path / "r.csv")
    assert "file=" not in raised.value.fix and "Agent.fit" in raised.value.fix


def test_a_lone_folder_has_no_scores_and_a_short_report(agent_of) -> None:
    agent = agent_of(LABELS)
    with pytest.raises(ArtifactError, match="not what it scored") as raised:
        _ = agent.metrics
    assert "evaluate" in raised.value.fix
    page = agent.report._repr_html_()
    assert page.startswith("<iframe srcdoc=") and "<script" not in page
    assert agent.report.html.startswith("<!")
    assert agent.report.save(agent.path.parent / "r.html").read_text() == agent.report.html


@pytest.mark.parametrize("module", ["bertworks.spec.agent", "bertworks.facade.advice"])
def test_examples_in_docstrings(module: str) -> None:
    tried = doctest.testmod(sys.modules.get(module) or __import__(module, fromlist=["x"]))
    assert tried.attempted and not tried.failed


def test_the_examples_of_agent(tmp_path: Path, monkeypatch) -> None:
    from bertworks.facade import agent

    monkeypatch.chdir(tmp_path)
    bundle_of(
        make_model(tmp_path / "m", {"type": "classification"}, LABELS), tmp_path / "sentiment"
    )
    tried = doctest.testmod(agent)
    assert tried.attempted > 5 and not tried.failed


def test_json_of_answers(agent_of) -> None:
    assert json.dumps(agent_of(LABELS).predict(["good"]))
