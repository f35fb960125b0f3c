"""The table of boxes is the one thing that DAGs, runner, records and pods are made from."""

from __future__ import annotations

import json
import logging
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from kfp import compiler
from tiny_agent import REPOSITORY

from bertworks import progress
from bertworks.contracts.runs import RunStep
from bertworks.pages.report.dag import draw
from bertworks.spec import AgentSpec
from bertworks.spec import file as spec_file
from bertworks.spec.section import Section, StepName
from pipelines.box import KINDS, Box, Kind, Output
from pipelines.boxes import TABLE
from pipelines.cluster.runs.declared import declared_steps
from pipelines.dag import Dag, requests, steps_at_work
from pipelines.dialogue import TABLE as OF_DIALOGUE
from pipelines.graph import Graph, Place
from pipelines.local.child import CacheHits
from pipelines.local.events import StepEvent
from pipelines.local.record import Run, Step, latest
from pipelines.local.root import find_root
from pipelines.sections import parts
from pipelines.site import Kubeflow, Laptop
from pipelines.wiring import box_of_task, build

SENTIMENT = REPOSITORY / "examples/sentiment.yaml"
SHUFFLED = tuple(random.Random(3).sample(TABLE, len(TABLE)))


def dag(*settings: str, kind: Kind = "agent", table: tuple[Box, ...] = TABLE) -> Dag:
    site = Kubeflow("/bertworks/models")
    return Dag(spec_file.load(SENTIMENT, settings).spec, site, kind, table)


@pytest.mark.parametrize("box", OF_DIALOGUE, ids=lambda box: box.name)
def test_a_box_of_a_dialogue_gives_its_step_all_that_it_takes(box: Box) -> None:
    spec = box.component.component_spec
    assert set(spec.inputs) - {"section", "status"} == set(box.takes)
    assert set(box.known_as) <= set(spec.outputs)


@pytest.mark.parametrize("box", TABLE, ids=lambda box: box.name)
def test_a_box_gives_its_step_all_that_it_takes(box: Box) -> None:
    """A parameter that is missing would show only when the pipeline is compiled, or not at all."""
    spec = box.component.component_spec
    assert set(spec.inputs) - {"section", "status", "task", "shard"} == set(box.takes)
    for source in (one for sources in box.takes.values() for one in sources):
        (giver,) = [one for one in TABLE if one.name == source.box]
        assert source.name in giver.component.component_spec.outputs, source
    assert set(box.known_as) <= set(spec.outputs)


def test_a_step_that_several_boxes_run_is_told_which_it_is() -> None:
    steps = [box.step for box in TABLE]
    for box in TABLE:
        if steps.count(box.step) > 1:
            assert "task" in box.component.component_spec.inputs, box.name


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_table_means_nothing(kind: Kind, tmp_path: Path) -> None:
    """Though KFP then calls the two evaluations the other way round."""
    settings = ("serve.deploy.enabled=true", "pretrain.enabled=true", "tune.trials=3")

    def wires(table: tuple[Box, ...]) -> dict[str, Any]:
        made = dag(*settings, kind=kind, table=table)
        pipeline = build(made, made.sections())
        compiler.Compiler().compile(pipeline, str(tmp_path / "p.yaml"))
        spec, platform = yaml.load_all((tmp_path / "p.yaml").read_text("utf-8"), yaml.CSafeLoader)
        boxes = box_of_task(pipeline.pipeline_spec)
        pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        found = {}
        for step in declared_steps({"pipeline_spec": spec}):
            label = pods[f"exec-{step.task}"]["podMetadata"]["labels"]
            assert label["app.kubernetes.io/component"] == boxes[step.task] == step.name
            found[step.name] = {tuple(boxes.get(part, part) for part in one) for one in step.after}
        return found

    plain = wires(TABLE)
    assert wires(SHUFFLED) == plain
    assert set(plain) == {box.name for box in dag(*settings, kind=kind).boxes}


def test_what_a_parameter_takes_is_the_nearest_that_is_there() -> None:
    def of(box: str, parameter: str, *settings: str, kind: Kind = "agent") -> Output:
        graph = dag(*settings, kind=kind).graph
        return graph.takes(next(one for one in graph.boxes if one.name == box))[parameter]

    assert of("finetune", "initial") == ("ingest", "base")
    assert of("finetune", "initial", kind="retrain") == ("compare", "initial")
    assert of("finetune", "initial", "pretrain.enabled=true") == ("pretrain", "model")
    both = ("pretrain.enabled=true", "tune.trials=3")
    assert of("finetune", "initial", *both) == ("choose", "chosen")
    assert of("finetune", "initial", *both, "tune.finalists=1") == ("tune", "tuned")
    assert of("tune", "initial", *both) == ("pretrain", "model")
    assert of("tune", "initial", "tune.minutes=5", kind="retrain") == ("compare", "initial")
    assert "tune" not in {box.name for box in dag().boxes}
    assert of("quantize", "model") == ("prune", "pruned")
    assert of("quantize", "model", "compress.prune.enabled=false") == ("finetune", "model")


def test_a_table_that_cannot_work_is_refused() -> None:
    first, *rest = TABLE
    alone = Graph(tuple(box for box in TABLE if box.name == "validate"))
    with pytest.raises(ValueError, match="validate takes examples from compare.merged, ingest"):
        alone.takes(*alone.boxes)
    circle = replace(first, after=("register",))
    with pytest.raises(ValueError, match="wait for each other: .*register"):
        _ = Graph((circle, *rest)).boxes
    with pytest.raises(ValueError, match="one box may close a run, not ingest, notify"):
        _ = Graph((replace(first, closes=True), *rest)).boxes


def test_a_box_of_a_section_of_its_own_is_there_when_that_is_on() -> None:
    class Toy(Section):
        enabled: bool = False
        words: int = 3

    class WithToy(AgentSpec):
        toy: Toy = Toy()

    toy = Box(
        name="toy",
        section=parts("metric", "toy"),
        takes={"model": (Output("finetune", "model"),)},
        there=lambda dag: dag.spec.toy.enabled,
    )
    for enabled in (False, True):
        said = yaml.safe_load(SENTIMENT.read_text("utf-8")) | {"toy": {"enabled": enabled}}
        made = Dag(WithToy.model_validate(said), Kubeflow(), "agent", (toy, *TABLE))
        names = [box.name for box in made.boxes]
        assert ("toy" in names) is ("toy" in made.sections()) is enabled
    settings = json.loads(made.sections()["toy"])["settings"]
    assert settings == {"metric": made.spec.metric, "toy": {"enabled": True, "words": 3}}
    assert names.index("finetune") < names.index("toy")
    assert made.graph.drawn()["toy"] == Place(after=["finetune"], row=0)


def test_pods_ask_for_what_the_table_says() -> None:
    plain = spec_file.load(SENTIMENT).spec
    off = {"pretrain", "tune", "collect", "choose", "deploy"}
    assert set(steps_at_work(plain)) == {box.step for box in TABLE} - off
    assert steps_at_work(plain).items() <= requests().items()
    asked = [(box.step, box.requests) for box in TABLE]
    assert len(set(asked)) == len({step for step, _ in asked}), "a step has one default"


def test_the_spec_knows_the_steps_that_are_installed_and_needs_none() -> None:
    # predict is the one box of a pipeline of its own.
    known = {box.step for box in (*TABLE, *OF_DIALOGUE)} | {"predict"}
    assert set(get_args(StepName)) == known
    code = (
        "import sys; sys.modules['components'] = None\n"
        "from bertworks.spec.cluster import Resources\n"
        "print(Resources(steps={'gate': {'cpu': '2'}}).of('gate').cpu)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "2\n", done.stderr


def test_a_line_over_a_box_bends_above_it() -> None:
    """A step that nobody takes anything of stands between two that go on."""
    names = ("first", "beside", "last")
    after = {"first": [], "beside": ["first"], "last": ["first"]}
    drawn = str(draw([RunStep(name, "succeeded", after=after[name]) for name in names]))
    tops = {int(y) for y in re.findall(r'<rect class="box[^>]* y="(\d+)"', drawn)}
    (top,) = tops
    paths = [
        [float(number) for number in re.findall(r"[\d.]+", line)]
        for line in re.findall(r'class="edge" d="([^"]+)"', drawn)
    ]
    straight, bent = sorted(paths, key=lambda path: -path[1])
    assert len(set(straight[1::2])) == 1 and straight[1] > top
    assert bent[1] == bent[-1] == top and 0 <= min(bent[1::2]) < top


def test_only_here_the_code_and_the_folder_stand_in_the_sections(tmp_path: Path) -> None:
    loaded = spec_file.load(SENTIMENT)
    here = Laptop.of(loaded, str(tmp_path))
    parts = {
        name: json.loads(text) for name, text in Dag(loaded.spec, here, "agent").sections().items()
    }
    assert parts["ingest"]["settings"]["spec_folder"] == str(SENTIMENT.parent)
    # Two boxes that run one step are of the same code.
    assert parts["evaluate"]["code"] == parts["evaluate-bundle"]["code"] != parts["gate"]["code"]
    assert not any("code" in json.loads(text) for text in dag().sections().values())


def run_of(graph: Graph, folder: Path, kind: Kind) -> Run:
    folder.mkdir(parents=True)
    return Run(
        folder=folder, name="tiny", kind=kind, spec={}, spec_file="spec.yaml",
        steps={box.name: Step.of(box, graph) for box in graph.boxes},
        branches=graph.branches(kind),
    )  # fmt: skip


@pytest.mark.parametrize(("answer", "goes_on"), [("changed", True), ("unchanged", False)])
@pytest.mark.parametrize("state", ["succeeded", "cached"])
def test_an_answer_decides_what_is_skipped(
    tmp_path: Path, answer: str, goes_on: bool, state: str
) -> None:
    run = run_of(dag(kind="retrain").graph, tmp_path / "runs/1", "retrain")
    outputs = {name: f"/{name}" for name in ("comparison", "merged", "history", "initial")}
    run.apply(StepEvent("compare", state, 1.0, outputs=outputs, answer=answer))
    skipped = {name for name, step in run.steps.items() if step.state == "skipped"}
    others = {"ingest", "compare", "notify"}
    assert skipped == (set() if goes_on else set(run.steps) - others)
    # In what a challenger would be made from there is nothing then.
    whole = {"comparison", "examples", "history", "initial"}
    assert set(run.artifacts()) == (whole if goes_on else {"comparison"})


def test_what_the_cache_gives_is_told_of_the_box_with_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KFP's own name of the second evaluation says nothing: the compiled pipeline has the box's."""
    (tmp_path / "ab12.json").write_text(json.dumps({"Output": "unchanged"}), encoding="utf-8")
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv(progress.EVENTS, str(events))
    made = dag()
    boxes = box_of_task(build(made, made.sections()).pipeline_spec)
    assert boxes["evaluate-2"] == "evaluate-bundle"
    hit = "Task evaluate-2 cache hit (key=ab12)"
    CacheHits(tmp_path, boxes).emit(logging.LogRecord("", 20, "", 1, hit, None, None))
    told = json.loads(events.read_text("utf-8"))
    assert (told["step"], told["state"], told["answer"]) == (
        "evaluate-bundle",
        "cached",
        "unchanged",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_before_is_read_with_its_picture(tmp_path: Path, kind: Kind) -> None:
    """Version 0.1 wrote no step, no place in the drawing and no kind."""
    run = run_of(dag(kind=kind).graph, tmp_path / "runs/1", kind)
    run.save()
    new = latest(find_root(str(tmp_path)))
    file = tmp_path / "runs/1/run.json"
    old = json.loads(file.read_text("utf-8"))
    del old["kind"]
    for step in old["steps"]:
        del step["step"], step["after"], step["row"]
    old["steps"].append({**old["steps"][0], "name": "since-removed"})
    file.write_text(json.dumps(old), encoding="utf-8")
    found = latest(find_root(str(tmp_path)))
    drawn = str(draw(found.steps))
    gone = found.steps.pop()
    assert found == new
    assert gone.name == "since-removed"
    assert drawn.count('class="edge"') == str(draw(new.steps)).count('edge"') > 9
