"""The whole DAG as a user runs it: what it pushes, what it refuses, and the lineage that it leaves."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_agent import SPEC, made_up_rows, write_rows

from bertworks.runtime.agent import Agent
from bertworks.storage.artifacts import open_artifact

BOXES = (
    "Ingest", "ExampleGen", "StatisticsGen", "SchemaGen", "TextSchema", "ExampleValidator", "Checks",
    "Transform", "Trainer", "Compressor", "Budget", "Evaluator", "Pusher",
)  # fmt: skip


def test_a_blessed_bundle_is_pushed_and_answers(tiny):
    pushed = tiny.pushed()[0]

    answers = Agent.load(pushed).predict(["the plot was lovely", "the plot was dreary"])

    assert [one["label"] for one in answers] == ["positive", "negative"]
    assert "blessed and pushed" in tiny.done.stdout
    assert str(pushed) in tiny.done.stdout


def test_every_box_reports_its_progress(tiny):
    for box in BOXES:
        assert f"] {box}\n" in tiny.done.stderr
        assert f"      {box}: " in tiny.done.stderr
    assert "fine-tuning: done" in tiny.done.stderr


def test_what_is_printed_goes_from_the_sources_to_the_bundle(tiny):
    lines = tiny.done.stdout.split("lineage (", 1)[1].splitlines()[1:]

    assert lines[0].strip().endswith("<- Ingest <- the sources")
    assert "<- Compressor <-" in lines[-1]


@pytest.mark.parametrize("box", ["Trainer", "Compressor"])
def test_every_model_came_of_the_examples_and_the_rows(tiny, box):
    lineage = tiny.lineage
    model = lineage.of_box(box, "Model")[0]

    boxes = {lineage.nodes[one].box for one in lineage.ancestors(model.number)}

    assert {"Ingest", "ExampleGen", "TextSchema", "Transform"} <= boxes


def test_the_pushed_model_is_the_one_that_was_blessed(tiny):
    lineage = tiny.lineage
    push = lineage.of_box("Pusher", "PushedModel")[0]
    blessing = lineage.of_box("Evaluator", "ModelBlessing")[0]
    bundle = lineage.of_box("Compressor", "Model")[0]

    assert push.facts["pushed"] == 1
    assert blessing.facts["blessed"] == 1
    assert blessing.facts["current_model_id"] == bundle.number
    assert {bundle.number, blessing.number} <= set(push.parents)
    pushed = open_artifact(tiny.pushed()[0], "bundle")
    assert pushed.digest == open_artifact(Path(bundle.uri) / "Format-Serving").digest


def test_the_gate_number_is_that_of_the_evaluate_step(tiny):
    import tensorflow_model_analysis as tfma

    report = open_artifact(tiny.first("Budget", "BertworksReport") / "bundle", "metrics")
    wanted = {one["name"]: one["value"] for one in report.json("metrics.json") if not one["slice"]}
    result = tfma.load_eval_result(str(tiny.first("Evaluator", "ModelEvaluation")))
    overall = next(values for key, values in result.slicing_metrics if not key)[""][""]

    for name in ("accuracy", "macro_f1", "mcc", "roc_auc", "calibration_error"):
        assert overall[name]["doubleValue"] == pytest.approx(wanted[name], abs=1e-6), name
    slices = {key[0][0] for key, _ in result.slicing_metrics if key}
    assert slices == {"length"}


def test_an_unchanged_run_takes_every_box_from_the_cache_and_stays_blessed(tiny, tfx_agent):
    before = tiny.pushed()

    done = tfx_agent(tiny.folder)

    assert done.returncode == 0, done.stderr[-2000:]
    for box in BOXES:
        if box not in ("Evaluator", "Pusher"):  # now there is a blessed bundle: itself
            assert f"{box}: from the cache" in done.stderr
    assert set(before) <= set(tiny.pushed())


def test_the_absolute_threshold_refuses(tiny, tfx_agent):
    before = tiny.pushed()

    done = tfx_agent(
        tiny.folder,
        *("--set", "finetune.learning_rate=1e-9", "--set", "finetune.epochs=1"),
        *("--set", "gates.minimum=1", "--set", "gates.max_drop=1.0"),
        *("--set", "compress.prune.enabled=false"),
    )

    assert done.returncode == 6
    assert "did not bless" in done.stderr
    assert "the gate asks for 1" in done.stderr
    assert tiny.pushed() == before
    assert tiny.lineage.newest("Pusher", "PushedModel").facts["pushed"] == 0


def test_after_a_refusal_the_first_spec_is_still_the_blessed_one(tiny, tfx_agent):
    """The newest artifact in the store is another run's: what counts is what this run gave out."""
    done = tfx_agent(tiny.folder)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "Pusher: from the cache" in done.stderr


def test_a_worse_challenger_is_not_blessed(tiny, tfx_agent):
    before = tiny.pushed()

    done = tfx_agent(
        tiny.folder,
        *("--set", "finetune.learning_rate=1e-9", "--set", "finetune.epochs=1"),
        *("--set", "gates.minimum=0.0", "--set", "gates.max_drop=1.0"),
        *("--set", "compress.prune.enabled=false", "--set", "gates.beat_champion=true"),
    )

    assert done.returncode == 6, done.stderr[-2000:]
    assert "from the last blessed bundle's" in done.stderr
    assert "the gate asks" not in done.stderr
    assert tiny.pushed() == before
    blessing = tiny.lineage.newest("Evaluator", "ModelBlessing")
    first = tiny.lineage.of_box("Compressor", "Model")[0]
    assert blessing.facts["blessed"] == 0
    assert blessing.facts["baseline_model_id"] == first.number


def test_example_validator_reports_and_the_run_stops(tmp_path, tfx_agent):
    from tfx_runs import Run

    write_rows(tmp_path / "rows.csv", made_up_rows(200))
    strange = [(f"ж{number}ш щ{number}ю", "neutral") for number in range(20)]
    write_rows(tmp_path / "strange.csv", strange)
    spec = SPEC.replace(
        "    - {uri: rows.csv, license: made up}\n",
        "    - {uri: rows.csv, license: made up}\n"
        "    - {uri: strange.csv, license: made up, split: validation}\n",
    ).replace(
        "  checks: {near_duplicates: ignore, leakage: ignore}",
        "  checks: {near_duplicates: ignore, leakage: ignore, unknown_tokens: error}",
    )
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")

    done = tfx_agent(tmp_path)

    assert done.returncode == 3, done.stderr[-2000:]
    assert "validation, label: " in done.stderr
    assert "neutral" in done.stderr
    assert "validation, row.pieces: " in done.stderr
    assert "At most 0.02 is allowed (max_unknown_tokens)" in done.stderr
    lineage = Run(tmp_path, done).lineage
    assert lineage.of_box("ExampleValidator", "ExampleAnomalies")
    assert not lineage.of_box("Trainer")


def test_token_ids_are_those_of_the_transform_step(tiny, retold):
    ours, theirs = tiny.first("Compressor", "BertworksRows") / "tokens", retold / "tokens"

    for split in ("train", "validation", "test"):
        for file in sorted((theirs / split).glob("*.parquet")):
            assert pq.read_table(ours / split / file.name).equals(pq.read_table(file))
    names = ("labels", "special", "vocab_size", "rows", "length_quantiles", "max_length")
    info, wanted = (open_artifact(one, "tokens").json("info.json") for one in (ours, theirs))
    assert {name: info[name] for name in names} == {name: wanted[name] for name in names}


def test_the_weights_are_those_of_the_finetune_step(tiny, retold):
    import numpy as np

    from bertworks.models.weights import read_tensors

    ours = read_tensors(tiny.first("Trainer", "Model") / "Format-Serving/model.safetensors")
    theirs = read_tensors(retold / "model/model.safetensors")

    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, rtol=0, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def retold(tiny, tmp_path_factory):
    """The transform and finetune steps of the other DAG, called on the rows of the TFX run."""
    from bertworks.spec import file as spec_file
    from components.launch import run_step
    from pipelines.dag import Dag
    from pipelines.site import Kubeflow

    folder = tmp_path_factory.mktemp("kfp")
    loaded = spec_file.load(tiny.folder / "spec.yaml")
    parts = Dag(loaded.spec, Kubeflow(str(folder / "models"))).sections()
    found = {
        name: next(
            Path(node.uri) / name
            for node in tiny.lineage.of_box("Ingest")
            if (Path(node.uri) / name).exists()
        )
        for name in ("examples", "corpus", "base")
    }
    run_step("transform", parts["transform"], found, {"tokens": folder / "tokens"})
    run_step(
        "finetune",
        parts["finetune"],
        {"tokens": folder / "tokens", "initial": found["base"]},
        {"model": folder / "model"},
    )
    return folder


def test_an_anomaly_is_as_serious_as_the_spec_says(capsys):
    pytest.importorskip("tfx", reason="tfx is not installed (make tfx-test runs this)")
    from bertworks.errors import DataError
    from bertworks.spec import Checks
    from pipelines.tfx.steps.checking import refuse

    found = [
        {"split": "test", "feature": "row.fit", "short": "", "message": "cut (~9%)."},
        {"split": "test", "feature": "label", "short": "new value", "message": ""},
    ]

    with pytest.raises(DataError, match="1 anomalies") as caught:
        refuse(found, Checks(too_long="warning", schema_anomalies="error"))
    refuse(found, Checks(too_long="warning", schema_anomalies="ignore"))

    assert "test, label: new value" in str(caught.value)
    shown = capsys.readouterr().err
    assert "warning: test, row.fit: cut (~9%). At most 0.05 is allowed (max_too_long)." in shown
    assert "label: new value" not in shown
