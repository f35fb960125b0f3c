"""The arguments of Agent.fit as a spec."""

import ast
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bertworks import AgentSpec
from bertworks.data.sources.fetch import local_files
from bertworks.errors import DataError, SpecError
from bertworks.facade.settings import SHORT, spec_of
from bertworks.spec import Finetune, Source
from bertworks.spec import file as spec_file
from tests.fixes.taking import taken

ARGUMENTS = ("text", "label", "score", "tokens", "tags", "extra")


def made(folder: Path, data: Any = "reviews.csv", spec: Any = None, **given: Any) -> AgentSpec:
    return loaded(folder, data, spec, **given).spec


def loaded(
    folder: Path, data: Any = "reviews.csv", spec: Any = None, name: Any = None, **given: Any
) -> spec_file.SpecFile:
    columns = {key: given.pop(key, None) for key in ARGUMENTS}
    shares = {key: given.pop(key, None) for key in ("validation", "test")}
    return spec_of(
        data, spec=spec, name=name, columns=columns, shares=shares, settings=given,
        rows=folder / "root/rows",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "task", "columns"),
    [
        ({}, {"type": "classification"}, {"text": "text", "label": "label"}),
        ({"text": "review", "label": "stars"}, {}, {"text": "review", "label": "stars"}),
        ({"text": 0, "label": 1}, {}, {"text": "0", "label": "1"}),
        ({"text": ("q", "a")}, {"pair": True}, {"text_a": "q", "text_b": "a"}),
        ({"score": "rating"}, {"type": "regression"}, {"label": "rating"}),
        ({"tokens": "w", "tags": "t"}, {"type": "tagging"}, {"tokens": "w", "tags": "t"}),
        (
            {"tokens": "w", "tags": "t", "label": "l"},
            {"type": "understanding"},
            {"tokens": "w", "tags": "t", "label": "l"},
        ),
        ({"label": ["x", "y"]}, {"multi_label": True}, {"one_hot": ["x", "y"]}),
        ({"label": "l", "multi_label": True}, {"multi_label": True}, {"label": "l"}),
        ({"extra": "channel"}, {}, {"extra": ["channel"]}),
        ({"task": "tagging"}, {"type": "tagging", "long_text": "windows"}, {}),
    ],
)
def test_columns_say_the_task(given, task, columns, tmp_path: Path) -> None:
    spec = made(tmp_path, **given)
    found = spec.data.sources[0].columns
    assert {key: getattr(spec.task, key) for key in task} == task
    assert {key: getattr(found, key) for key in columns} == columns


def test_every_way_to_say_a_setting_and_the_later_over_the_earlier(tmp_path: Path) -> None:
    for given in (
        {"epochs": 7},
        {"finetune": {"epochs": 7}},
        {"finetune": Finetune(epochs=7)},
        {"finetune__epochs": 7},
        {"set": {"finetune.epochs": 7}},
        {"spec": {"finetune": {"epochs": 7}}},
        {"spec": {"finetune": {"epochs": 1}}, "finetune": {"epochs": 7}},
        {"finetune": {"epochs": 1}, "epochs": 7},
        {"epochs": 1, "set": {"finetune.epochs": 7}},
    ):
        assert made(tmp_path, **given).finetune.epochs == 7
    kept = made(tmp_path, spec={"finetune": {"epochs": 7, "seed": 1}}, finetune={"seed": 2})
    assert (kept.finetune.epochs, kept.finetune.seed) == (7, 2)
    spec = AgentSpec(name="kept", data={"sources": [Source(uri="x.csv")]})
    assert made(tmp_path, None, spec, epochs=7).finetune.epochs == 7
    assert spec.finetune.epochs == "auto"  # what was given is left as it is


@pytest.mark.parametrize("short", SHORT)
def test_every_short_name_stands_for_a_setting(short: str, tmp_path: Path) -> None:
    of_their_kind = {
        "long_text": "windows", "multi_label": True, "metric": "macro_f1", "minimum": 0.8,
    }  # fmt: skip
    value = of_their_kind.get(short, 8)
    spec: Any = made(tmp_path, **{short: value})
    for part in SHORT[short].split("."):
        spec = getattr(spec, part)
    assert spec == value


def test_shares_and_rows_of_their_own(tmp_path: Path) -> None:
    spec = made(tmp_path, validation=0.3, test=0.2)
    assert (spec.data.validation, spec.data.test) == (0.3, 0.2)
    rows = pd.DataFrame({"text": ["a"], "label": ["x"]})
    spec = made(tmp_path, rows, test="official.csv")
    assert [one.split for one in spec.data.sources] == ["auto", "test"]
    assert (spec.data.validation, spec.data.test) == (0.1, 0.0)
    assert (
        made(tmp_path, None, {"data": {"sources": [{"uri": "a.csv"}]}}, test=0.3).data.test == 0.3
    )


def test_rows_take_the_place_of_the_specs_and_are_read_as_those(tmp_path: Path) -> None:
    before = {"uri": "a.csv", "sha256": "0" * 64, "label_map": {"1": "good"}, "split": "train",
              "columns": {"text": "review", "label": "stars"}, "constants": {}}  # fmt: skip
    rows = [{"review": "a", "stars": 1}]
    spec = made(tmp_path, rows, {"name": "kept", "data": {"sources": [before]}})
    (source,) = spec.data.sources
    assert source.uri.startswith(str(tmp_path / "root/rows/")) and source.sha256 != "0" * 64
    assert source.label_map == {"1": "good"} and source.columns.text == "review"
    assert (spec.name, source.split) == ("kept", "auto")
    with pytest.raises(DataError, match="no column 'body'"):
        made(tmp_path, rows, {"data": {"sources": [before]}}, text="body")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("data/Reviews 2024.csv", "reviews-2024"),
        ("s3://bucket/a_b.tar.gz!/x.csv", "x"),
        ("データ.csv", "agent"),
        ([{"text": "a", "label": "b"}], "agent"),
        ("x" * 90 + ".csv", "x" * 53),
    ],
)
def test_the_name_is_the_files(data: Any, name: str, tmp_path: Path) -> None:
    assert made(tmp_path, data).name == name
    assert made(tmp_path, data, name="mine").name == "mine"


def test_paths_start_from_the_working_folder_or_the_specs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = loaded(tmp_path, "a.csv", base="models/x", validate={"baseline": "old"})
    assert found.spec.data.sources[0].uri == str(tmp_path / "a.csv")
    assert found.spec.base.uri == str(tmp_path / "models/x")
    assert found.spec.validate_.baseline == str(tmp_path / "old")
    assert found.folder == (tmp_path / "root").resolve()
    assert made(tmp_path, set={"base.uri": "models/x"}).base.uri == str(tmp_path / "models/x")
    spec = AgentSpec(
        name="a", data={"sources": [{"uri": "a.csv"}]}, corpus={"sources": [{"uri": "c"}]}
    )
    spec = made(tmp_path, None, spec)
    assert spec.data.sources[0].uri == str(tmp_path / "a.csv")
    assert spec.corpus.sources[0].uri == str(tmp_path / "c")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/one.yaml").write_text("name: one\ndata: {sources: [{uri: own.csv}]}\n")
    from_file = loaded(tmp_path, None, "specs/one.yaml")
    assert from_file.spec.data.sources[0].uri == "own.csv"
    assert from_file.folder == (tmp_path / "specs").resolve()
    for given in (tmp_path / "specs/one.yaml", "specs/one.yaml"):
        assert loaded(tmp_path, given) == from_file
    assert made(tmp_path, spec) == spec
    own_rows = loaded(tmp_path, "b*.csv", tmp_path / "specs/one.yaml")
    assert own_rows.spec.data.sources[0].uri == str(tmp_path / "b*.csv")
    assert made(tmp_path, "pypi://a==1/x.csv", base="scratch").base.uri == "scratch"


@pytest.mark.parametrize("uri", ["f [1].csv", "f [1]*.csv", "f*.csv", "./f [1].csv"])
def test_brackets_of_the_working_folder_are_parts_of_its_name(
    uri: str, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "d [1]"
    folder.mkdir()
    (folder / "f [1].csv").write_text("text,label\na,b\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    found = loaded(tmp_path, uri)
    (source,) = found.spec.data.sources
    assert local_files(source.uri, found.folder) == [folder / "f [1].csv"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": 3}, "no argument 'epoch'. Did you mean 'epochs'?"),
        (
            {"finetune": {"epoch": 3}},
            "Agent.fit: unknown key `finetune.epoch`. Did you mean `epochs`",
        ),
        ({"set": {"finetune.epoch": 3}}, "unknown key `finetune.epoch`"),
        ({"set": {"finetune.epochs.x": 3}, "epochs": 1}, "epochs holds a single value"),
        ({"epochs": 0}, "`finetune.epochs`: must be a whole number"),
        ({"text": ["a", "b", "c"]}, "text takes one column or two"),
        ({"label": "a", "score": "b"}, "label and score were both given"),
        ({"data": None}, "No rows were given"),
        ({"data": None, "label": "x"}, "label was given without rows"),
        ({"name": "Not A Name"}, "`name`"),
        ({"score": "a", "metric": "accuracy"}, "`metric` must be one of pearson"),
    ],
)
def test_what_is_wrong_is_said_at_once_with_what_to_do(given, said, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        made(tmp_path, **given)
    assert said in raised.value.message and raised.value.fix


def test_the_advice_on_settings_without_a_short_name_is_good(tmp_path: Path) -> None:
    def attempt(said: Any = None) -> AgentSpec:
        return made(tmp_path, warmup=0.2) if said is None else made(tmp_path, set=said)

    def by(fix: str) -> tuple[Any]:
        return (ast.literal_eval(re.findall(r"set=(\{.*?\})", fix)[0]),)

    found = taken("bertworks/facade/settings.py", "any other setting goes with its", attempt, by)
    assert found.finetune.warmup == 0.2


def test_a_spec_goes_to_the_command_line_and_back(tmp_path: Path) -> None:
    spec = made(tmp_path, "reviews.csv", text="review", epochs=3, gates={"minimum": 0.9})
    (tmp_path / "spec.yaml").write_text(spec.to_yaml())
    assert spec_file.load(tmp_path / "spec.yaml").spec == spec


def test_a_budget_turns_the_search_on_however_it_is_said(tmp_path: Path) -> None:
    rows = {"sources": [{"uri": "reviews.csv"}]}
    spec = AgentSpec.model_validate({"name": "a", "data": rows, "tune": {"seed": 7}})
    for given in (
        {"tune": {"minutes": 5}}, {"tune__minutes": 5}, {"set": {"tune.minutes": 5}},
        {"spec": spec, "data": None, "tune": {"minutes": 5}},
        {"spec": spec, "data": None, "set": {"tune.minutes": 5}},
    ):  # fmt: skip
        tune = made(tmp_path, **given).tune
        assert tune.enabled and tune.minutes == 5
    assert not made(tmp_path, spec=spec, data=None).tune.enabled
