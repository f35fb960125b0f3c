"""Rows of what a person accepted: sources of the next run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks.dialogue.improving.proposals import Proposal, Proposals
from bertworks.errors import DataError
from bertworks.storage.replacing import replacing

FAQ, TURNS = "faq.jsonl", "turns.jsonl"
_NAME = re.compile(r"\w[\w.-]{0,63}")


@dataclass(frozen=True)
class Accepted:
    """What came of a file of proposals.

    Attributes:
        faq: Questions with their answers, for task matching: `text` and `document`.
        turns: Turns with intents and slots, for task understanding: `text`, `label` and `entities`.
        refused: Proposals that a person refused.
        open: That nobody decided.
    """

    faq: list[dict[str, str]]
    turns: list[dict[str, Any]]
    refused: int
    open: int


def accepted(proposals: Proposals, shown: str) -> Accepted:
    """The rows of what was accepted.

    Args:
        proposals: As a person left them.
        shown: The file's name in messages.

    Raises:
        DataError: An answer or an intent is missing, or a slot's words do not stand in the text.
    """
    faq: list[dict[str, str]] = []
    turns: list[dict[str, Any]] = []
    for number, one in enumerate(proposals.proposals):
        where = f"{shown}: proposals.{number}"
        if one.accept:
            if one.kind == "faq":
                faq += _questions(one, where)
            else:
                turns += _turns(one, where)
    decisions = [one.accept for one in proposals.proposals]
    return Accepted(faq, turns, decisions.count(False), decisions.count(None))


def write(found: Accepted, folder: Path) -> list[Path]:
    """Writes `FAQ` and `TURNS`, where they have rows; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    parts: Sequence[tuple[str, Sequence[Any]]] = ((FAQ, found.faq), (TURNS, found.turns))
    for name, rows in parts:
        if rows:
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            with replacing(folder / name) as path:
                path.write_text(lines, encoding="utf-8")
            written.append(folder / name)
    return written


def _questions(one: Proposal, where: str) -> Iterator[dict[str, str]]:
    if not one.answer.strip():
        raise DataError(
            f"{where}: `answer` is empty, and the proposal is accepted: {one.examples[0]!r:.80}",
            "Write what is to be answered, or `accept: false`.",
        )
    for text in one.examples:
        yield {"text": text, "document": one.answer.strip()}


def _turns(one: Proposal, where: str) -> Iterator[dict[str, Any]]:
    if not _NAME.fullmatch(one.intent):
        raise DataError(
            f"{where}: `intent` must be a name of letters, digits, '_', '.', '-'. "
            f"Received: {one.intent!r:.80}",
            "Name what is wanted, for example opening_hours; or write `accept: false`.",
        )
    if one.slots and len(one.examples) > 1:
        raise DataError(
            f"{where}: `slots` are the words of one text. Received: {len(one.examples)} examples",
            "Give each text a proposal of kind label of its own.",
        )
    for text in one.examples:
        entities = [_entity(slot, said, text, where) for slot, said in one.slots.items()]
        entities.sort(key=lambda entity: entity["start"])
        yield {"text": text, "label": one.intent, "entities": entities}


def _entity(slot: str, said: str, text: str, where: str) -> dict[str, Any]:
    found = re.search(rf"(?<!\w){re.escape(said.strip())}(?!\w)", text, re.IGNORECASE)
    if not said.strip() or found is None:
        raise DataError(
            f"{where}: the words of slot {slot} do not stand in the text. Received: {said!r:.80} in "
            f"{text!r:.120}",
            "Write them as they stand there, or take the slot out.",
        )
    return {"start": found.start(), "end": found.end(), "type": slot}
