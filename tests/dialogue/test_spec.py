"""The `dialogue` section: errors that point at the line, tables that agree, and the example."""

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from bertworks.dialogue import building
from bertworks.dialogue.actions import names
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.knowledge import Followed
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.policies.rules import CONDITIONS, DEEDS
from bertworks.dialogue.simulation.goals import Habits
from bertworks.dialogue.state import State
from bertworks.dialogue.wording import CUES, INTENTS
from bertworks.errors import ArtifactError, BertworksError, SourceError, SpecError
from bertworks.spec.dialogue import (
    Condition,
    Deed,
    Dialogue,
    DialogueSpec,
    ListenedFor,
    Users,
)
from bertworks.spec.file import load_as
from bertworks.spec.task import Task
from pipelines.cli.main import app
from tests.dialogue.helpers import DOMAIN, FILE
from tests.fixes.taking import taken

EXAMPLE = Path(__file__).parents[2] / "examples/restaurant/dialogue.yaml"
SPEC = """\
name: town
dialogue:
  knowledge: {uri: restaurants.csv}
  entity: restaurant
  ask:
    food: {}
    area: {values: {centre: [downtown]}}
    pricerange: {label: price range}
  tell: {address: {}, phone: {words: [number]}, postcode: {}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    return tmp_path


def section(folder: Path, more: str = "", text: str = SPEC) -> Dialogue:
    (folder / "town.yaml").write_text(text + more)
    return load_as(DialogueSpec, folder / "town.yaml").dialogue


def agent(folder: Path, more: str = "", text: str = SPEC) -> DialogueAgent:
    return building.agent_of(section(folder, more, text), folder)


def test_a_spec_becomes_an_agent_that_talks(folder: Path) -> None:
    talking = agent(
        folder,
        "  answers: {offer.food.area.pricerange: 'Try {name}: {food}, {area}, {pricerange}.'}\n",
    )
    assert talking.domain == DOMAIN
    assert isinstance(talking.source, Followed)
    assert talking.greeting() == "Hello. How can I help you?"
    state, trace = talking.turn(State(), "something cheap and chinese downtown")
    assert trace.answer == "Try Rice & Bowl: chinese, centre, cheap."
    _, trace = talking.turn(state, "price range?")
    assert trace.answer == "Rice & Bowl: Its price range is cheap."


def test_rules_of_a_spec_replace_the_usual_ones(folder: Path) -> None:
    more = "  policy: {rules: [{when: many_matches, limit: 3, do: ask}, {do: offer}]}\n"
    policy = building.policy_of(section(folder, more), folder)
    assert isinstance(policy, Rules)
    _, trace = agent(folder, more).turn(State(), "chinese")
    assert (trace.choice.action, trace.choice.by) == ("offer", "rule: always: offer")


def test_the_words_of_a_spec_are_those_of_the_code() -> None:
    assert set(get_args(Condition)) == set(CONDITIONS)
    kinds = {one.partition(":")[0] for one in names(DOMAIN)}
    assert set(get_args(Deed)) == kinds == set(DEEDS)
    assert set(get_args(ListenedFor)) == {*INTENTS, *CUES}
    assert Users().model_dump() == {name: getattr(Habits(), name) for name in Users.model_fields}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("  polcy: {}\n", "town.yaml:10: unknown key `dialogue.polcy`. Did you mean `policy`?"),
        ("  policy: {rules: [{do: sing}]}\n", "town.yaml:10: `dialogue.policy.rules.0.do`"),
        ("  policy: {rules: [{do: ask, limit: 3}]}\n", "`limit` has no meaning with when: always"),
        ("  learn: {errors: []}\n", "needs 1 or more entries"),
        ("  learn: {errors: [10]}\n", "for 10 % write 0.1"),
        ("  learn: {users: {patience: [9, 3]}}\n", "takes the least and the most"),
        ("  sessions: {minutes: 0}\n", "`dialogue.sessions.minutes`"),
        ("  key: food\n", "once. Received more than once: food"),
        ("  words: {bye: [ta], thanks: [ta]}\n", "words for `thanks`, which nothing listens for"),
        (
            "  words: {inform: [i want]}\n",
            "there are affirm, negate, another, greet, bye, dontcare",
        ),
    ],
)
def test_a_wrong_spec_is_refused_at_its_line(folder: Path, more: str, says: str) -> None:
    with pytest.raises(SpecError) as raised:
        section(folder, more)
    assert says in raised.value.message, raised.value.message


def test_values_that_nobody_chooses_by_are_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="`tell.phone.values` does nothing.*move phone to `ask`"):
        section(folder, text=SPEC.replace("{words: [number]}", "{values: {a: [b]}}"))


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (SPEC.replace("restaurants.csv", "none.csv"), SourceError, "no file"),
        (SPEC.replace("phone: {", "fax: {"), BertworksError, "has no column 'fax'"),
        (SPEC + "  answers: {ask.food: 'Maybe chinese?'}\n", SpecError, "says 'chinese'"),
        (SPEC + "  answers: {ask.food: []}\n", SpecError, "has no text"),
        (SPEC.replace("label: price range", "label: cheap"), SpecError, "label 'cheap'"),
        (SPEC + "  policy: {graph: none.onnx}\n", ArtifactError, "cannot be read"),
        (SPEC.replace("food: {}", "this: {}"), SpecError, "no slot can be called 'this'"),
        (
            SPEC + "  answers: {bye.food: Bye}\n",
            SpecError,
            "answers.bye.food: bye is never said of",
        ),
        (
            SPEC + "  policy: {rules: [{do: again}, {when: goodbye, do: bye}]}\n",
            SpecError,
            "dialogue.policy.rules.1 (goodbye: bye) never decides: rules.0 (always: again) does so",
        ),
        (
            SPEC + "  policy: {rules: [{when: offered, do: no_offer}]}\n",
            SpecError,
            "dialogue.policy.rules.0 (offered: no_offer) never decides",
        ),
        (
            SPEC + "  words: {affirm: ['yes', '👍']}\n",
            SpecError,
            "dialogue.words.affirm: nobody is understood by '👍'",
        ),
        (
            SPEC.replace("[downtown]", "['...']"),
            SpecError,
            "dialogue.ask.area.values.centre: nobody is understood by '...'",
        ),
    ],
)
def test_what_does_not_fit_the_knowledge_base_is_refused(
    folder: Path, text: str, error: type[BertworksError], says: str
) -> None:
    with pytest.raises(error) as raised:
        agent(folder, text=text)
    assert says in raised.value.message and raised.value.fix


@pytest.fixture
def base(folder: Path) -> Path:
    """A folder with the knowledge base and other files in it."""
    made = folder / "base"
    made.mkdir()
    (folder / "restaurants.csv").rename(made / "restaurants.csv")
    for name in (".restaurants.csv.swp", "about.txt"):
        (made / name).write_text("not it")
    return made


@pytest.mark.parametrize("given", ["base", "base/", "{folder}/base"])
def test_a_folder_for_the_knowledge_base_is_told_with_the_file_to_name(
    folder: Path, base: Path, given: str
) -> None:
    def talking(uri: str = given.format(folder=folder)) -> DialogueAgent:
        return agent(folder, text=SPEC.replace("restaurants.csv", uri))

    def by(fix: str) -> tuple[str]:
        return (fix.removeprefix("Name a file in it: dialogue.knowledge.uri: "),)

    with pytest.raises(SourceError) as raised:
        talking()
    told = raised.value.message
    assert told == (
        f"dialogue.knowledge.uri: {base} is a folder, where a file is needed. "
        "It holds restaurants.csv, about.txt."
    )
    found = taken("bertworks/data/sources/fetch.py", "Name a file in it: ", talking, by)
    assert found.greeting()


@pytest.mark.parametrize("kind", ["sqlite", "empty"])
def test_a_folder_of_other_files_than_csv(folder: Path, base: Path, kind: str) -> None:
    (base / "restaurants.csv").unlink()
    if kind == "empty":
        (base / "about.txt").unlink()
    else:
        (base / "zoo.db").write_bytes(b"")
    with pytest.raises(SourceError) as raised:
        agent(folder, text=SPEC.replace("restaurants.csv", "base"))
    file = "base/zoo.db" if kind == "sqlite" else "Name a file, not its folder."
    assert str(base) in raised.value.message and file in raised.value.fix


def test_several_files_are_no_knowledge_base(folder: Path, base: Path) -> None:
    (base / "other.csv").write_text((base / "restaurants.csv").read_text())

    def talking(uri: str = "base/*.csv") -> DialogueAgent:
        return agent(folder, text=SPEC.replace("restaurants.csv", uri))

    def by(fix: str) -> tuple[str]:
        return (fix.removeprefix("Name one of them: dialogue.knowledge.uri: "),)

    assert taken("bertworks/data/sources/fetch.py", "Name one of them: ", talking, by).greeting()


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("dialogue.knowledge.uri", []),
        (
            "dialogue.learn.start",
            ["dialogue.knowledge.uri=base/restaurants.csv", "dialogue.learn.start=base"],
        ),
    ],
)
def test_a_run_names_the_folder_that_stands_for_a_file(
    folder: Path, base: Path, key: str, settings: list[str]
) -> None:
    (folder / "town.yaml").write_text(SPEC.replace("restaurants.csv", "base"))
    said = [word for one in ["dialogue.learn.enabled=false", *settings] for word in ("--set", one)]
    command = ["run", str(folder / "town.yaml"), "--root", str(folder / "root"), *said]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, SourceError), found.output
    assert found.exception.message.startswith(f"{key}: {base} is a folder")


def test_a_folder_for_the_words_of_simulated_users(folder: Path, base: Path) -> None:
    (base / "words.yaml").write_text(
        "templates: {uri: .}\nknowledge: {uri: restaurants.csv}\nintents: {}\nslots: {}\n"
    )
    spec = SPEC.replace("restaurants.csv", "base/restaurants.csv")

    def speaking(uri: str) -> str:
        made = section(folder, f"  learn: {{utterances: {uri}}}\n", spec)
        with pytest.raises(SourceError) as raised:
            building.speaker_of(made, folder)
        assert raised.value.fix.startswith("Name a file in it: ")
        return f"{raised.value.message} {raised.value.fix}"

    told = speaking("base")
    assert told.startswith(f"dialogue.learn.utterances: {base} is a folder")
    assert told.endswith("dialogue.learn.utterances: base/words.yaml")
    told = speaking("base/words.yaml")
    assert told.startswith(f"base/words.yaml: templates.uri: {base} is a folder"), told


def test_an_agent_of_another_task_understands_no_turns(folder: Path) -> None:
    class Other:
        task = Task(type="classification")

    with pytest.raises(SpecError, match="is of task classification"):
        building.understanding_of(section(folder), Other(), "reviews/1")  # type: ignore[arg-type]


def test_the_schema_lists_every_key() -> None:
    found = CliRunner().invoke(app, ["spec", "schema", "--dialogue"])
    schema = json.loads(found.stdout)
    assert set(schema["$defs"]["Dialogue"]["properties"]) == set(Dialogue.model_fields)
    with pytest.raises(SpecError) as raised:
        load_as(DialogueSpec, EXAMPLE, ["dialogue.polcy=1"])
    assert "bertworks spec schema --dialogue" in raised.value.fix


def test_the_example_is_a_spec() -> None:
    found = load_as(DialogueSpec, EXAMPLE)
    assert found.name == "restaurant"
    assert found.dialogue.knowledge.sha256 is not None
    building.domain_of(found.dialogue)
