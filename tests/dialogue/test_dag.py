"""A dialogue as a DAG: its agents' boxes beside its own, and steps that each write the whole of it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from bertworks.contracts.decision import DECISION
from bertworks.contracts.dialogue import Judgement, Offline, WithUsers
from bertworks.dialogue import building, bundle, learner
from bertworks.dialogue.simulation.errors import Errors
from bertworks.errors import BertworksError, GateRefused, SpecError
from bertworks.serving.assembly import Serving
from bertworks.spec.dialogue import DialogueGates, DialogueSpec
from bertworks.spec.file import DialogueFile, load_any, load_as
from bertworks.storage import artifacts
from bertworks.storage.store import Store
from components.compare_dialogue import step as compare
from components.contract import StepResult
from components.gate_dialogue import step as gate
from components.judge_policy import step as judge
from components.measure_understanding import step as measure
from components.prepare_dialogue import step as prepare
from components.register_dialogue import step as register
from pipelines.cli.asking import serve
from pipelines.cli.main import app
from pipelines.cli.spoken import challenged, find
from pipelines.compile import dag_of, dialogue_of
from pipelines.dialogue import DialogueDag
from pipelines.planned import of_json
from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC
from tests.fixes.taking import taken
from tests.fixes.test_taken_commands import given
from tests.helpers.asgi import Client
from tests.helpers.tiny_model import bundle_of, make_model

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/pipelines/golden"
RULES = "  learn: {enabled: false, errors: [0.2]}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC + RULES)
    return tmp_path / "town.yaml"


def prepared(spec: Path, out: Path) -> Path:
    said = load_as(DialogueSpec, spec).dialogue
    section = prepare.Section(
        name="town", dialogue=said.model_dump_json(), spec_folder=str(spec.parent)
    )
    prepare.run(section, dialogue=out)
    return out


def registered(spec: Path, folder: Path, gates: DialogueGates) -> Store:
    """A dialogue by rules, judged, gated and registered."""
    made = load_as(DialogueSpec, spec)
    prepared(spec, folder / "dialogue")
    given = {"dialogue": folder / "dialogue", "judged": folder / "judged"}
    asked = made.judge.model_copy(update={"dialogues": 50})
    judge.run(judge.Section(judge=asked), **given)
    store = str(spec.parent / "root/models")
    gate.run(gate.Section(name="town", gates=gates, store=store), decision=folder / "gate", **given)
    compare.run(
        compare.Section(name="town", store=store, made_of={"spec": folder.name}),
        comparison=folder / "comparison",
    )
    register.run(
        register.Section(name="town", store=store),
        decision=folder / "gate", comparison=folder / "comparison",
        registered=folder / "registered", **given,
    )  # fmt: skip
    return Store(store)


def command(*arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments], input=said)


def of_golden() -> DialogueDag:
    loaded = load_any(GOLDEN / "dialogue.yaml")
    assert isinstance(loaded, DialogueFile)
    return dialogue_of(loaded)


def test_an_agents_boxes_stand_beside_the_dialogues_own() -> None:
    dag = of_golden()
    before = {box.name: set(dag.graph.before(box)) for box in dag.boxes}
    assert before["prepare-dialogue"] == before["understanding-ingest"] == {"compare-dialogue"}
    assert before["measure-understanding"] == {
        "prepare-dialogue", "understanding-ingest", "understanding-quantize", "understanding-gate",
    }  # fmt: skip
    assert before["learn-policy"] == {"measure-understanding"}
    # Documents come in last: another FAQ teaches no policy anew.
    assert before["add-matching"] == {
        "learn-policy", "matching-ingest", "matching-quantize", "matching-gate",
    }  # fmt: skip
    assert before["judge-policy"] == {"add-matching"}
    assert before["register-dialogue"] == {
        "add-matching", "judge-policy", "gate-dialogue", "compare-dialogue",
    }  # fmt: skip
    # It is served with the dialogue, and not by itself, whatever its spec says.
    assert "understanding-deploy" not in before and "understanding-notify" not in before
    rows = {name: place.row for name, place in dag.graph.drawn().items()}
    assert rows["understanding-ingest"] < rows["understanding-gate"] < rows["matching-ingest"]
    assert rows["matching-gate"] < rows["prepare-dialogue"]


def test_caches_know_an_agent_again_that_was_made_alone() -> None:
    loaded = load_any(GOLDEN / "dialogue.yaml")
    assert isinstance(loaded, DialogueFile)
    alone = dag_of(loaded.agents["understanding"])
    sections = alone.sections()
    del sections["deploy"]
    within = {
        name.removeprefix("understanding-"): text
        for name, text in of_golden().sections().items()
        if name.startswith("understanding-")
    }
    assert within == sections
    assert json.loads(within["finetune"])["settings"]["finetune"]["epochs"] == 2


def test_a_plan_says_enough_to_make_the_dag_anew(spec: Path, tmp_path: Path) -> None:
    from pipelines.planned import dag_here, to_json

    dag = dag_here(load_any(spec), "agent", str(tmp_path), lambda name, prints: "none")
    again = of_json(json.loads(json.dumps(to_json(dag), sort_keys=True)))
    assert [box.name for box in again.boxes] == [
        "compare-dialogue", "prepare-dialogue", "judge-policy", "gate-dialogue", "register-dialogue",
    ]  # fmt: skip
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8").replace("chinese", "thai"))
    changed = dag_here(load_any(spec), "agent", str(tmp_path), lambda name, prints: "none")
    assert changed.sections()["prepare-dialogue"] != dag.sections()["prepare-dialogue"]


def test_a_dialogue_goes_from_step_to_step_and_is_talked_with_by_name(
    spec: Path, tmp_path: Path
) -> None:
    store = registered(spec, tmp_path / "first", DialogueGates(minimum=0.3))
    champion = store.champion("town")
    assert champion is not None and champion.talks and champion.state == "passed"
    opened = bundle.open_dialogue(store.fetch("town", 1).path)
    assert list(opened.talk.section.ask) == ["food", "area", "pricerange"]  # the order of asking
    knowledge = building.source_of(load_as(DialogueSpec, spec).dialogue, spec.parent).now()
    source = building.source_of(opened.talk.section, opened.folder)
    assert source.now().digest == opened.talk.knowledge == knowledge.digest

    root = str(spec.parent / "root")
    talk = command("chat", "town", "--root", root, said="cheap chinese\nnorth\n")
    assert talk.exit_code == 0, talk.output
    assert "Golden Lantern" in talk.stdout and "Which area would you like?" in talk.stdout

    # A version that is tried and wins becomes the champion; here it is one already.
    talks = find("town", store)
    assert talks.shown == "town/1"
    promoted = challenged("town/1", talks, store).promoted
    assert promoted is not None
    promoted()
    assert store.champion("town") == champion
    assert challenged(str(spec), talks, store).promoted is None

    # Another knowledge base is another version; the one before can be gone back to.
    text = FILE.read_text("utf-8").replace("Golden Lantern", "Silver Lantern")
    (tmp_path / "restaurants.csv").write_text(text)
    registered(spec, tmp_path / "second", DialogueGates())
    assert "Silver Lantern" in command(
        "chat", "town", "--root", root, said="cheap chinese\nnorth\n"
    ).stdout  # fmt: skip
    assert store.rollback("town").number == 1
    assert "Golden Lantern" in command(
        "chat", "town", "--root", root, said="cheap chinese\nnorth\n"
    ).stdout  # fmt: skip

    def attempt(*arguments: str) -> str:
        asked = arguments or ("predict", "text", "--agent", "town")
        found = command(*asked, "--root", root, said="hello\n")
        if isinstance(found.exception, BertworksError):
            raise found.exception
        return found.stdout

    def by(fix: str) -> tuple[str, ...]:
        return tuple(re.findall("`bertworks (chat) (\\S+)`", fix)[0])

    says = taken(
        "bertworks/storage/store.py", "talks with it, `bertworks serve --dialogue", attempt, by
    )
    assert says.startswith("Hello")
    folder = store.show("town", 1).uri
    says = taken(
        "pipelines/cli/served.py",
        "talks with it, `bertworks serve --dialogue",
        lambda *more: attempt(*(more or ("predict", "text", "--agent", folder))),
        by,
    )
    assert says.startswith("Hello")
    card = command("models", "card", "town/1", "--root", root)
    assert "takes turns and not rows" in str(card.exception)
    plain = ("chat", "town")
    given = (*plain, "--set", "dialogue.entity=inn")
    said = taken(
        "pipelines/cli/spoken.py",
        "Leave it out, or change the spec and run it.",
        lambda *arguments: attempt(*(arguments or given)),
        lambda fix: plain,
    )
    assert said.startswith("Hello")
    listed = command("models", "list", "town", "--root", root)
    assert listed.exit_code == 0 and "town" in listed.stdout


def test_a_dialogue_that_is_not_good_enough_is_kept_and_refused(spec: Path, tmp_path: Path) -> None:
    with pytest.raises(GateRefused, match="minimum is .* and the limit 1"):
        registered(spec, tmp_path / "all", DialogueGates(minimum=1.0))
    (kept,) = Store(str(tmp_path / "root/models")).list("town")
    assert kept.state == "refused" and not kept.champion
    assert not DECISION.read(tmp_path / "all/gate").passed


USERS = WithUsers("0.1", 0.1, 0.9, 6.0, 12.0, 0.8, 7.0, 10.0, {"success": 45, "patience lost": 5})
GOOD = Judgement(True, 50, [USERS], 2.0, 1.0, 3.0, 300, 0)
TOLD = Offline(True, "", 400, 90.0, 9.0, 11.0, 2.0, 0.5, 3.5)


def broken(found: Judgement, **gates: object) -> set[str]:
    rules = gate.rules_of(DialogueGates.model_validate(gates), found)
    return {rule.name for rule in rules if not rule.passed}


def test_the_gates_ask_what_they_promise() -> None:
    from dataclasses import replace

    assert broken(replace(GOOD, offline=TOLD), minimum=0.9) == set()
    assert broken(GOOD, minimum=0.91) == {"minimum"}
    assert broken(replace(GOOD, untrue=1)) == {"true_answers"}
    # Not better than the rules is well enough; worse by more than chance is not.
    assert broken(replace(GOOD, against_rules=-1.0, against_rules_low=-2.5)) == set()
    worse = replace(GOOD, against_rules=-2.0, against_rules_low=-3.0, against_rules_high=-1.0)
    assert broken(worse) == {"beat_rules"}
    assert broken(worse, beat_rules=False) == set()
    assert broken(replace(worse, learned=False)) == set()

    doubtful = replace(GOOD, offline=replace(TOLD, gain_low=-0.4))
    assert broken(doubtful) == {"offline"}
    assert broken(doubtful, max_loss=0.5) == broken(doubtful, offline=False) == set()
    few = Offline(False, "400 dialogues are worth 3 for this policy", 400, 3.0)
    assert broken(replace(GOOD, offline=few)) == {"offline"}
    (rule,) = [
        one
        for one in gate.rules_of(
            DialogueGates(), replace(GOOD, offline=Offline(False, "none are kept yet", 0))
        )
        if one.name == "offline"
    ]
    assert rule.passed and not rule.judged  # nobody was served before


def written(path: Path, rows: Mapping[str, Any]) -> None:
    """An examples artifact with these test rows."""
    with artifacts.write(path, kind="examples", producer="ingest") as folder:
        (folder / "test").mkdir()
        pq.write_table(pa.table(rows), folder / "test/part-00000.parquet")


def with_understanding(spec: Path, tmp_path: Path) -> StepResult:
    """A dialogue with an understanding that was never trained, in `heard`."""
    labels = ["O", "B-food", "I-food", "intent:inform", "intent:bye"]
    model = make_model(tmp_path / "model", {"type": "understanding"}, labels)
    agent = bundle_of(model, tmp_path / "agent")
    rows = {
        "tokens": [["chinese", "food"], ["good", "bye"]],
        "frame": [["intent:inform", "B-food", "O"], ["intent:bye", "O", "O"]],
    }
    written(tmp_path / "examples", rows)
    prepared(spec, tmp_path / "dialogue")
    return measure.run(
        measure.Section(), dialogue=tmp_path / "dialogue", understanding=agent,
        examples=tmp_path / "examples", heard=tmp_path / "heard",
    )  # fmt: skip


def test_an_understanding_is_put_in_with_its_errors(spec: Path, tmp_path: Path) -> None:
    result = with_understanding(spec, tmp_path)
    opened = bundle.open_dialogue(tmp_path / "heard")
    assert opened.understanding is not None and opened.talk.understanding is not None
    assert artifacts.open_artifact(opened.understanding, "bundle").digest == (
        opened.talk.understanding
    )
    said = opened.talk.section
    found = building.errors_of(said, opened.folder)[-1]
    assert found == Errors.load(opened.folder / bundle.ERRORS)
    assert result.metrics["misunderstood"] == found.rate and result.metrics["turns"] == 2


def test_a_dialogue_is_served_with_the_understanding_in_it(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that `bertworks serve --dialogue` does, but for listening."""
    with_understanding(spec, tmp_path)
    answers: list[Mapping[str, Any]] = []

    def listen(serving: Serving, *_: Any) -> None:
        app, _ = serving.application()
        body = json.dumps({"text": "cheap chinese", "trace": True}).encode()

        async def ask() -> Client:
            for start in serving.started:
                await start()
            return await Client("POST", "/v1/dialogues/a/turns", body).ask(app)

        answers.append(asyncio.run(ask()).json())
        assert serving.models.names == ["understanding"]
        assert serving.dialogue == "town"  # and not where it lies

    monkeypatch.setattr("bertworks.serving.server._listen", listen)
    monkeypatch.setattr("bertworks.serving.server._check_address", lambda host, port: None)
    # On a starved machine a thread may still be at what was answered; this process goes on.
    monkeypatch.setattr("bertworks.serving.server.os._exit", lambda status: None)
    folder = str(tmp_path / "heard")
    serve(**given("serve", "--dialogue", folder, "--root", str(tmp_path / "root")))
    assert answers[0]["trace"]["understanding"].startswith("understanding")
    assert answers[0]["answer"]


def test_an_agent_of_another_task_is_refused_where_it_is_named(tmp_path: Path) -> None:
    rows = "name: a\ndata: {sources: [{uri: rows.csv}]}\n"
    (tmp_path / "agent.yaml").write_text(rows)
    (tmp_path / "town.yaml").write_text(SPEC + "agents: {understanding: {spec: agent.yaml}}\n")
    with pytest.raises(SpecError, match=r"town.yaml:\d+: `agents.understanding` takes .*classif"):
        load_any(tmp_path / "town.yaml")


def test_what_is_wrong_with_templates_is_said_before_anything_is_trained(spec: Path) -> None:
    spec.write_text(SPEC + "  answers: {offer.food: 'Golden Lantern has it'}\n" + RULES)
    with pytest.raises(SpecError, match="offer.food"):
        prepared(spec, spec.parent / "dialogue")


def test_files_that_pods_do_not_see_are_refused_when_it_is_compiled(spec: Path) -> None:
    out = spec.parent / "p.yaml"
    found = command("compile", str(spec), "-o", str(out))
    assert isinstance(found.exception, SpecError) and "restaurants.csv" in str(found.exception)
    seen = "dialogue.knowledge.uri=/bertworks/restaurants.csv"
    assert command("compile", str(spec), "-o", str(out), "--set", seen).exit_code == 0
    task = re.search(r"judge-policy:\n(.*?)taskInfo", out.read_text(), re.S)
    assert task and "prepare-dialogue" in task[1]  # by rules: nothing is learned in between


NAMED = """\
agents: {}
resources: {volume: {claim: shared, mount: /data}}
judge: {sessions: /data/sessions.db}
"""


def test_each_file_that_a_spec_names_is_known_by_what_is_in_it(spec: Path) -> None:
    """One list: what is fingerprinted here is what pods must see there."""
    from pipelines.planned import dag_here

    for name in ("turns.npz", "errors.json"):
        (spec.parent / name).write_text(name)
    learn = "  learn: {enabled: false, start: turns.npz, measured: errors.json}\n"
    spec.write_text(SPEC + learn + NAMED)

    def prints(*settings: str) -> dict[str, str]:
        loaded = load_any(spec, settings)
        here = dag_here(loaded, "agent", str(spec.parent), lambda name, prints: "none")
        return dict(here.site.fingerprints)

    found = prints()
    assert sorted(found) == ["knowledge", "measured", "start"]
    (spec.parent / "turns.npz").write_text("others")
    assert {name for name, one in prints().items() if one != found[name]} == {"start"}

    places = {
        "dialogue.knowledge.uri": "restaurants.csv", "dialogue.learn.start": "turns.npz",
        "dialogue.learn.measured": "errors.json",
    }  # fmt: skip
    seen = {key: f"{key}=/data/{name}" for key, name in places.items()}

    def there(*settings: str) -> DialogueDag:
        loaded = load_any(spec, [*seen.values(), *settings])
        assert isinstance(loaded, DialogueFile)
        return dialogue_of(loaded)

    for key, name in places.items():
        with pytest.raises(SpecError, match=f"`{key}`.*{name}"):
            there(f"{key}={name}")
    # What only pods can read is not taken from a cache, be the knowledge base pinned or not.
    pinned = f"dialogue.knowledge.sha256={'0' * 64}"
    (prepare_box,) = [one for one in there().boxes if one.name == "prepare-dialogue"]
    assert not prepare_box.cached(there(pinned))
    assert prepare_box.cached(
        there(pinned, "dialogue.learn.start=rules", "dialogue.learn.measured=null")
    )


def test_files_that_are_paths_are_left_out_where_pods_do_not_see_them(spec: Path) -> None:
    """No bucket is advised for what is fetched from none."""
    seen = "dialogue.knowledge.uri=pypi://town==1/restaurants.csv"

    def attempt(start: str = "dialogue.learn.start=s3://a/turns.npz") -> list[str]:
        loaded = load_any(spec, [seen, start])
        assert isinstance(loaded, DialogueFile)
        return [box.name for box in dialogue_of(loaded).boxes]

    def without(fix: str) -> tuple[str, ...]:
        assert "bucket" not in fix
        return ("dialogue.learn.start=rules",)

    assert taken("pipelines/compile.py", "Leave it out", attempt, without)


def test_other_commands_say_what_a_dialogues_spec_is_for(spec: Path) -> None:
    root = str(spec.parent / "root")

    def attempt(*arguments: str) -> Result:
        asked = arguments or ("doctor", str(spec))
        found = CliRunner().invoke(app, [*asked], input="")
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    talked = taken(
        "bertworks/spec/file.py",
        "For a dialogue there are run, retrain, step, compile, submit, schedule, chat and serve ",
        attempt,
        lambda fix: ("chat", str(spec), "--root", root),
    )
    assert talked.exit_code == 0


def test_who_learns_is_looked_for_before_hours_of_training(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.planned import dag_here

    monkeypatch.setattr(learner, "BESIDE", "nowhere/python")
    monkeypatch.delenv(learner.LEARNER, raising=False)
    spec.write_text(SPEC)

    def attempt(*settings: str) -> list[str]:
        loaded = load_any(spec, settings)
        dag = dag_here(loaded, "agent", str(tmp_path), lambda name, prints: "none")
        return [box.name for box in dag.boxes]

    def rules(fix: str) -> tuple[str, ...]:
        assert learner.LEARNER in fix
        return ("dialogue.learn.enabled=false",)

    boxes = taken("bertworks/dialogue/learner.py", "dialogue.learn.enabled: false", attempt, rules)
    assert "learn-policy" not in boxes
    monkeypatch.setenv(learner.LEARNER, str(tmp_path / "no-python"))
    with pytest.raises(BertworksError, match="names no Python"):
        learner.learner()
    monkeypatch.setenv(learner.LEARNER, str(FILE))
    assert learner.learner() == [str(FILE)]
    assert "learn-policy" in attempt()


def test_what_learns_needs_no_package_that_its_environment_lacks() -> None:
    """requirements/dialogue.in is short: what reads rows, and TensorFlow, are not in it."""
    lacking = ["regex", "pyarrow", "pandas", "tokenizers", "tensorflow", "kfp", "rich", "jinja2"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({lacking!r}))\n"
        "import bertworks.contracts.dialogue, bertworks.dialogue.building, bertworks.spec.file\n"
        "import bertworks.dialogue.policies.graph, bertworks.dialogue.simulation.measuring\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
