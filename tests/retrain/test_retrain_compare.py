"""The compare step: what counts as new, what drifts, and what a challenger starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks import failures
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.retraining import COMPARISON
from bertworks.contracts.versions import Made
from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.weights import FILE, load_folder, read_tensors, save_folder
from bertworks.retraining.rows import rows_of
from bertworks.spec import Base, Clean, Retrain, Task
from bertworks.storage.artifacts import Artifact, open_artifact, write, write_json
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from tests.helpers.retrain_rows import (
    keep_version,
    made_rows,
    row,
    splits_of,
    write_examples,
)
from tests.helpers.steps import compare as run

CONFIG = EncoderConfig(30, 8, (2,), 4, (8,), max_positions=16)
URI = "pypi://made==1/up"


@pytest.fixture
def section(tmp_path: Path) -> dict[str, Any]:
    return {
        "name": "tiny",
        "store": str(tmp_path / "store"),
        "task": Task().model_dump(mode="json"),
        "base": Base(uri=URI, sha256=None).model_dump(mode="json"),
        "retrain": Retrain().model_dump(mode="json"),
        "recipe": "r1",
        "min_label_rows": 2,
    }


@pytest.fixture
def base(tmp_path: Path) -> Artifact:
    facts = {"scratch": False, "uri": URI}
    with write(tmp_path / "base", kind="base", producer="test", metadata=facts) as folder:
        save_folder(
            folder, CONFIG, initialize(all_shapes(CONFIG, Head("encoder")), 1), Head("encoder")
        )
        write_json(folder / "tokenizer.json", {"vocabulary": "base's"})
    return open_artifact(tmp_path / "base")


def model(path: Path, labels: list[str], uri: str = URI) -> Artifact:
    head = Head("sequence", tuple(labels))
    with write(path, kind="model", producer="test") as folder:
        save_folder(folder, CONFIG, initialize(all_shapes(CONFIG, head), 5), head)
        write_json(folder / "tokenizer.json", {"vocabulary": "the champion's"})
        AGENT.write(folder, AgentRecord(Task(), 128, labels, base=uri))
        write_json(folder / "history.json", {})
    return open_artifact(path)


@pytest.fixture
def champion(tmp_path: Path) -> dict[str, Artifact]:
    """Version 1, which knows 300 rows."""
    parts = {
        "examples": write_examples(tmp_path / "known", made_rows(300)),
        "model": model(tmp_path / "model", ["n", "p"]),
    }
    keep_version(Store(tmp_path / "store"), tmp_path / "v", 1, parts)
    return parts


def compare(
    section: dict[str, Any],
    folder: Path,
    base: Artifact,
    rows: list[dict[str, Any]],
    name: str = "now",
) -> tuple[dict[str, Any], dict[str, Artifact]]:
    current = write_examples(folder / name, rows)
    outputs = {
        one: folder / f"{name}-{one}" for one in ("comparison", "merged", "history", "initial")
    }
    result = run(section, examples=current.path, base=base.path, **outputs)
    opened = {one: open_artifact(path) for one, path in outputs.items()}
    assert (opened["comparison"] / "view.html").read_text().startswith("<!doctype html>")
    found = opened["comparison"].json("comparison.json")
    return {**found, "notices": result.notices}, opened


def test_no_champion_yet(section, base, tmp_path: Path) -> None:
    found, made = compare(section, tmp_path, base, made_rows(50))
    assert found["changed"] and "no champion yet" in found["reason"]
    assert not found["warm_start"] and found["champion"] is None
    assert splits_of(made["merged"]) == splits_of(made["history"])
    assert len(splits_of(made["merged"])) == 50
    assert made["initial"].metadata == base.metadata
    assert (made["initial"] / "tokenizer.json").read_text() == (base / "tokenizer.json").read_text()


@pytest.mark.parametrize("rows", [made_rows(300), made_rows(150), made_rows(360)])
def test_nothing_new_or_too_little(section, base, champion, tmp_path: Path, rows) -> None:
    found, made = compare(section, tmp_path, base, rows)
    assert not found["changed"]
    assert found["reason"].startswith("Nothing to learn from")
    assert found["new"] == max(0, len(rows) - 300)
    assert [one.name for one in made["merged"].path.iterdir()] == ["manifest.json"]


def test_new_rows_make_a_challenger(section, base, champion, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(failures.RUN, "run-1")
    found, made = compare(section, tmp_path, base, made_rows(420)[120:])  # 180 old, 120 new
    assert found["changed"] and found["new"] == 120 and found["warm_start"]
    assert "120 new rows since champion 1 (100 are asked)" in found["reason"]
    before, merged = splits_of(champion["examples"]), splits_of(made["merged"])
    trained = {one for one, split in before.items() if split == "train"}
    assert not trained & {one for one, split in merged.items() if split != "train"}
    tested = {one for one, split in before.items() if split == "test"}
    assert tested <= {one for one, split in merged.items() if split == "test"}
    # One old training row for each new one, also of those that the sources do not have any more.
    new = [one for one, split in merged.items() if split == "train" and one not in before]
    assert found["rows"]["rehearsed"] == len(new) == len(merged.keys() & trained)
    assert {one["id"] for one in made_rows(120)} & merged.keys() & trained
    assert len(splits_of(made["history"])) == 420
    # It starts from the champion.
    assert made["initial"].kind == "base" and made["initial"].metadata["champion"] == 1
    assert made["initial"].metadata["uri"] == URI and not made["initial"].metadata["scratch"]
    start, own = read_tensors(made["initial"] / FILE), read_tensors(champion["model"] / FILE)
    assert start.keys() == own.keys()
    assert all(np.array_equal(start[name], own[name]) for name in own)
    assert "the champion's" in (made["initial"] / "tokenizer.json").read_text()
    (noted, _) = Outcomes(section["store"], "tiny").notes("run-1")
    assert noted == COMPARISON.read(made["comparison"])


def test_a_new_label_keeps_the_encoder_and_the_known_rows_of_the_head(
    section, base, champion, tmp_path: Path
) -> None:
    rows = made_rows(300) + [row(f"a call about number {n}", "complaint") for n in range(120)]
    rows.append(row("one call of its own", "praise"))
    found, made = compare(section, tmp_path, base, rows)
    assert found["new_labels"] == ["complaint"]
    waits, new, left_out = found["notices"]
    assert waits.count == 1 and "validate.checks.min_label_rows" in waits.text
    assert "'complaint'" in new.text
    assert left_out.count == found["rows"]["left_out"] and "retrain.rehearsal" in left_out.text
    config, start, _ = load_folder(made["initial"].path)
    own = read_tensors(champion["model"] / FILE)
    assert config.hidden_size == CONFIG.hidden_size
    assert start["classifier.weight"].shape == (3, 8)  # complaint, n, p
    assert np.array_equal(start["classifier.weight"][1:], own["classifier.weight"])
    assert not np.array_equal(start["classifier.weight"][0], own["classifier.weight"][0])
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    assert np.array_equal(start[name], own[name])


def test_text_drift_of_few_rows_is_a_change_but_a_handful_are_outliers(
    section, base, champion, tmp_path: Path
) -> None:
    odd = [row(f"quarterly invoice {n} unpaid since spring", "np"[n % 2]) for n in range(60)]
    few, _ = compare(section, tmp_path, base, made_rows(300) + odd[:19], "few")
    assert not few["changed"]
    found, _ = compare(section, tmp_path, base, made_rows(300) + odd, "many")
    assert found["changed"] and "text drifted by" in found["reason"]
    assert "60 new rows" in found["reason"]
    section["retrain"]["max_text_drift"] = 1.0
    assert not compare(section, tmp_path, base, made_rows(300) + odd, "off")[0]["changed"]


def test_label_drift_is_a_change(section, base, champion, tmp_path: Path) -> None:
    rows = [{**one, "label": "n"} for one in made_rows(60, 5000)]
    found, _ = compare(section, tmp_path, base, made_rows(300) + rows)
    assert found["changed"] and "labels drifted by" in found["reason"]
    drift = {one["name"]: one for one in found["drift"]}
    assert drift["labels"]["value"] > 0.05 and not drift["labels"]["by_chance"]
    assert drift["text"]["value"] < 0.1


def test_rows_that_a_challenger_failed_with_are_not_tried_again(
    section, base, champion, tmp_path: Path
) -> None:
    found, made = compare(section, tmp_path, base, made_rows(450), "first")
    assert found["changed"]
    store = Store(section["store"])
    facts = Made(found["champion"]["digest"], "r1")
    keep_version(store, tmp_path / "v", 2, {"examples": made["history"]}, facts, promote=False)
    again, _ = compare(section, tmp_path, base, made_rows(500), "again")
    assert not again["changed"] and again["new"] == 50
    assert "since challenger 2, which did not replace champion 1" in again["reason"]
    # Made in another way it may win, and with enough rows more it may too.
    other, _ = compare({**section, "recipe": "r2"}, tmp_path, base, made_rows(450), "other")
    assert other["changed"]
    # Those that only the challenger saw are trained on, though the sources have them no more.
    more, made = compare(section, tmp_path, base, made_rows(120, 450), "more")
    assert more["changed"] and more["new"] == 120 and more["rows"]["new"] == 270
    assert len(splits_of(made["history"])) == 570


def test_a_first_training_that_was_refused_is_not_repeated(section, base, tmp_path: Path) -> None:
    found, made = compare(section, tmp_path, base, made_rows(200), "first")
    assert found["changed"]
    store, facts = Store(section["store"]), Made(recipe="r1")
    keep_version(store, tmp_path / "v", 1, {"examples": made["history"]}, facts, promote=False)
    again, _ = compare(section, tmp_path, base, made_rows(210), "again")
    assert not again["changed"] and again["new"] == 10
    assert "since challenger 1, which did not pass its gates" in again["reason"]
    more, made = compare(section, tmp_path, base, made_rows(320), "more")
    assert more["changed"] and not more["warm_start"] and len(splits_of(made["merged"])) == 320
    assert compare({**section, "recipe": "r2"}, tmp_path, base, made_rows(200), "other")[0][
        "changed"
    ]


@pytest.mark.parametrize("missing", ["examples", "model"])
def test_versions_of_before_are_trained_anew(section, base, tmp_path: Path, missing: str) -> None:
    parts = {
        "examples": write_examples(tmp_path / "known", made_rows(300)),
        "model": model(tmp_path / "model", ["n", "p"]),
    }
    kept = {name: part for name, part in parts.items() if name != missing}
    keep_version(Store(tmp_path / "store"), tmp_path / "v", 1, kept)
    found, made = compare(section, tmp_path, base, made_rows(420))
    assert found["changed"] and not found["warm_start"]
    assert ("without its rows" if missing == "examples" else "without its weights") in found[
        "notes"
    ][0]
    assert len(splits_of(made["merged"])) == 420
    assert made["initial"].metadata == base.metadata


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"retrain": Retrain(warm_start=False).model_dump()}, "warm_start is off"),
        ({"base": Base(uri="pypi://other==2/up").model_dump()}, "another base"),
    ],
)
def test_without_a_warm_start_all_rows_are_trained_on(
    section, base, champion, tmp_path: Path, change, note
) -> None:
    found, made = compare({**section, **change}, tmp_path, base, made_rows(420)[200:])
    assert found["changed"] and not found["warm_start"] and note in found["notes"][0]
    assert len(splits_of(made["merged"])) == 420


def test_another_task_makes_all_rows_new(section, base, champion, tmp_path: Path) -> None:
    task = Task(type="regression")
    rows = [{**one, "score": 1.0 + n} for n, one in enumerate(made_rows(40))]
    current = write_examples(tmp_path / "now", rows, task)
    outputs = {
        one: tmp_path / f"now-{one}" for one in ("comparison", "merged", "history", "initial")
    }
    run(
        {**section, "task": task.model_dump(mode="json")},
        examples=current.path, base=base.path, **outputs,
    )  # fmt: skip
    found = open_artifact(outputs["comparison"]).json("comparison.json")
    assert found["changed"] and "another task" in found["reason"]


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_another_clean_up_makes_all_rows_new(section, base, tmp_path: Path, form: str) -> None:
    """Its ids are others: the same content would stand in train by one, in test by the other."""
    before, now = Clean().model_dump(mode="json"), Clean(unicode=form).model_dump(mode="json")
    parts = {
        "examples": write_examples(tmp_path / "known", made_rows(300), clean=before),
        "model": model(tmp_path / "model", ["n", "p"]),
    }
    keep_version(Store(tmp_path / "store"), tmp_path / "v", 1, parts)
    current = write_examples(tmp_path / "now", made_rows(300), clean=now)
    outputs = {
        one: tmp_path / f"now-{one}" for one in ("comparison", "merged", "history", "initial")
    }
    run(section, examples=current.path, base=base.path, **outputs)
    found = open_artifact(outputs["comparison"]).json("comparison.json")
    assert found["changed"] is (form == "NFKC")
    if found["changed"]:
        assert "data.clean is another" in found["reason"] and not found["warm_start"]
        assert open_artifact(outputs["merged"]).json("info.json")["clean"] == now


def test_new_rows_that_only_measure_are_no_reason(section, base, champion, tmp_path: Path) -> None:
    current = write_examples(tmp_path / "now", made_rows(150, 900), split="test")
    outputs = {
        one: tmp_path / f"now-{one}" for one in ("comparison", "merged", "history", "initial")
    }
    run(section, examples=current.path, base=base.path, **outputs)
    found = open_artifact(outputs["comparison"]).json("comparison.json")
    assert found["new"] == 150 and not found["changed"]


def test_rows_of_the_test_file_that_the_champion_was_trained_on_stay_in_train(
    section, base, champion, tmp_path: Path
) -> None:
    """An official test file that turns up later must not hold what was trained on."""
    current = write_examples(tmp_path / "now", made_rows(300), split="test")
    new = write_examples(tmp_path / "new", made_rows(150, 900))
    both = [one for part in (current, new) for split in ("train", "validation", "test")
            for one in rows_of(part, split)]  # fmt: skip
    found, made = compare(section, tmp_path, base, both, "both")
    assert found["changed"]
    before, after = splits_of(champion["examples"]), splits_of(made["history"])
    assert {one: after[one] for one in before} == before


def test_a_damaged_part_of_the_champion_is_named(section, base, champion, tmp_path: Path) -> None:
    victim = tmp_path / "store/tiny/versions/1/model/model.safetensors"
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors is damaged"):
        compare(section, tmp_path, base, made_rows(420))


def test_scratch_sizes_that_changed_are_another_base(section, champion, tmp_path: Path) -> None:
    from bertworks.retraining.champion import same_base

    own = model(tmp_path / "own", ["n", "p"], "scratch")
    sizes = {"layers": 1, "hidden_size": 8, "heads": 2, "intermediate_size": 8}
    assert same_base(Base(uri="scratch", scratch=sizes), own)
    assert not same_base(Base(uri="scratch", scratch={**sizes, "layers": 2}), own)
    assert not same_base(Base(uri=URI), own)


def test_an_encoder_of_another_depth_is_another_base(tmp_path: Path) -> None:
    from bertworks.retraining.champion import same_base

    own = model(tmp_path / "own", ["n", "p"], URI)
    assert same_base(Base(uri=URI), own)
    assert same_base(Base(uri=URI, layers=1), own)
    assert not same_base(Base(uri=URI, layers=2), own)
