"""A dialogue from its spec to a version that talks: all real, and small."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertworks.contracts.dialogue import JUDGEMENT
from bertworks.dialogue import bundle, learner
from bertworks.errors import EnvironmentFault
from bertworks.storage.store import Store
from pipelines.cli.main import app
from pipelines.local.record import latest
from pipelines.local.root import find_root
from tests.dialogue.helpers import DOMAIN, FILE, TOWN
from tests.dialogue.test_spec import SPEC

pytestmark = pytest.mark.slow

AGENT = """\
name: turns
task: {type: understanding, max_length: 32}
data:
  sources: [{uri: turns.jsonl, license: made up}]
  validation: 0.15
  test: 0.15
base:
  uri: scratch
  scratch: {vocab_size: 300, layers: 2, hidden_size: 32, heads: 2, intermediate_size: 64}
validate:
  checks: {near_duplicates: ignore, leakage: ignore}
finetune: {epochs: 8, learning_rate: 0.004, batch_size: 16, precision: float32}
evaluate: {slices: [], bootstrap: 20, floor: false}
compress:
  prune: {enabled: false}
  quantize: {candidates: [onnxruntime-fp32], measure_rows: 16, calibration_rows: 16}
gates: {minimum: 0.2, max_drop: 0.3, beat_floor: false}
"""
MORE = """\
  learn: {errors: [0.1], steps: 8192, seed: 3}
agents:
  understanding: {spec: turns.yaml, set: {finetune.epochs: 6}}
judge: {dialogues: 100}
gates: {minimum: 0.3}
"""
SAYS = {"food": "i want {} food please", "area": "somewhere in the {}", "pricerange": "a {} place"}


def rows(count: int) -> str:
    """Turns about the town, labelled; a number keeps them apart."""
    chance, found = random.Random(3), []
    for number in range(count):
        slot = chance.choice([*SAYS, "bye"])
        if slot == "bye":
            tokens, tags, label = ["goodbye", "and", "thanks"], ["O"] * 3, "bye"
        else:
            value = chance.choice(TOWN.values(slot)).lower()
            words = SAYS[slot].format(value).split()
            tokens, label = words, "inform"
            own = value.split()
            start = next(i for i in range(len(words)) if words[i : i + len(own)] == own)
            tags = ["O"] * len(words)
            tags[start] = f"B-{slot}"
            tags[start + 1 : start + len(own)] = [f"I-{slot}"] * (len(own) - 1)
        tokens, tags = [*tokens, str(number)], [*tags, "O"]
        found.append(json.dumps({"tokens": tokens, "tags": tags, "label": label}))
    return "\n".join(found) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        learner.learner()
    except EnvironmentFault as fault:
        pytest.skip(str(fault))
    made = tmp_path_factory.mktemp("town")
    (made / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (made / "turns.jsonl").write_text(rows(300))
    (made / "turns.yaml").write_text(AGENT)
    (made / "town.yaml").write_text(SPEC + MORE)
    return made


def bertworks(folder: Path, *arguments: str, said: str | None = None) -> Result:
    found = CliRunner().invoke(app, [*arguments, "--root", str(folder / "root")], input=said)
    assert found.exit_code == 0, (found.output, found.exception)
    return found


def test_a_dialogue_is_made_of_its_agents_and_talks_by_name(folder: Path) -> None:
    done = bertworks(folder, "run", str(folder / "town.yaml"))
    assert "chat town/1" in done.output
    root = find_root(str(folder / "root"))
    record = latest(root)
    steps = {one.name: one for one in record.steps}
    assert record.state == "succeeded"
    assert all(one.state == "succeeded" for one in record.steps), steps
    assert {"understanding-evaluate-bundle", "measure-understanding", "learn-policy"} <= set(steps)
    assert record.artifacts["understanding.bundle_metrics"]  # and no other's
    report = (record.folder / "report.html").read_text("utf-8")
    assert "success, learned" in report and "cannot be shown" not in report

    store = Store(str(root.models))
    dialogue = bundle.open_dialogue(store.fetch("town", 1).path)
    assert dialogue.talk.learned and dialogue.understanding is not None
    agent = store.champion("turns")
    assert agent is not None and agent.digest == dialogue.talk.understanding
    judgement = JUDGEMENT.read(Path(record.artifacts["judgement"]))
    assert [one.errors for one in judgement.users] == ["0.1", "measured"]
    assert judgement.untrue == 0 < judgement.answers

    talk = bertworks(folder, "chat", "town", "--trace", said="i want chinese food please\n")
    assert "understood  inform(food=chinese)" in talk.stdout and "[town/1" in talk.stdout
    assert "[graph: " in talk.stdout
    assert DOMAIN.entity == dialogue.talk.section.entity

    # The same again: all comes from the cache but what looks at what there is, and what puts versions
    # into the store.
    bertworks(folder, "run", str(folder / "town.yaml"))
    again = {one.name: one.state for one in latest(root).steps}
    anew = {"compare-dialogue", "understanding-register", "register-dialogue"}
    assert {name for name, state in again.items() if state != "cached"} == anew
    # And the agent alone is known, too.
    bertworks(folder, "run", str(folder / "turns.yaml"), "--set", "finetune.epochs=6")
    alone = {one.name: one.state for one in latest(root).steps}
    assert {name for name, state in alone.items() if state != "cached"} == {"register"}

    # A retraining: nothing is new; then a fact is, and what makes the agent comes from the cache.
    assert "version 1 was made of the same" in bertworks(
        folder, "retrain", str(folder / "town.yaml")
    ).output  # fmt: skip
    facts = folder / "restaurants.csv"
    facts.write_text(facts.read_text("utf-8").replace("Golden Lantern", "Silver Lantern"))
    retrained = bertworks(folder, "retrain", str(folder / "town.yaml"))
    assert "New: knowledge." in retrained.output
    made = {one.name: one.state for one in latest(root).steps}
    of_agent = {name for name in made if name.startswith("understanding-")}
    assert {name for name in of_agent if made[name] != "cached"} == {"understanding-register"}
    assert made["learn-policy"] == "succeeded"
    champion = store.champion("town")
    ended = re.search(r"town: version (\d) (is the new champion|stays)", retrained.output)
    assert champion is not None and ended is not None and champion.number == int(ended[1])
