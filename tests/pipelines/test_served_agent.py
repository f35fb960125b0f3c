"""What `--agent` and `bertworks models` take: never another version in silence."""

import json
from pathlib import Path

import pytest

from bertworks.contracts.metrics import Metric
from bertworks.errors import ArtifactError, BertworksError
from bertworks.storage.artifacts import write, write_json
from bertworks.storage.store import Store
from pipelines.cli import hints
from pipelines.cli import models as models_cli
from pipelines.cli.served import find, locate, split
from tests.helpers.retrain_rows import keep_version


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two versions of one agent; the first is the champion."""
    made = Store(tmp_path / ".bertworks/models")
    for number in (1, 2):
        scores = [Metric("accuracy", 0.8125)]
        keep_version(made, tmp_path / f"v{number}", number, {}, metrics=scores)
    made.promote("tiny", 1)
    return made


def test_every_form_of_a_name_gives_its_version(store: Store, capsys) -> None:
    forms = {None: 1, "tiny": 1, "tiny/2": 2, "tiny/1": 1, "tiny/latest": 2, "tiny/champion": 1}
    assert {form: find(form, store).number for form in forms} == forms
    assert "tiny/latest is tiny/2" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["newest", "0", "-1", "1/2", "", "²", "01", "v2"])
def test_what_is_no_version_is_refused_and_not_taken_for_the_champion(store, version) -> None:
    with pytest.raises(BertworksError, match="names no version") as raised:
        find(f"tiny/{version}", store)
    assert "latest or champion" in raised.value.fix


def test_a_file_and_a_folder_are_told_apart(store: Store, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "agent.json"
    file.write_text("{}")
    for ask in (lambda: find(str(file), store), lambda: locate(str(file), None, None, Path)):
        with pytest.raises(BertworksError, match="is a file") as raised:
            ask()
        assert "--file" in raised.value.fix
    with pytest.raises(BertworksError, match="is a folder without a bundle"):
        find(str(tmp_path), Store(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()  # one that happens to have an agent's name
    assert find("tiny", store).number == 1


def test_the_newest_champion_is_named_where_there_are_several(store, tmp_path, capsys) -> None:
    find(None, store)
    assert capsys.readouterr().err == ""
    other = store.uri.replace("models", "models/other")
    (tmp_path / ".bertworks/models/tiny").rename(tmp_path / "kept")
    with pytest.raises(BertworksError, match="No agent in"):
        find(None, Store(other))


def test_passed_versions_without_a_champion_are_told_how_to_become_one(
    store: Store, tmp_path: Path, capsys
) -> None:
    (tmp_path / ".bertworks/models/tiny/champion.json").unlink()
    for agent in (None, "tiny", "tiny/champion"):
        with pytest.raises(BertworksError, match="no champion.*though tiny/2 passed") as raised:
            find(agent, store)
        assert "`bertworks models promote tiny/2`" in raised.value.fix
    models_cli.app(["list", "--root", str(tmp_path / ".bertworks")], standalone_mode=False)
    said = capsys.readouterr()
    assert "tiny/1" in said.out and "*" not in said.out
    assert said.err == "tiny has no champion; make one with `bertworks models promote tiny/2`\n"
    store.promote("tiny", 2)
    assert find(None, store).number == 2


@pytest.mark.parametrize("damage", ["{}", "", "[1]"])
def test_a_damaged_pointer_is_named_behind_the_versions(
    store: Store, tmp_path: Path, capsys, damage: str
) -> None:
    (tmp_path / ".bertworks/models/tiny/champion.json").write_text(damage)
    for ask in (
        lambda: models_cli.app(
            ["list", "--root", str(tmp_path / ".bertworks")], standalone_mode=False
        ),
        lambda: find(None, store),
        lambda: find("tiny", store),
    ):
        with pytest.raises(ArtifactError, match=r"tiny/champion\.json is damaged") as raised:
            ask()
        assert "`bertworks models promote tiny N`" in raised.value.fix
    assert "tiny/2" in capsys.readouterr().out


def listed(root: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    models_cli.app([*arguments, "--root", str(root)], standalone_mode=False)
    return capsys.readouterr().out.splitlines()


def test_models_are_listed_with_metric_size_and_latency(store, tmp_path, capsys) -> None:
    folder = Path(store.show("tiny", 2).uri)
    manifest = json.loads((folder / "manifest.json").read_text())
    write_json(
        folder / "manifest.json", {**manifest, "files": {"model.onnx": {"bytes": 18_040_000}}}
    )
    write_json(folder / "timings.json", {"metrics": {"latency_ms": 2.345}})
    one, two = listed(tmp_path / ".bertworks", "list", capsys=capsys)
    assert one.startswith("* tiny/1") or one.startswith("*  tiny/1")
    assert "tiny/2" in two and "18.0 MB" in two and "2.3 ms" in two
    assert "accuracy 0.8125" in one and "accuracy 0.8125" in two
    assert (
        listed(tmp_path / ".bertworks", "list", "tiny/2", capsys=capsys)[0].split() == two.split()
    )


def test_every_models_command_takes_name_and_number(store, tmp_path, capsys) -> None:
    root = tmp_path / ".bertworks"
    for form in (["tiny/2"], ["tiny", "2"], ["tiny/latest"]):
        shown = json.loads("\n".join(listed(root, "show", *form, capsys=capsys)))
        assert shown["version"] == 2
    assert listed(root, "promote", "tiny/2", capsys=capsys) == ["tiny: champion is tiny/2"]
    assert listed(root, "rollback", "tiny", capsys=capsys) == ["tiny: champion is tiny/1"]
    for wrong, said in {
        ("promote", "tiny"): "Which version",
        ("promote", "tiny/1", "2"): "Two versions",
        ("rollback", "tiny/2"): "takes a name",
        ("show", "none/1"): "no model 'none'",
        ("list", "tiny/7"): "no version 7",
    }.items():
        with pytest.raises(BertworksError, match=said) as raised:
            listed(root, *wrong, capsys=capsys)
        assert raised.value.fix


@pytest.mark.parametrize("given", ["a", "a/3", "a/latest"])
def test_split(given: str) -> None:
    assert split(given) in (("a", None), ("a", 3), ("a", "latest"))


def examples(folder: Path, rows: list[dict[str, object]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with write(folder / "examples", kind="examples", producer="ingest") as out:
        (out / "test").mkdir()
        pq.write_table(pa.Table.from_pylist(rows), out / "test/part-00000.parquet")
    return folder / "examples"


@pytest.mark.parametrize(
    ("task", "rows", "asked"),
    [
        ({"type": "classification"}, [{"text": "no"}, {"text": "a good film"}], '"a good film"'),
        ({"type": "regression"}, [{"text": 'it "is" $5'}], "'it \"is\" $5'"),
        ({"type": "tagging"}, [{"tokens": ["New", "York", "!"]}], "'New York !'"),
        (
            {"pair": True},
            [{"text_a": "Is it so?", "text_b": "It is so."}],
            '"Is it so?" "It is so."',
        ),
        ({"pair": True}, [{"text_a": "x" * 200, "text_b": "b"}], '"first text" "second text"'),
        ({"type": "tagging"}, [{"tokens": ["..."]}], '"a sentence of yours"'),
        ({"type": "classification"}, [{"text": "-rf all"}, {"text": "two\nlines"}], '"your text"'),
    ],
)
def test_the_closing_hint_fits_the_task(tmp_path: Path, task, rows, asked) -> None:
    assert hints.question(task, examples(tmp_path, rows)) == asked


def test_a_hint_without_data(tmp_path: Path) -> None:
    assert hints.question({"pair": True}, tmp_path / "none") == '"first text" "second text"'
