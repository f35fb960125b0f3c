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
from bertworks.dialogue.policies.rules import CONDITIONS
from bertworks.dialogue.simulation.goals import Habits
from bertworks.dialogue.state import State
from bertworks.errors import ArtifactError, BertworksError, SourceError, SpecError
from bertworks.spec.dialogue import Condition, Deed, Dialogue, DialogueSpec, Users
from bertworks.spec.file import load_as
from bertworks.spec.task import Task
from pipelines.cli.main import app
from tests.dialogue.helpers import DOMAIN, FILE

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
    assert set(get_args(Deed)) == kinds
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
    ],
)
def test_a_wrong_spec_is_refused_at_its_line(folder: Path, more: str, says: str) -> None:
    with pytest.raises(SpecError) as raised:
        section(folder, more)
    assert says in raised.value.message, raised.value.message


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
    ],
)
def test_what_does_not_fit_the_knowledge_base_is_refused(
    folder: Path, text: str, error: type[BertworksError], says: str
) -> None:
    with pytest.raises(error) as raised:
        agent(folder, text=text)
    assert says in raised.value.message and raised.value.fix


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
