"""What `bertworks retrain` says at the end."""

from __future__ import annotations

import pytest

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.retraining import webhook
from pipelines.cli import retrain as retrain_cli


@pytest.mark.parametrize(
    ("url", "told", "warned"),
    [
        ("https://chat.example.com/x", 0, True),
        ("https://chat.example.com/x", 1, False),
        ("", 0, False),
    ],
)
def test_a_webhook_that_was_not_told_is_noticed(
    monkeypatch: pytest.MonkeyPatch, url: str, told: int, warned: bool
) -> None:
    monkeypatch.setenv(webhook.URL, url)
    steps = [RunStep("notify", metrics={"kept": 1, "told": told})]
    assert retrain_cli._was_not_told(RunRecord(steps=steps)) is warned


def test_the_help_breaks_lines_where_the_terminal_does() -> None:
    from pipelines.cli.main import app

    command = next(one for one in app.registered_commands if one.callback is retrain_cli.retrain)
    assert command.help is not None
    assert "Nothing new: the run ends well within a minute." in command.help
    assert command.help.count("\n\n") == 3
