"""From kept dialogues to proposals, and from what a person accepts to rows of the next run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bertworks.contracts.examples import EXAMPLES
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.improving import accepting, proposals
from bertworks.dialogue.improving.clustering import clusters
from bertworks.dialogue.improving.failing import failing
from bertworks.dialogue.improving.proposals import Proposal, Proposals
from bertworks.dialogue.improving.proposing import proposals as made_of
from bertworks.dialogue.logs import Kept
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import ArtifactError, BertworksError, DataError, SpecError
from bertworks.evaluation.data import read_split
from bertworks.runtime.agent import Agent
from bertworks.storage.artifacts import open_artifact
from pipelines.cli.main import app
from tests.dialogue.helpers import ANSWERS, DOMAIN, FILE, Still
from tests.dialogue.test_satisfaction import talk
from tests.dialogue.test_spec import SPEC
from tests.helpers.steps import ingest
from tests.helpers.tiny_model import bundle_of, make_model

UNKNOWN = ["so bad a story ?", "so bad a story , so ?", "so so bad a story ?"]
LABELS = ["O", "B-food", "intent:inform", "intent:bye"]


class Bags:
    """Vectors of the words in a text: what an encoder's come to where words are all it knows."""

    def vectors(self, rows: Sequence[Any]) -> Any:
        words = sorted({word for row in rows for word in row.split()})
        return np.array([[row.split().count(word) for word in words] for row in rows], float)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained bundle with a vector a text."""
    folder = tmp_path_factory.mktemp("finder")
    model = make_model(folder / "model", {"type": "matching"}, [])
    return bundle_of(model, folder / "bundle")


@pytest.fixture(scope="module")
def understanding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("understanding")
    model = make_model(folder / "model", {"type": "understanding"}, LABELS)
    return bundle_of(model, folder / "bundle")


def test_texts_about_the_same_are_one_group() -> None:
    random = np.random.default_rng(1)
    middles = np.eye(3, 8)
    rows = [middles[place % 3] + 0.1 * random.standard_normal(8) for place in range(30)]
    far = [random.standard_normal(8)]
    found = clusters(np.array([*rows, *far]), 3)
    wanted = [list(range(start, 30, 3)) for start in range(3)]
    assert sorted(sorted(group) for group in found) == wanted
    assert clusters(np.array(rows[:2]), 3) == [] and clusters(np.empty((0, 8)), 2) == []
    assert clusters(np.ones((5, 8)), 3) in ([], [[0, 1, 2, 3, 4]])  # all the same


def test_a_text_that_went_badly_is_found_with_its_reason() -> None:
    good = Kept(talk("cheap chinese", "north", "bye"))
    bad = Kept(talk("cheap chinese", "blah blah", "useless", "bye"))
    again = Kept(talk("cheap chinese", "its price range?", "its price range?"), 1.0)
    signs = Kept(talk("cheap chinese", "!!!", "👍", "bye"), 1.0)
    found = {one.text: one for one in failing([good, bad, again, bad, signs])}
    assert {text: one.why for text, one in found.items()} == {
        "blah blah": "not understood",
        "useless": "not understood",
        "cheap chinese": "ended badly",
    } | ({"its price range?": found["its price range?"].why} if "its price range?" in found else {})
    assert found["blah blah"].dialogues == 2
    assert found["blah blah"].context == "Which area would you like?"
    assert next(iter(found)) == "blah blah"
    assert failing([good]) == []


def test_questions_become_answers_to_write_and_others_intents() -> None:
    parking = ["is there parking", "is there free parking", "is there parking near"]
    dogs = ["bring my dog along", "bring my dog", "bring my big dog along"]
    said = [Kept(talk(text, "bye"), 0.0) for text in [*parking, *dogs, "xyzzy"]]
    made = made_of(failing(said), Bags(), None)
    kinds = {one.kind: one for one in made}
    assert sorted(kinds["faq"].examples) == sorted(parking)
    assert sorted(kinds["intent"].examples) == sorted(dogs)
    assert kinds["label"].examples == ["xyzzy"] and kinds["label"].intent == ""
    assert [one.accept for one in made] == [None] * 3


def test_what_was_understood_is_given_to_correct(understanding: Path) -> None:
    agent = Agent.load(understanding, threads=1)
    (one,) = made_of(failing([Kept(talk("cheap chinese"), 0.0)]), agent, agent)
    (answer,) = agent.predict(["cheap chinese"])
    assert one.intent == answer["intent"] and one.why == "ended badly"
    with pytest.raises(ArtifactError, match="gives labels, and no vectors"):
        made_of(failing([Kept(talk("blah"))]), agent, agent)


def kept_in(folder: Path) -> Path:
    (folder / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (folder / "town.yaml").write_text(SPEC)
    store = SqliteStore(folder / "sessions.db", 3600.0, dialogue="town")
    room = Room(DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), Rules(), ANSWERS), store)
    for number, text in enumerate([*UNKNOWN, "cheap thai"]):
        room.turn("", str(number), text)
        room.judge("", str(number), 0.0)
    return folder / "town.yaml"


def run(*arguments: object) -> str:
    found = CliRunner().invoke(app, ["dialogue", *map(str, arguments)])
    if isinstance(found.exception, BertworksError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_person_decides_and_the_next_run_reads_it(
    tmp_path: Path, finder: Path, understanding: Path
) -> None:
    spec, file = kept_in(tmp_path), tmp_path / "proposals.yaml"
    asked = ("propose", spec, "--agent", finder, "--sessions", tmp_path / "sessions.db", "-o", file)
    assert "4 dialogues, 4 texts that were not understood or went badly" in run(*asked)
    written = yaml.safe_load(file.read_text("utf-8"))
    texts = [text for one in written["proposals"] for text in one["examples"]]
    assert sorted(texts) == sorted([*UNKNOWN, "cheap thai"])
    decided = [
        {"kind": "faq", "accept": True, "answer": "It is.", "examples": UNKNOWN[:2]},
        {"kind": "faq", "accept": False, "examples": UNKNOWN[2:]},
        {"kind": "label", "accept": True, "intent": "inform", "slots": {"food": "Thai"},
         "examples": ["cheap thai"]},
        {"kind": "intent", "accept": True, "intent": "book", "examples": ["book a table", "book it"]},
    ]  # fmt: skip
    file.write_text(yaml.safe_dump({"proposals": decided}))
    shown = run("accept", file)
    assert "2 questions and 3 turns were accepted; 1 proposals were refused" in shown
    faq = [json.loads(line) for line in (tmp_path / "faq.jsonl").read_text().splitlines()]
    assert faq == [{"text": text, "document": "It is."} for text in UNKNOWN[:2]]
    assert "4 dialogues" in run(*asked)  # nothing that was decided is asked again
    assert [one.accept for one in proposals.read(file).proposals] == [True, False, True, True]

    splits = [("turns", "train"), ("v", "validation"), ("t", "test")]
    for name, _ in splits[1:]:
        row = {"text": f"cheap {name}", "label": "inform", "entities": []}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    section = {
        "task": {"type": "understanding"},
        "data": {"sources": [{"uri": f"{name}.jsonl", "split": split} for name, split in splits]},
        "base": {"uri": "scratch"},
        "corpus": {},
        "spec_folder": str(tmp_path),
    }
    places = {name: tmp_path / name for name in ("examples", "corpus", "rejected", "base")}
    ingest(section, **places)
    examples = open_artifact(places["examples"])
    assert EXAMPLES.read(examples).rows["train"] == 3
    rows = read_split(examples, "train")
    found = {" ".join(one): frame for one, frame in zip(rows["tokens"], rows["frame"], strict=True)}
    assert found["cheap thai"] == ["intent:inform", "O", "B-food"]
    assert found["book a table"] == ["intent:book", "O", "O", "O"]
    errors = tmp_path / "errors.json"
    of = (
        "--agent",
        understanding,
        "--examples",
        places["examples"],
        "--split",
        "train",
        "-o",
        errors,
    )
    assert " of 3 acts in 3 turns were misunderstood" in run("errors", spec, *of)
    assert Errors.load(errors).rate > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "faq"}, "proposals.0: `answer` is empty"),
        ({"kind": "intent"}, "proposals.0: `intent` must be a name"),
        ({"kind": "label", "intent": "a b!"}, "`intent` must be a name"),
        ({"kind": "label", "intent": "inform", "slots": {"food": "tha"}}, "do not stand in the text"),
        ({"kind": "label", "intent": "inform", "slots": {"food": " "}}, "do not stand in the text"),
        ({"kind": "intent", "intent": "x", "slots": {"food": "thai"}, "examples": ["thai", "b"]},
         "`slots` are the words of one text"),
    ],
)  # fmt: skip
def test_what_is_not_finished_is_not_accepted(changes: dict[str, Any], says: str) -> None:
    one = Proposal.model_validate({"accept": True, "examples": ["cheap thai"], **changes})
    with pytest.raises(DataError) as refused:
        accepting.accepted(Proposals(proposals=[one]), "p.yaml")
    assert says in refused.value.message and refused.value.fix
    left = Proposals(proposals=[one.model_copy(update={"accept": False})])
    assert accepting.accepted(left, "p.yaml").refused == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("proposals: [{kind: song, examples: [a]}]", r"p.yaml:1: proposals.0.kind"),
        ("proposals: [{kind: faq, examples: []}]", "proposals.0.examples"),
        ("proposals:\n- {kind: faq, examples: [a], anser: b}", "anser"),
        ("proposals: [{kind: faq, examples: [a], accept: maybe}]", "accept"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as refused:
        proposals.read(file)
    assert says in refused.value.message
    with pytest.raises(SpecError, match="cannot be read"):
        proposals.read(tmp_path / "none.yaml")


def test_a_file_says_the_same_after_it_was_written(tmp_path: Path) -> None:
    listed = [
        Proposal(kind="faq", examples=["有停车位吗？", "yes: no"], answer="#1", dialogues=3),
        Proposal(kind="label", examples=["a"], intent="b", slots={"food": "a"}, accept=True),
    ]
    proposals.write(tmp_path / "p.yaml", Proposals(proposals=listed))
    assert proposals.read(tmp_path / "p.yaml").proposals == listed
    assert "有停车位吗" in (tmp_path / "p.yaml").read_text("utf-8")
