"""A dialogue's retraining as a cluster gets it: compiled once, it looks anew each time it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from typer.testing import CliRunner, Result

from bertworks.contracts.retraining import COMPARISON, Comparison
from bertworks.data.sources.fingerprints import UNSEEN, fingerprint, of_base, of_file
from bertworks.errors import SourceError, SpecError
from bertworks.retraining.dialogue import compare as compared
from bertworks.spec import Base, Source
from bertworks.spec.file import DialogueFile, load_any
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from components.compare_dialogue import step as compare
from components.launch import run_step
from pipelines.box import Kind
from pipelines.cli.main import app
from pipelines.compile import compile_agent, dialogue_of, frozen
from pipelines.dialogue import DialogueDag
from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC
from tests.fixes.taking import as_written, taken

VOLUME = "resources: {volume: {claim: shared, mount: /data}}\n"
TOWN = (
    SPEC.replace("uri: restaurants.csv", "uri: /data/restaurants.csv")
    + "  learn: {enabled: false, errors: [0.2]}\njudge: {dialogues: 50}\n"
    + VOLUME
)
AGENTS = TOWN + "agents: {understanding: {spec: turns.yaml}}\n"
TURNS = f"""\
name: turns
task: {{type: understanding, max_length: 64}}
data:
  sources:
    - uri: memory://turns/old.jsonl
      sha256: {"ab" * 32}
    - uri: memory://turns/new.jsonl
    - uri: /data/accepted.jsonl
base: {{uri: memory://turns/base}}
{VOLUME}"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "town.yaml").write_text(TOWN)
    return tmp_path / "town.yaml"


@pytest.fixture
def bucket() -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    memory.pipe("/turns/new.jsonl", b"{}")
    memory.pipe("/turns/base/config.json", b"{}")
    yield memory
    memory.rm("/turns", recursive=True)


@pytest.fixture
def with_agent(spec: Path, bucket: Any) -> Path:
    spec.write_text(AGENTS)
    (spec.parent / "turns.yaml").write_text(TURNS)
    return spec


def dag_of(spec: Path, kind: Kind = "retrain", *settings: str) -> DialogueDag:
    loaded = load_any(spec, settings)
    assert isinstance(loaded, DialogueFile)
    return dialogue_of(loaded, kind=kind)


def settings_of(dag: DialogueDag, box: str = "compare-dialogue") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dag.sections()[box])["settings"]
    return found


def not_cached(dag: DialogueDag) -> set[str]:
    return {box.name for box in dag.boxes if not box.cached(dag)}


def test_what_may_change_is_looked_at_when_it_runs(with_agent: Path, bucket: Any) -> None:
    dag = dag_of(with_agent)
    said = settings_of(dag)
    assert sorted(said["made_of"]) == ["spec", "understanding.data.0", "understanding.spec"]
    knowledge = {"key": "dialogue.knowledge.uri", "uri": "/data/restaurants.csv"}
    assert said["files"] == {"knowledge": knowledge}
    assert {place: one["uri"] for place, one in said["sources"].items()} == {
        "understanding.data.1": "memory://turns/new.jsonl",
        "understanding.data.2": "/data/accepted.jsonl",
    }
    assert said["bases"]["understanding.base"]["uri"] == "memory://turns/base"
    # What reads it comes from no cache.
    assert not_cached(dag) == {
        "compare-dialogue", "understanding-ingest", "understanding-register", "prepare-dialogue",
        "judge-policy", "gate-dialogue", "register-dialogue", "notify",
    }  # fmt: skip
    # Whatever is there when it is compiled, the pipeline is the same: a schedule stays as it is.
    bucket.rm("/turns", recursive=True)
    assert dag_of(with_agent).sections() == dag.sections()
    bucket.pipe("/turns/new.jsonl", b"{}")


def test_a_training_looks_at_the_volume_alone(with_agent: Path) -> None:
    """By what it knows of the rest its caches go: that is what the dialogue is made of."""
    dag = dag_of(with_agent, "agent")
    said = settings_of(dag)
    assert set(said["files"]) == {"knowledge"} and set(said["sources"]) == {"understanding.data.2"}
    assert said["bases"] == {}
    new = fingerprint(Source(uri="memory://turns/new.jsonl"), with_agent.parent)
    assert said["made_of"]["understanding.data.1"] == new
    ingest = settings_of(dag, "understanding-ingest")["fingerprints"]
    assert ingest["data.1"] == new and ingest["data.2"] == UNSEEN


def test_all_pinned_nothing_can_become_new(with_agent: Path) -> None:
    """Which is said; and it is as before: what a cache knows is the same in both."""
    pinned = (
        "dialogue.knowledge.uri=pypi://town==1/restaurants.csv",
        "agents={}",
    )
    loaded = load_any(with_agent, pinned)
    (said,) = frozen(loaded, "retrain")
    assert "finds nothing new, however often it runs" in said
    assert not list(frozen(loaded, "agent"))
    assert not list(frozen(load_any(with_agent), "retrain"))
    dag = dag_of(with_agent, "retrain", *pinned)
    assert set(settings_of(dag)) == {"name", "store", "made_of", "retrain"}
    assert UNSEEN not in dag.made_of.values()
    assert dag.made_of == dag_of(with_agent, "agent", *pinned).made_of
    done = CliRunner().invoke(
        app,
        ["compile", str(with_agent), "--retrain", "-o", str(with_agent.parent / "p.yaml"),
         *(word for one in pinned for word in ("--set", one))],
    )  # fmt: skip
    assert done.exit_code == 0 and "finds nothing new" in done.output


def test_when_it_is_retrained_is_nothing_that_it_is_made_of(spec: Path) -> None:
    at_three = ("schedule.cron=0 3 * * 1",)
    assert dag_of(spec, "agent", *at_three).made_of == dag_of(spec, "agent").made_of


@pytest.mark.parametrize(
    "more, news",
    [
        ("      columns: {tokens: words}\n", {"understanding.spec"}),
        ("      constants: {intent: other}\n", {"understanding.spec"}),
        ("retrain: {min_new_rows: 7}\n", set()),
        ("serve: {limits: {rows: 7}}\n", set()),
    ],
)
def test_how_an_agent_reads_its_sources_is_what_it_is_made_of(
    with_agent: Path, more: str, news: set[str]
) -> None:
    before = dag_of(with_agent).made_of
    turns = with_agent.parent / "turns.yaml"
    place = "base:" if more.startswith(" ") else VOLUME
    turns.write_text(TURNS.replace(place, more + place))
    made = dag_of(with_agent).made_of
    assert {one for one in made if made[one] != before[one]} == news


@pytest.mark.parametrize(
    "setting, news",
    [
        ("data.validation: 0.3", {"understanding.spec"}),
        ("serve.limits.rows: 7", set()),
    ],
)
def test_what_a_dialogue_sets_in_an_agent_counts_as_that_agents(
    with_agent: Path, setting: str, news: set[str]
) -> None:
    before = dag_of(with_agent).made_of
    with_agent.write_text(
        AGENTS.replace("spec: turns.yaml", f"spec: turns.yaml, set: {{{setting}}}")
    )
    made = dag_of(with_agent).made_of
    assert {one for one in made if made[one] != before[one]} == news


UTTERANCES = """\
templates: {uri: "memory://turns/nlg.json"}
knowledge: {uri: "pypi://convlab==3.0.1/db.json"}
intents: {Restaurant-Inform: inform}
slots: {Food: food}
"""


def test_a_setting_that_goes_with_the_pipeline_stands_for_what_it_names(
    with_agent: Path, bucket: Any, tmp_path: Path
) -> None:
    (tmp_path / "setting.yaml").write_text(UTTERANCES)
    turns = TURNS.replace("uri: /data/accepted.jsonl", "uri: setting.yaml, format: utterances")
    (tmp_path / "turns.yaml").write_text(turns.replace("- uri: setting", "- {uri: setting").replace(
        "utterances", "utterances}"))  # fmt: skip
    source = Source.model_validate(
        settings_of(dag_of(with_agent))["sources"]["understanding.data.2"]
    )
    assert source.uri.startswith("data:")
    bucket.pipe("/turns/nlg.json", b"{}")
    before = fingerprint(source, Path())
    assert fingerprint(source, Path()) == before
    # So a training has told it: the first retraining after it finds nothing new.
    trained = settings_of(dag_of(with_agent, "agent"))
    assert trained["made_of"]["understanding.data.2"] == before
    bucket.pipe("/turns/nlg.json", b'{"more": []}')
    assert fingerprint(source, Path()) != before
    # One that names exact versions alone is known when it is compiled, as it was.
    exact = UTTERANCES.replace("memory://turns", "pypi://convlab==3.0.1")
    (tmp_path / "setting.yaml").write_text(exact)
    assert "understanding.data.2" in settings_of(dag_of(with_agent))["made_of"]
    # What it names on the volume is for the pods to look at, in a training as well.
    (tmp_path / "setting.yaml").write_text(UTTERANCES.replace("memory://turns", "/data"))
    said = settings_of(dag_of(with_agent, "agent"))
    assert "understanding.data.2" in said["sources"]


def looked(section: dict[str, Any], out: Path) -> Comparison:
    compare.run(compare.Section.of(section), comparison=out)
    return COMPARISON.read(open_artifact(out, "comparison"))


def test_it_takes_the_fingerprints_that_a_run_here_takes(
    with_agent: Path, bucket: Any, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (volume / "accepted.jsonl").write_text("{}")
    text = json.dumps({**settings_of(dag_of(with_agent)), "store": str(tmp_path / "models")})
    section = json.loads(text.replace("/data/", f"{volume}/"))
    found = looked(section, tmp_path / "first")
    assert found.changed and found.reason == "There is no champion yet."
    assert found.made_of is not None
    file = f"{volume}/restaurants.csv"
    assert found.made_of["knowledge"] == of_file(file, None, tmp_path, "dialogue.knowledge.uri")
    accepted = Source(uri=f"{volume}/accepted.jsonl")
    assert found.made_of["understanding.data.2"] == fingerprint(accepted, tmp_path)
    base = of_base(Base(uri="memory://turns/base"), tmp_path)
    assert found.made_of["understanding.base"] == base
    assert set(found.made_of) == set(dag_of(with_agent).made_of)

    bucket.pipe("/turns/new.jsonl", b'{"more": 1}')
    second = looked(section, tmp_path / "second").made_of
    assert second is not None
    assert {place for place in second if second[place] != found.made_of[place]} == {
        "understanding.data.1"
    }
    # What is gone or cannot be reached is an error, as it is where the rows are read.
    (volume / "accepted.jsonl").unlink()
    with pytest.raises(SourceError, match=r"understanding.data.2: There is no file .*accepted"):
        looked(section, tmp_path / "third")
    section["files"]["knowledge"]["uri"] = "http://127.0.0.1:9/restaurants.csv"
    with pytest.raises(SourceError, match=r"knowledge: http://127.0.0.1:9/.* cannot be read"):
        looked(section, tmp_path / "fourth")


def test_its_pod_gets_in_where_the_readers_get_in(with_agent: Path, tmp_path: Path) -> None:
    keys = "secrets: {KEY: {secret: s3, key: k}}, env: {ENDPOINT: 'http://minio', REGION: a}"
    turns = TURNS.replace("mount: /data}}", f"mount: /data}}, steps: {{ingest: {{{keys}}}}}}}")
    (tmp_path / "turns.yaml").write_text(turns)
    own = "resources.steps={compare_dialogue: {env: {REGION: b}}}"
    loaded = load_any(with_agent, [own])
    compile_agent(loaded, tmp_path / "p.yaml", kind="retrain")
    _, platform = yaml.safe_load_all((tmp_path / "p.yaml").read_text("utf-8"))
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (secret,) = pods["exec-compare-dialogue"]["secretAsEnv"]
    assert secret["secretName"] == "s3" and secret["keyToEnv"][0]["envVar"] == "KEY"
    assert "secretAsEnv" not in pods["exec-register-dialogue"]
    pipeline, _ = yaml.safe_load_all((tmp_path / "p.yaml").read_text("utf-8"))
    container = pipeline["deploymentSpec"]["executors"]["exec-compare-dialogue"]["container"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["ENDPOINT"] == "http://minio" and environment["REGION"] == "b"


def test_one_volume_is_seen_by_all(with_agent: Path, tmp_path: Path) -> None:
    (tmp_path / "turns.yaml").write_text(TURNS.replace("claim: shared", "claim: other"))

    def attempt(*settings: str) -> list[str]:
        return [box.name for box in dag_of(with_agent, "retrain", *settings).boxes]

    assert taken("pipelines/compile.py", "into the dialogue's spec, or give", attempt, as_written)
    with pytest.raises(SpecError, match=r"town.yaml:\d+: `agents.understanding` reads /data/acc"):
        attempt()


def test_what_nobody_looked_at_is_said_to_be_unknown(spec: Path, tmp_path: Path) -> None:
    """So versions were kept that a cluster made before its pods looked at the volume."""

    @dataclass
    class Champion:
        name = "town"
        number = 4
        digest = "d"
        made: Any

    class Kept(Store):
        def champion(self, name: str) -> Any:
            return Champion(type("Made", (), {"made_of": {"knowledge": UNSEEN, "spec": "a"}}))

    kept = Kept(str(tmp_path))
    found = compared(kept, "town", {"knowledge": "1", "spec": "a"})
    assert found.changed
    assert found.reason == "What version 4 was made of is not known: knowledge."
    assert compared(kept, "town", {"knowledge": "1", "spec": "b"}).reason == "New: knowledge, spec."


def played(dag: DialogueDag, out: Path, volume: Path, between: Any = None) -> dict[str, str]:
    """Runs the boxes of a compiled pipeline one after another, each with its own section; the answers.

    Args:
        dag: As the cluster gets it.
        out: Where the artifacts go.
        volume: Stands for /data.
        between: Called when compare-dialogue has looked.
    """
    answers: dict[str, str] = {}
    branches = dag.graph.branches(dag.kind)
    for box in dag.boxes:
        stopped = any(
            box.name in branch.boxes and answers[name] != branch.answer
            for name, branch in branches.items()
        )
        if stopped or box.closes:
            continue
        given = {name: out / one.box / one.name for name, one in dag.graph.takes(box).items()}
        made = set(box.component.component_spec.outputs) - {"scores", "view", "Output"}
        outputs = {name: out / box.name / name for name in made}
        (out / box.name).mkdir(parents=True)
        section = dag.sections()[box.name].replace("/data/", f"{volume}/")
        answers[box.name] = run_step(box.step, section, given, outputs).answer
        if box.name == "compare-dialogue" and between is not None:
            between()
    return answers


def test_it_goes_from_box_to_box_and_misses_nothing(spec: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    knowledge = volume / "restaurants.csv"
    text = FILE.read_text("utf-8")
    knowledge.write_text(text)
    store = Store(str(volume / "models"))
    training, retraining = dag_of(spec, "agent"), dag_of(spec)

    def reason(number: str) -> str:
        place = tmp_path / number / "compare-dialogue/comparison"
        return COMPARISON.read(open_artifact(place, "comparison")).reason

    played(training, tmp_path / "1", volume)
    first = store.champion("town")
    assert first is not None and first.made.made_of is not None
    assert UNSEEN not in first.made.made_of.values()
    # The first retraining after a training finds nothing new, and makes nothing.
    assert played(retraining, tmp_path / "2", volume) == {"compare-dialogue": "unchanged"}
    assert reason("2") == "Nothing is new: version 1 was made of the same."

    knowledge.write_text(text.replace("Golden Lantern", "Silver Lantern"))

    def changes() -> None:
        knowledge.write_text(text.replace("Golden Lantern", "Copper Lantern"))

    # It changes once more while the run is at work, which reads the newest: that is new the next time.
    played(retraining, tmp_path / "3", volume, changes)
    assert reason("3") == "New: knowledge."
    second = store.champion("town")
    assert second is not None and second.number == 2
    played(retraining, tmp_path / "4", volume)
    assert reason("4") == "New: knowledge."
    # It came out the same: now it is known what that is made of.
    assert played(retraining, tmp_path / "5", volume) == {"compare-dialogue": "unchanged"}


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_the_command_line_compiles_it(with_agent: Path) -> None:
    out = with_agent.parent / "p.yaml"
    done = command("compile", str(with_agent), "--retrain", "-o", str(out))
    assert done.exit_code == 0, (done.output, done.exception)
    assert "finds nothing new" not in done.output
    pipeline, _ = yaml.safe_load_all(out.read_text("utf-8"))
    assert pipeline["pipelineInfo"]["name"] == "town-retrain"
