"""Advice of compression and evaluation, and on the corpus, is taken, on tiny artifacts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model

from bertworks.contracts.confidence import MeasuredConfidence, SplitConfidence
from bertworks.contracts.decision import Decision, Rule
from bertworks.contracts.latency import Load, Speed
from bertworks.contracts.metrics import Metric
from bertworks.contracts.tokens import TOKENS
from bertworks.evaluation.gating.confidence import confidence_rules
from bertworks.evaluation.gating.gates import Measured, against_champion, decide
from bertworks.evaluation.metrics import score
from bertworks.evaluation.predictions import Predictions
from bertworks.evaluation.slices import slice_values
from bertworks.spec import Task
from bertworks.storage.artifacts import open_artifact, write
from tests.fixes.taking import Bench, as_written, change, checkpoint, reviews, taken
from tests.helpers.records import tokens_info


@pytest.mark.parametrize("way", ["sources", "include_training_text"])
def test_a_corpus_of_one_text(bench: Bench, tmp_path: Path, way: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bertworks.training.objectives.corpus import read_texts

    bench.rows(reviews(60))
    bench.rows("\n".join(f"a text {n}" for n in range(9)), "more.txt")
    checkpoint(tmp_path / "model")
    bench.content["base"] = {"uri": "./model"}
    bench.content["task"] = {"max_length": 16}
    bench.content["corpus"] = {"include_training_text": False}

    def attempt(*changes: str) -> None:
        folder = bench.ingest(*changes)
        rows = open_artifact(folder / "corpus").path
        texts = [row for file in rows.glob("*.parquet") for row in pq.read_table(file).to_pylist()]
        table = [{"id": row["id"], "input_ids": [5, 6], "words": [0, 1]} for row in texts]
        with write(folder / "tokens", kind="tokens", producer="transform") as out:
            (out / "corpus").mkdir()
            if table:
                pq.write_table(pa.Table.from_pylist(table), out / "corpus/part-00000.parquet")
            TOKENS.write(out, tokens_info(corpus_rows=len(table)))
        read_texts(open_artifact(folder / "tokens"), 0.1)

    ways = {
        "sources": change("corpus.sources", [{"uri": "more.txt"}]),
        "include_training_text": change("corpus.include_training_text", True),
    }
    taken(
        "bertworks/training/objectives/corpus.py",
        "Give corpus.sources in the spec",
        attempt,
        ways[way],
    )


def answers(ids: list[str]) -> Predictions:
    return Predictions(Task(), ["a", "b"], ids, np.zeros(len(ids), int), np.zeros(len(ids), int))


def test_no_test_rows(bench: Bench) -> None:
    bench.rows(reviews(200))

    def attempt(*changes: str) -> None:
        rows = bench.counts(*changes)["test"] if changes else 0
        score(answers([str(row) for row in range(rows)]), 0, 1)

    taken("bertworks/evaluation/metrics.py", "raise data.test in the spec", attempt,
          change("data.test", 0.3))  # fmt: skip


def test_a_slice_by_a_column_that_was_not_kept(bench: Bench) -> None:
    import pyarrow.parquet as pq

    rows = "".join(f"review {n},{('bad', 'good')[n % 2]},{'xy'[n % 2]}\n" for n in range(60))
    bench.rows("text,label,product\n" + rows)

    def attempt(*changes: str) -> object:
        files = (bench.ingest(*changes) / "examples/test").glob("*.parquet")
        table = pq.read_table(next(files)).to_pydict()
        chosen = any("slices" in change for change in changes)
        by = bench.spec(*changes).spec.evaluate.slices[0] if chosen else "product"
        return slice_values(answers(table["id"]), table, by)

    found = taken("bertworks/evaluation/slices.py", "keep the column with data.sources[].columns.extra",
                  attempt, change("data.sources.0.columns.extra", ["product"]))  # fmt: skip
    assert set(found) == {"x", "y"}  # type: ignore[call-overload]
    taken("bertworks/evaluation/slices.py", "Use length, source, label", attempt,
          lambda _: ('evaluate.slices=["source"]',))  # fmt: skip


@pytest.mark.parametrize("piece", ["evaluate.floor: true", "gates.beat_floor: false"])
def test_a_floor_that_was_not_measured(bench: Bench, piece: str) -> None:
    found = [Metric("accuracy", 0.8)]

    def attempt(*changes: str) -> Decision:
        spec = bench.spec("gates.max_drop=null", *changes).spec
        # The metrics that the first attempt is given were measured without a floor.
        measured_now = spec.evaluate.floor and "evaluate.floor=true" in changes
        floor = [Metric("accuracy", 0.5)] if measured_now else []
        time = Speed(1.0, 1.0, 1.0, Load(1.0, 1.0, 1.0, 1.0))
        measured = Measured(bundle=found, model=found, floor=floor, latency=time)
        return decide(spec.gates, "accuracy", measured)

    def by(fix: str) -> tuple[str, ...]:
        assert piece in fix
        return as_written(piece)

    decision = taken(
        "bertworks/evaluation/gating/gates.py", "Set evaluate.floor: true", attempt, by
    )
    assert decision.passed


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        ("min_coverage", "coverage"),
        ("max_calibration_error", None),
        ("min_out_of_scope_recall", "out_of_scope"),
    ],
)
def test_a_gate_on_what_was_not_measured(bench: Bench, gate: str, name: str | None) -> None:
    bench.content["data"]["sources"].append({"uri": "others.csv", "out_of_scope": True})
    asked = ("confidence.abstain.coverage=0.5", f"gates.{gate}=0.5")
    test = SplitConfidence(9, 0.1, 0.1, 0.1, 0.9)

    def attempt(*changes: str) -> list[Rule]:
        gates = bench.spec(*asked, *changes).spec.gates
        return confidence_rules(gates, MeasuredConfidence(1.0, {"test": test}) if name else None)

    rules = taken(
        "bertworks/evaluation/gating/confidence.py",
        "Run the spec again, so that the bundle is made and evaluated with it",
        attempt,
        as_written,
    )
    assert rules == []


@pytest.mark.parametrize("way", ["gates.beat_champion: false", "data.salt"])
def test_a_champion_tested_on_other_rows(bench: Bench, way: str) -> None:
    import pyarrow.parquet as pq

    bench.rows(reviews(40))
    bench.content["gates"] = {"beat_champion": True}

    def test_ids(*changes: str) -> list[str]:
        return [
            row["id"]
            for file in (bench.ingest(*changes) / "examples/test").glob("*.parquet")
            for row in pq.read_table(file).to_pylist()
        ]

    champion = answers(test_ids())

    def attempt(*changes: str) -> None:
        given = changes or ("data.salt=b",)
        ours = test_ids(*given)
        if given == ("data.salt=b",):
            ours = [row for row in ours if row not in champion.ids]
        if bench.spec(*given).spec.gates.beat_champion:
            against_champion(answers(ours), champion, "accuracy", seed=1)

    by = as_written if way.endswith("false") else change("data.salt", "")
    taken("bertworks/evaluation/gating/gates.py", "Set gates.beat_champion: false", attempt, by)


def test_a_speed_up_that_nothing_can_reach(bench: Bench) -> None:
    from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject
    from bertworks.compression.pruning.widths import check_reachable

    table = LatencyTable(
        inner=LayerTimes({0: 1.0, 4: 5.0}, {0: 1.0, 64: 9.0}),
        last=LayerTimes({0: 1.0, 4: 5.0}, {0: 1.0, 64: 9.0}),
        fixed=2.0, spread=0.0, rounds=5, threads=1,
        subject=Subject(16, 4, 4, 64, "sequence", pair=False), shapes=(Shape(1, 8, 1.0),),
    )  # fmt: skip

    def attempt(*changes: str) -> None:
        spec = bench.spec("compress.prune.speedup=19", *changes).spec
        check_reachable(table, 2, table.encoder_time([4, 4], [64, 64]), spec.compress.prune.speedup)

    def by(fix: str) -> tuple[str, ...]:
        below = float(fix.rpartition(" ")[2].rstrip("."))
        return change("compress.prune.speedup", below - 0.1)(fix)

    taken(
        "bertworks/compression/pruning/widths.py", "Set compress.prune.speedup below ", attempt, by
    )


@pytest.mark.parametrize("split", ["validation"])
def test_no_rows_to_quantize_on(bench: Bench, tmp_path: Path, split: str) -> None:
    from bertworks.training.rows import sample_rows

    bench.rows(reviews(60))

    def attempt(*changes: str) -> None:
        rows = bench.counts(*changes)[split] if changes else 0
        path = tmp_path / f"tokens{rows}"
        if rows:
            tiny_model.make_tokens(path, {}, ["a", "b"], rows=rows)
        else:
            with write(path, kind="tokens", producer="transform") as out:
                TOKENS.write(out, tokens_info(rows={split: 0}))
        sample_rows(open_artifact(path), split, 9, 1, "label")

    taken("bertworks/training/rows.py", "Give more data, or raise data.", attempt,
          change("data.validation", 0.3))  # fmt: skip


@pytest.mark.parametrize("way", ["examples", "serve.page.examples"])
def test_rows_to_show_that_are_not_at_hand(bench: Bench, way: str) -> None:
    from components.quantize.shown import shown_examples

    bench.rows(reviews(60))
    asked = "serve.page.examples=3"

    def attempt(examples: Path | None = None, *changes: str) -> int:
        section = bench.section("quantize", *(changes or [asked]))
        return len(shown_examples(Task(), section["serve"], examples, seed=1))

    def by(fix: str) -> tuple[Any, ...]:
        if way == "examples":
            assert "the examples artifact" in fix
            return (bench.ingest() / "examples",)
        (setting,) = re.findall(rf"set ({way}) to (\d+)", fix)
        return None, "=".join(setting)

    shown = taken("components/quantize/shown.py", "or set serve.page.examples to 0.", attempt, by)
    assert shown == (3 if way == "examples" else 0)


def test_the_metric_is_corrected(bench: Bench) -> None:
    from bertworks.tasks import for_task

    def attempt(metric: str = "pearson") -> float:
        targets = np.array([0, 1, 1])
        return for_task(Task(), ["a", "b"]).metric(metric, targets, np.eye(2)[[0, 1, 0]])

    taken("bertworks/tasks/handler.py", "Correct `metric` in the spec.", attempt,
          lambda _: ("macro_f1",))  # fmt: skip
