"""Which rows a challenger gets: splits that never move, rehearsal, labels that wait."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.contracts.examples import EXAMPLES, Outside
from bertworks.retraining.merge import write_rows
from bertworks.retraining.plan import LABEL_ROWS, counts, make_plan
from bertworks.retraining.rows import Key, read_keys, rows_of
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task
from tests.helpers.retrain_rows import made_rows, row, splits_of, write_examples

IDS = st.integers(0, 60).map(lambda number: f"{number:016x}")
KEYS = st.builds(
    Key,
    split=st.sampled_from(["train", "train", "train", "validation", "test"]),
    target=st.sampled_from([b"a", b"b"]),
    labels=st.sampled_from([("a",), ("b",), ("c",), ("a", "c"), ()]),
)
ROWS = st.dictionaries(IDS, KEYS, max_size=40)


@given(ROWS, ROWS, st.one_of(st.none(), st.floats(0, 3)), st.integers(1, 3), st.text(max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_plan_keeps_its_promises(current, known, rehearsal, minimum, seed) -> None:
    plan = make_plan(current, known, rehearsal=rehearsal, seed=seed, min_label_rows=minimum)
    # Every row has one split: the first that it was given.
    assert set(plan.split) == {*known, *current} - plan.waiting
    assert all(plan.split[one] == known[one].split for one in known)
    # What the champion was trained on is never measured with.
    trained = {one for one, key in known.items() if key.split == "train"}
    measured = {one for one in plan.split if plan.split[one] != "train" and plan.used(one)}
    assert not trained & measured
    # All new rows, and all old rows that are measured with, are there.
    assert all(plan.used(one) for one in plan.fresh)
    assert all(plan.used(one) for one, key in known.items() if key.split != "train")
    # Rehearsed are old training rows that are not new, no more than there are.
    assert plan.rehearsed <= trained - plan.fresh
    assert plan.left_out == len(trained - plan.fresh) - len(plan.rehearsed)
    # A label of a new row has its training rows.
    used = Counter(
        label
        for one in plan.split
        if plan.split[one] == "train"
        for label in (current[one] if one in plan.fresh else known[one]).labels
    )
    for one in plan.fresh:
        assert all(used[label] >= minimum for label in current[one].labels)
    # The same again gives the same.
    again = make_plan(current, known, rehearsal=rehearsal, seed=seed, min_label_rows=minimum)
    assert again == plan


@given(ROWS, ROWS, st.floats(0, 2), st.floats(0, 2))
@settings(max_examples=100, deadline=None)
def test_more_rehearsal_only_adds_rows(current, known, one, two) -> None:
    less, more = (
        make_plan(current, known, rehearsal=share, seed="s", min_label_rows=1).rehearsed
        for share in sorted((one, two))
    )
    assert less <= more


def keys(labels: dict[str, int], split: str = "train", start: int = 0) -> dict[str, Key]:
    names = [label for label, count in labels.items() for _ in range(count)]
    return {
        f"{start + number:016x}": Key(split, label.encode(), (label,))
        for number, label in enumerate(names)
    }


def test_rehearsal_takes_so_many_and_ten_of_each_label() -> None:
    known = keys({"common": 500, "rare": 20, "rarest": 4})
    current = {**known, **keys({"common": 50}, start=1000)}
    plan = make_plan(current, known, rehearsal=1.0, seed="x", min_label_rows=2)
    taken = Counter(known[one].labels[0] for one in plan.rehearsed)
    assert taken["rarest"] == 4 and taken["rare"] >= LABEL_ROWS
    assert 50 <= len(plan.rehearsed) <= 50 + LABEL_ROWS + 4
    other = make_plan(current, known, rehearsal=1.0, seed="y", min_label_rows=2)
    assert other.rehearsed != plan.rehearsed
    none = make_plan(current, known, rehearsal=0.0, seed="x", min_label_rows=2)
    assert Counter(known[one].labels[0] for one in none.rehearsed) == {
        "rare": LABEL_ROWS, "rarest": 4,
    }  # fmt: skip
    every = make_plan(current, known, rehearsal=None, seed="x", min_label_rows=2)
    assert every.rehearsed == set(known)


def test_a_new_label_waits_until_it_has_enough_training_rows() -> None:
    known = keys({"a": 30, "b": 30})
    alone = make_plan(
        {**known, **keys({"c": 1}, start=900), **keys({"c": 4}, "test", start=950)},
        known, rehearsal=1.0, seed="", min_label_rows=2,
    )  # fmt: skip
    assert not alone.fresh and len(alone.waiting) == 5 and not alone.new_labels
    enough = make_plan(
        {**known, **keys({"c": 2}, start=900), **keys({"c": 4}, "test", start=950)},
        known, rehearsal=1.0, seed="", min_label_rows=2,
    )  # fmt: skip
    assert len(enough.fresh) == 6 and not enough.waiting and enough.new_labels == {"c"}


def test_a_row_with_another_label_is_new_and_keeps_its_split() -> None:
    known = keys({"a": 12, "b": 12})
    moved = "0000000000000003"
    current = {**known, moved: Key("test", b"b", ("b",))}
    plan = make_plan(current, known, rehearsal=0.0, seed="", min_label_rows=1)
    assert plan.fresh == {moved} and plan.relabelled == 1
    assert plan.split[moved] == "train"


def test_labels_stand_in_the_order_of_the_transform_step() -> None:
    plain, tagging = (for_task(Task(type=name)).target for name in ("classification", "tagging"))
    assert plain.ordered({"b", "a", "Z"}) == ["Z", "a", "b"]
    assert tagging.ordered({"B-PER", "O", "I-PER"}) == ["O", "B-PER", "I-PER"]
    assert tagging.ordered({"B-PER"}) == ["O", "B-PER"]


@pytest.mark.parametrize("extra", [(), ("team",)])
def test_merged_rows_are_sorted_whole_and_counted(tmp_path: Path, extra: tuple[str, ...]) -> None:
    task = Task()
    old = made_rows(200)
    known = write_examples(tmp_path / "known", old)
    # Of the old rows half are gone from the sources; one is labelled anew; 60 are new.
    relabelled = {**old[0], "label": "q" if old[0]["label"] != "q" else "p"}
    now = [relabelled, *old[1:100], *made_rows(60, 1000), row("other", "q"), row("more", "q")]
    now = [{**one, **dict.fromkeys(extra, "red")} for one in now]
    current = write_examples(tmp_path / "current", now, extra=extra)
    plan = make_plan(
        read_keys(current, task), read_keys(known, task),
        rehearsal=0.5, seed="", min_label_rows=1,
    )  # fmt: skip
    for name in ("examples", "history"):
        (tmp_path / name).mkdir()
    write_rows(task, [known, current], plan, tmp_path / "examples", tmp_path / "history")
    merged, history = (
        Artifact(tmp_path / name, "examples", "test", "", {}, {})
        for name in ("examples", "history")
    )
    every, used = splits_of(history), splits_of(merged)
    assert every == dict(plan.split)
    assert set(used) == {one for one in every if plan.used(one)}
    assert all(every[one] == split for one, split in used.items())
    before = splits_of(known)
    assert {one: every[one] for one in before} == before
    rows = {
        one["id"]: one
        for split in ("train", "validation", "test")
        for one in rows_of(merged, split)
    }
    assert rows[relabelled["id"]]["label"] == "q"
    for split in ("train", "validation", "test"):
        ids = [one["id"] for one in rows_of(merged, split)]
        assert ids == sorted(set(ids))
    for artifact in (merged, history):
        info = artifact.json("info.json")
        assert info["rows"] == dict(Counter(splits_of(artifact).values()))
        assert info["read"] == sum(info["rows"].values()) + info["left_out"]
        assert set(info["labels"]) == {"n", "p", "q"}
    assert counts(plan).new == 63
    if extra:
        assert {one["team"] for one in rows.values()} == {"red", ""}


def test_no_old_label_is_outweighed_by_a_new_one() -> None:
    known = keys({"common": 400, "rare": 30})
    current = known | keys({"new": 60}, start=1000)
    plan = make_plan(current, known, rehearsal=1.0, seed="x", min_label_rows=2)
    taken = Counter(known[one].labels[0] for one in plan.rehearsed)
    assert taken["rare"] == 30 and taken["common"] >= 60
    # Without a new label, so many as were asked for.
    current = known | keys({"common": 60}, start=1000)
    plan = make_plan(current, known, rehearsal=0.5, seed="x", min_label_rows=2)
    assert len(plan.rehearsed) < 60


def test_texts_out_of_scope_go_on_to_the_evaluation_and_not_into_the_history(
    tmp_path: Path,
) -> None:
    task = Task()
    current = write_examples(tmp_path / "current", made_rows(40))
    outside = current.path / "out_of_scope"
    outside.mkdir()
    table = pa.table({"id": ["0" * 16], "text": ["what is the weather"], "source": ["o.csv"]})
    pq.write_table(table, outside / "part-00000.parquet")
    EXAMPLES.write(current.path, replace(EXAMPLES.read(current), out_of_scope=Outside(1)))
    plan = make_plan(read_keys(current, task), {}, rehearsal=None, seed="", min_label_rows=1)
    for name in ("examples", "history"):
        (tmp_path / name).mkdir()
    write_rows(task, [current], plan, tmp_path / "examples", tmp_path / "history")
    assert EXAMPLES.read(tmp_path / "examples").out_of_scope == Outside(1)
    assert EXAMPLES.read(tmp_path / "history").out_of_scope is None
    kept = pq.read_table(tmp_path / "examples/out_of_scope/part-00000.parquet")
    assert kept.equals(table) and not (tmp_path / "history/out_of_scope").exists()
