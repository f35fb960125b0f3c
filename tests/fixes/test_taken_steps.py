"""Advice of validate and transform is taken: the spec is changed as it says, and the step goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from bertworks.spec import Base, Task, Transform
from bertworks.spec.section import Section
from bertworks.storage import artifacts
from components.transform.facts import Facts
from tests.fixes.taking import Bench, as_written, change, reviews, taken

ROWS = 60


def read(folder: Path, split: str) -> list[dict[str, Any]]:
    return [
        row for file in folder.glob(f"{split}/*.parquet") for row in pq.read_table(file).to_pylist()
    ]


def encoded(bench: Bench, folder: Path, known: list[str]) -> tuple[Task, list[Any]]:
    """What the transform step does, tf.Transform's analyzers left out: the reports of its shards."""
    from components.transform import step
    from components.transform.shards import Job, encode_shard, finish_shard, reports

    settings = bench.section("transform")
    examples = artifacts.open_artifact(folder / "examples")
    task = Task.model_validate(examples.json("info.json")["task"])
    parents = {
        name: artifacts.open_artifact(folder / name) for name in ("examples", "corpus", "base")
    }
    shards = step._shards(task, Transform.model_validate(settings["transform"]), parents)
    work = folder / "work"
    work.mkdir()
    tokenizer = step._tokenizer(
        Base.model_validate(settings["base"]), task, parents["base"], shards
    )
    tokenizer.save(work)
    job = Job(task, str(work), str(work), str(work), 1000)
    for shard in shards:
        encode_shard(shard, job)
        finish_shard(shard, job, Facts(known, [], {"mean": 0.0, "std": 1.0}))
    return task, reports(work)


def labels_of(folder: Path) -> list[str]:
    rows = read(folder / "examples", "train")
    return sorted(
        {name for row in rows for name in row.get("labels") or [row.get("label")] if name}
    )


def transformed(bench: Bench, *changes: str) -> list[str]:
    """Refuses as the step does; the labels of the train split."""
    return encoded_labels(bench, bench.ingest(*changes))


def encoded_labels(bench: Bench, folder: Path) -> list[str]:
    """The same of what ingest, or another program, has made."""
    from components.transform.step import _refuse

    known = [
        label for label in labels_of(folder) if "\n" not in label
    ]  # As tf.Transform keeps them.
    task, done = encoded(bench, folder, known)
    scores = [row["score"] for row in read(folder / "examples", "train") if "score" in row]
    score = {"mean": float(np.mean(scores)), "std": float(np.std(scores))} if scores else None
    _refuse(task, Facts(known, [], score), done)
    return known


def test_scores_that_are_all_the_same(bench: Bench) -> None:
    bench.content["task"] = {"type": "regression"}
    bench.content["validate"] = {"checks": {"single_class": "warning"}}  # else ingest says so
    rows = "".join(f"review {n},5,{n % 7}\n" for n in range(ROWS))
    bench.rows("text,label,stars\n" + rows)
    taken("components/transform/step.py", "is it the column with the score?",
          lambda *changes: transformed(bench, *changes),
          change("data.sources.0.columns.label", "stars"))  # fmt: skip


def test_rows_without_any_label(bench: Bench) -> None:
    bench.content["task"] = {"multi_label": True}
    bench.content["validate"] = {"checks": {"single_class": "warning"}}  # else ingest says so
    rows = "".join(f"review {n},,{('good', 'bad|good')[n % 2]}\n" for n in range(ROWS))
    bench.rows("text,label,moods\n" + rows)
    labels = taken("components/transform/step.py", "is it the column with the labels?",
                   lambda *changes: transformed(bench, *changes),
                   change("data.sources.0.columns.label", "moods"))  # fmt: skip
    assert labels == ["bad", "good"]


@pytest.mark.parametrize("way", ["label_map", "where"])
def test_a_label_that_training_lacks(bench: Bench, way: str) -> None:
    bench.rows(reviews(ROWS))
    rare = "".join(f"a rare one {n},{('odd', 'good')[n % 2]}\n" for n in range(9))
    bench.rows("text,label\n" + rare, "test.csv")
    sources = bench.content["data"]["sources"]
    sources.append({"uri": "test.csv", "split": "test"})
    ways = {
        "label_map": change("data.sources.1.label_map", {"odd": "bad"}),
        "where": change("data.sources.1.where", {"label": ["good"]}),
    }
    taken("components/transform/step.py", "Add training rows with these labels, or rename them",
          lambda *changes: transformed(bench, *changes), ways[way])  # fmt: skip


def test_labels_that_another_program_has_broken(bench: Bench) -> None:
    bench.rows(reviews(ROWS).replace(",good", ',"very\ngood"'))
    own, other = bench.ingest(), bench.folder / "other"
    for name in ("corpus", "base"):
        shutil.copytree(own / name, other / name)
    with artifacts.write(other / "examples", kind="examples", producer="another") as folder:
        for file in (own / "examples").rglob("*.*"):
            if file.name != artifacts.MANIFEST:
                (folder / file.relative_to(own / "examples")).parent.mkdir(exist_ok=True)
                shutil.copy(file, folder / file.relative_to(own / "examples"))
        for file in folder.glob("train/*.parquet"):
            table = pq.read_table(file)
            place = table.column_names.index("label")
            labels = [label.replace(" ", "\n") for label in table["label"].to_pylist()]
            pq.write_table(table.set_column(place, table.schema.field(place), [labels]), file)
    labels = taken("components/transform/step.py", "Make the examples with the ingest step",
                   lambda folder=other: encoded_labels(bench, folder),
                   lambda _: (bench.ingest(),))  # fmt: skip
    assert labels == ["bad", "very good"]


BROKEN = "caf\ufffd is broken"


def checked(bench: Bench, *changes: str) -> dict[str, Any]:
    """The validate step."""
    from tests.helpers.steps import validate as run

    folder = bench.ingest(*changes)
    section = bench.section("validate", *changes)
    return run(section, examples=folder / "examples", base=folder / "base", statistics=folder / "s")


@pytest.mark.parametrize(
    "setting", ["validate.checks.encoding_damage", "validate.checks.max_encoding_damage"]
)
def test_a_check_that_is_too_strict(bench: Bench, setting: str) -> None:
    bench.rows(reviews(ROWS) + f"{BROKEN} so,good\n{BROKEN} and so,bad\n")
    bench.content["validate"] = {"checks": {"encoding_damage": "error"}}

    def by(fix: str) -> tuple[str, ...]:
        assert "change limits and severities in the spec's validate.checks" in fix
        return (f"{setting}={0.5 if '.max_' in setting else 'warning'}",)

    taken("bertworks/data/validation/report.py",
          "change limits and severities in the spec's validate.checks",
          lambda *changes: checked(bench, *changes), by)  # fmt: skip


def test_a_change_against_the_baseline_that_is_meant(bench: Bench) -> None:
    bench.rows(reviews(ROWS))
    checked(bench)
    bench.content["validate"] = {
        "baseline": str(bench.folder / "out1/s"), "checks": {"drift": "error", "rare_labels": "ignore"},
    }  # fmt: skip
    bench.rows(reviews(ROWS).replace(",bad", ",good").replace("number 7,good", "number 7,bad"))
    taken("bertworks/data/validation/report.py", "--set validate.baseline=none",
          lambda *changes: checked(bench, *changes), as_written)  # fmt: skip


@pytest.mark.parametrize(
    "change_of, told",
    [
        ({"format": 0}, "its format is 0"),
        ({"vocabulary": {"buckets": 8, "counts": []}}, "in 8 buck"),
    ],
)
def test_a_baseline_of_another_version(bench: Bench, change_of: dict[str, Any], told: str) -> None:
    bench.rows(reviews(ROWS))
    checked(bench)
    old = bench.folder / "old"
    statistics = artifacts.open_artifact(bench.folder / "out1/s")
    with artifacts.write(old, kind="statistics", producer="validate") as folder:
        for file in statistics.path.iterdir():
            if file.name not in ("manifest.json", "profile.json"):
                (folder / file.name).write_bytes(file.read_bytes())
        profile = statistics.json("profile.json")
        artifacts.write_json(folder / "profile.json", {**profile, **change_of})
    bench.content["validate"] = {"baseline": str(old)}
    by = change("validate.baseline", str(statistics.path))
    taken("bertworks/data/validation/baseline.py",
          "Set validate.baseline to a statistics artifact",
          lambda *changes: checked(bench, *changes), by)  # fmt: skip
    with pytest.raises(Exception, match=told):
        checked(bench)
    del bench.content["validate"]["baseline"]  # "or remove it"
    checked(bench)


def test_a_train_split_without_rows(bench: Bench) -> None:
    """Ingest refuses such a spec itself; so does transform what was made in another way."""
    from components.transform.step import _shards

    bench.rows(reviews(ROWS // 2))
    bench.content["data"] |= {"validation": 0.5, "test": 0.49}

    def by(fix: str) -> tuple[str, ...]:
        return (*change("data.validation", 0.2)(fix), *change("data.test", 0.2)(fix))

    taken(
        "bertworks/data/rows/examples.py", "lower data.validation and data.test", bench.counts, by
    )

    def attempt(*changes: str) -> None:
        folder = bench.ingest("data.validation=0.2", "data.test=0.2", *changes)
        if not changes:
            examples = artifacts.open_artifact(folder / "examples")
            with artifacts.write(folder / "none", kind="examples", producer="ingest") as out:
                for split in ("train", "validation", "test"):
                    (out / split).mkdir()
                    schema = pq.read_schema(next((examples / split).glob("*.parquet")))
                    pq.write_table(schema.empty_table(), out / split / "part-00000.parquet")
        parents = {
            "examples": artifacts.open_artifact(folder / ("examples" if changes else "none")),
            "corpus": artifacts.open_artifact(folder / "corpus"),
        }
        _shards(Task(), Transform(), parents)

    taken("components/transform/step.py", "lower data.validation and data.test", attempt, by)


def test_nothing_to_make_a_vocabulary_of(bench: Bench) -> None:
    from bertworks.text.wordpiece import train

    bench.rows("\n".join(f"word{n % 7} and {n}" for n in range(ROWS)), "more.txt")
    bench.rows(reviews(ROWS))

    def attempt(*changes: str) -> None:
        rows = read(bench.ingest(*changes), "corpus") if changes else []
        train((row["text"] for row in rows), 60, True)

    by = change("corpus.sources", [{"uri": "more.txt"}])
    taken("bertworks/text/wordpiece.py", "Give corpus.sources, or a base", attempt, by)


def test_a_runner_that_beam_does_not_know(bench: Bench) -> None:
    import apache_beam as beam

    from components.transform.pipeline import _pipeline

    bench.content["transform"] = {"runner": "DirectRuner"}

    def attempt(*changes: str) -> str:
        settings = Transform.model_validate(bench.section("transform", *changes)["transform"])
        pipeline = _pipeline(settings)
        _ = pipeline | beam.Create([1])
        return str(pipeline.run().wait_until_finish())

    def by(fix: str) -> tuple[str, ...]:
        assert "Name a Beam runner, such as DirectRunner" in fix
        return ("transform.runner=DirectRunner",)

    assert "DONE" in taken("components/transform/pipeline.py", "Name a Beam runner", attempt, by)


def test_all_settings_that_advice_calls_by_their_place_are_there() -> None:
    """`place` is what advice on an optimizer's settings begins with."""
    from bertworks.spec import AgentSpec, Finetune, Pretrain, Prune

    for kind in (Pretrain, Finetune, Prune):
        found: type[Section] = AgentSpec
        for part in kind.place.split("."):
            annotation = found.model_fields[part].annotation
            assert isinstance(annotation, type) and issubclass(annotation, Section)
            found = annotation
        assert found is kind


@pytest.mark.parametrize("step", ["ingest", "finetune", "prune", "evaluate"])
def test_a_step_out_of_memory(bench: Bench, step: str) -> None:
    """Each setting that is named takes a value, and reaches what it is about."""
    from components.launch import _out_of_memory

    fix = _out_of_memory(step).fix
    trains = {"prune": "compress.prune", "finetune": "finetune"}
    less = f"{trains[step]}.batch_size" if step in trains else "data.max_rows"
    changes = (*change(less, 20)(fix), *change(f"resources.steps.{step}.memory", "3Gi")(fix))
    loaded = bench.spec(*changes)
    assert loaded.spec.resources.of(step).memory == "3Gi"
    bench.rows(reviews(ROWS))
    if step == "ingest":
        split = ("data.validation=0.3", "data.test=0.3")
        assert sum(bench.counts(*changes, *split).values()) == 20
