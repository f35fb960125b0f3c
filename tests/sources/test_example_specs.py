"""The example specs: they are valid and pinned, and (slow) their data is what they say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bertworks.data.utterances import setting
from bertworks.dialogue.acts import Act
from bertworks.dialogue.building import speaker_of
from bertworks.errors import SourceError
from bertworks.spec import AgentSpec
from bertworks.spec.dialogue import Dialogue
from tests.helpers.steps import ingest as run

EXAMPLES = Path(__file__).parents[2] / "examples"
SLOTS = ["area", "food", "mention.area", "mention.food", "mention.phone", "mention.postcode",
         "mention.pricerange", "name", "pricerange"]  # fmt: skip
INTENTS = ["affirm", "another", "bye", "deny", "dontcare", "greet", "inform", "negate", "request",
           "thank"]  # fmt: skip
ROWS = {  # name: rows read, rows kept, labels
    "sentiment": (8530, 8530, ["negative", "positive"]),
    "sentiment-full": (33530, 33432, ["negative", "positive"]),
    "ner": (20744, 19204, [f"{mark}-{kind}" for mark in "BI" for kind in ("LOC", "MISC", "ORG", "PER")]
            + ["O"]),
    "score": (10605, 10603, []),
    "spam": (4837, 4512, ["ham", "spam"]),
    "faq": (503, 497, []),
    "recommend": (4909, 4744, []),
    "idioms-zh": (30895, 10000, []),
    "topics": (15452, 5381, ["abbreviation", "description", "entity", "number", "person", "place"]),
    "sentiment-zh": (35123, 17361, ["negative", "positive"]),
    "turns": (5500, 5500, [*(f"B-{slot}" for slot in sorted([*SLOTS, "mention.address"])),
                           *(f"I-{slot}" for slot in SLOTS), "O",
                           *(f"intent:{intent}" for intent in INTENTS)]),
}  # fmt: skip
REJECTED = {"recommend": 165}
"""Rows that are refused, where there are any: of reviews those that have stars and no text."""


def load(name: str) -> AgentSpec:
    return AgentSpec.model_validate(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


def packages_of(spec: AgentSpec) -> Iterator[tuple[str, str | None]]:
    """What a spec, and the settings of masked utterances that it names, fetch; and their pins."""
    for source in spec.data.sources:
        if source.format == "utterances":
            said = setting.load(EXAMPLES / source.uri)
            yield from ((one.uri, one.sha256) for one in (said.templates, said.knowledge))
        else:
            yield source.uri, source.sha256
    if spec.base.uri != "scratch":
        yield spec.base.uri, spec.base.sha256
        if spec.base.tokenizer is not None:
            yield spec.base.tokenizer.uri, spec.base.tokenizer.sha256


@pytest.mark.parametrize("name", ROWS)
def test_an_example_is_valid_pinned_and_states_its_licence(name):
    spec = load(name)
    assert spec.name == name
    assert spec.description
    assert all(source.license for source in spec.data.sources)
    assert all(pin for _, pin in packages_of(spec))
    comment = "".join(
        line for line in (EXAMPLES / f"{name}.yaml").read_text().splitlines() if line[:1] == "#"
    )
    assert "Data:" in comment
    assert any(word in comment for word in ("MIT", "licence", "RESEARCH"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_an_example_ingests_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.delenv("BERTWORKS_DOWNLOADS")
    section = {**load(name).model_dump(mode="json", by_alias=True), "spec_folder": str(EXAMPLES)}
    outputs = {kind: tmp_path / kind for kind in ("examples", "corpus", "rejected", "base")}
    try:
        metrics = run(section, **outputs).metrics
    except SourceError as error:
        if "does not answer" not in error.message:
            raise
        pytest.skip(f"no network: {error.message}")
    read, kept, labels = ROWS[name]
    assert metrics["read"] == read
    assert sum(metrics[f"{split}_rows"] for split in ("train", "validation", "test")) == kept
    assert metrics["rejected"] == REJECTED.get(name, 0)
    info = yaml.safe_load((tmp_path / "examples/info.json").read_text())
    assert info["labels"] == labels


@pytest.mark.slow
def test_simulated_users_of_the_restaurant_can_say_all_that_they_want(monkeypatch):
    """In utterances that nothing was trained on, however few say the same."""
    monkeypatch.delenv("BERTWORKS_DOWNLOADS")
    folder = EXAMPLES / "restaurant"
    spec = yaml.safe_load((folder / "dialogue.yaml").read_text(encoding="utf-8"))
    try:
        speaker = speaker_of(Dialogue.model_validate(spec["dialogue"]), folder)
    except SourceError as error:
        if "does not answer" not in error.message:
            raise
        pytest.skip(f"no network: {error.message}")
    text, said = speaker.say([Act("request", "food")], [], random.Random(1))
    assert text and said == (Act("request", "food"),)
