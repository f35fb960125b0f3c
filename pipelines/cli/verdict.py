"""The closing lines of a good run: what came out, where it is, how to talk to it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.cli.command import called

if TYPE_CHECKING:
    from bertworks.contracts.decision import Rule
    from bertworks.contracts.runs import RunRecord


def closing_lines(done: RunRecord, root: str | None) -> Iterator[str]:
    """The closing lines of a good run: what came out, where it is, how to talk to it."""
    from bertworks.contracts.decision import DECISION
    from bertworks.contracts.registered import REGISTERED
    from pipelines.cli import hints

    decision = DECISION.read(Path(done.artifacts["decision"]))
    yield ""
    yield f"{done.name}: passed every gate in {done.seconds:.0f} s"
    for rule in decision.rules:
        yield f"  {rule.name}: {_rule(rule)}"
    report = done.folder / "report.html"
    failure = report.with_name("report.error.txt")
    yield f"report: {report if report.exists() else f'could not be built, see {failure}'}"
    # This run's version, by number: where all was cached, the champion may be another one.
    kept = REGISTERED.read(Path(done.artifacts["registered"]))
    option = f" --root {shlex.quote(root)}" if root else ""
    agent = f"{done.name}/{kept.version}"
    if "dialogue" in done.spec:
        yield f"talk with it: {called()} chat {agent}{option} --trace"
        yield f"serve it: {called()} serve --dialogue {agent}{option}"
        return
    asked = hints.question(done.spec.get("task", {}), Path(done.artifacts.get("examples", "")))
    yield f"talk to it: {called()} predict{option} --agent {agent} {asked}"


def _rule(rule: Rule) -> str:
    from bertworks.pages.text import number

    shown = "" if rule.value is None else number(rule.value)
    limit = "" if rule.limit is None else f" (limit {number(rule.limit)})"
    return f"{shown}{limit} {rule.note}".strip()
