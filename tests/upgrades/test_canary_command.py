"""`bertworks canary` and `bertworks models show`: what a person sees of trials."""

import json

import pytest
from made_versions import record
from typer.testing import CliRunner

from bertworks.errors import ArtifactError, BertworksError, EnvironmentFault
from bertworks.storage.challengers import Challengers
from pipelines.cli.main import app


@pytest.fixture
def root(tmp_path, versions):
    versions.store(tmp_path / "models", versions.bundle(0), versions.bundle(1))
    return tmp_path


def called(root, *words):
    done = CliRunner().invoke(app, [*words, "--root", str(root)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_a_trial_is_begun_shown_and_ended(root):
    assert "nothing is tried" in called(root, "canary", "status", "mood")
    assert "mood/2 is tried" in called(root, "canary", "start", "mood/2")
    assert "mood/2 is tried since" in called(root, "canary", "status", "mood")
    assert "the trial is ended" in called(root, "canary", "stop", "mood")
    assert "nothing was tried" in called(root, "canary", "stop", "mood")


def test_what_cannot_be_tried_is_said(root):
    with pytest.raises(BertworksError, match="Which version of mood is to be tried"):
        called(root, "canary", "start", "mood")
    with pytest.raises(ArtifactError, match="is the champion"):
        called(root, "canary", "start", "mood/1")


def test_earlier_trials_are_shown_with_their_figures(root, versions):
    from bertworks.storage.store import Store

    trials = Challengers(str(root / "models"), "mood")
    trials.challenge(2)
    trials.decide(record(Store(root / "models")))
    shown = called(root, "canary", "status", "mood")
    assert "mood/2 promoted against 1: All limits are kept." in shown
    assert "errors       -0.0010 [-0.0200, +0.0100] of at most 0.01; 900 compared" in shown
    told = json.loads(called(root, "canary", "status", "mood", "--json"))
    assert told["challenger"] is None
    assert told["trials"][0]["outcome"] == "promoted"
    assert json.loads(called(root, "models", "show", "mood/2"))["trials"] == told["trials"]
    assert "trials" not in json.loads(called(root, "models", "show", "mood/1"))


def test_a_server_that_is_not_there_is_named(root):
    with pytest.raises(
        EnvironmentFault, match="127.0.0.1:9/v1/models/agent/upgrades has no answer"
    ):
        called(root, "canary", "status", "mood", "--url", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--canary", "share=0.2"], "Give --follow too"),
        (["--follow", "--digest", "a" * 64], "Leave one of them out"),
        (["--follow", "--repository"], "Leave one of them out"),
        (
            ["--follow", "--agent", "mood", "--canary", "shar=0.2"],
            "--canary NAME=VALUE with one of",
        ),
        (["--follow", "--agent", "mood", "--shadow", "share=2"], "--shadow: share cannot be"),
        (["--follow", "--agent", "none"], "none has no champion"),
    ],
)
def test_options_that_do_not_go_together(root, words, said):
    with pytest.raises(BertworksError) as caught:
        called(root, "serve", *words)
    assert said in str(caught.value)
