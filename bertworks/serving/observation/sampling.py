"""Keeps some of what is asked, to be labelled: rows that the agent is less sure of more often."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import numpy as np

from bertworks.runtime.agent import Agent
from bertworks.serving.exchange import Exchange
from bertworks.serving.models.registry import Registry
from bertworks.serving.observation.counting import answering
from bertworks.serving.observation.files import SampleFiles
from bertworks.tasks.forms.form import Row

_MEMORY = 0.999  # of the mean doubt: about the last thousand rows


class Sampler:
    """An observer that keeps rows.

    A row's chance is the share times half of one plus half of its doubt over the mean doubt, where doubt
    is one less how sure its answer is; it stands in the row as `share`, so that rates can be reckoned
    back from the sample (Horvitz and Thompson 1952).

    Args:
        models: What is served.
        files: Take the rows.
        share: Of the rows, on average.
        mask: Whether personal data is masked.
        draw: Random numbers from 0 to 1.
    """

    def __init__(
        self,
        models: Registry,
        files: SampleFiles,
        share: float,
        mask: bool = True,
        draw: random.Random | None = None,
    ) -> None:
        self._models, self._files, self._share, self._mask = models, files, share, mask
        self._draw = draw or random.Random()
        self._doubt = 0.0
        self._seen = 0

    def answered(self, exchange: Exchange) -> None:
        """Keeps some of the rows of an exchange that was answered."""
        if exchange.reason or not exchange.answers:
            return
        bundle = answering(self._models, exchange)
        if bundle is None:
            return
        sure = bundle.agent.handler.sureness(exchange.answers)
        for place, (row, answer) in enumerate(zip(exchange.rows, exchange.answers, strict=True)):
            chance = self._chance(float(sure[place]))
            if self._draw.random() < chance:
                kept = record(exchange, place, row, answer, bundle.agent, self._mask)
                how = None if np.isnan(sure[place]) else round(float(sure[place]), 6)
                self._files.add({**kept, "sureness": how, "share": round(chance, 6)})

    def _chance(self, sure: float) -> float:
        if np.isnan(sure):  # a task whose answers do not tell
            return self._share
        doubt = 1 - sure
        self._seen += 1
        weight = max(1 - _MEMORY, 1 / self._seen)
        self._doubt += weight * (doubt - self._doubt)
        return min(self._share * (0.5 + 0.5 * doubt / max(self._doubt, 1e-6)), 1.0)


def record(
    exchange: Exchange,
    place: int,
    row: Row,
    answer: Mapping[str, Any],
    agent: Agent,
    mask: bool,
) -> dict[str, Any]:
    """A row as it is kept: its texts in the columns of a data source, and what was predicted."""
    texts = texts_of(row, agent)
    predicted = said(answer)
    return {
        "request": exchange.id,
        "row": place,
        "time": datetime.fromtimestamp(exchange.arrived, UTC).isoformat(timespec="seconds"),
        "model": exchange.model,
        "version": exchange.version,
        **(masked(texts) if mask else texts),
        "predicted": predicted if isinstance(predicted, str) else json.dumps(predicted),
    }


def masked(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Texts without personal data; words stay as many as they are."""
    from bertworks.serving.audit.masking import masked_all  # its patterns are compiled then

    return {
        name: masked_words(value) if name == "tokens" else masked_all(value)
        for name, value in texts.items()
    }


def masked_words(words: Sequence[str]) -> list[str]:
    """Words without personal data, which may stand in several: each becomes what it is a part of."""
    from bertworks.serving.audit.personal import find

    kept, before = list(words), None
    while kept != before and (found := find(" ".join(kept))):
        before = list(kept)
        ends = list(accumulate(len(word) + 1 for word in kept))
        for place, end in enumerate(ends):
            begin = end - len(kept[place]) - 1
            part = next((one for one in found if begin < one.end and one.start < end - 1), None)
            if part is not None:
                kept[place] = f"[{part.kind}]"
    return kept


def said(answer: Mapping[str, Any]) -> Any:
    """What an answer says, as a source has it: a label, labels, tags, a number, an intent and tags."""
    if "intent" in answer:
        return {"label": answer["intent"], "tags": answer["tags"]}
    for key in ("label", "labels", "tags", "score"):
        if key in answer:
            return answer[key]
    raise KeyError(f"an answer without any of a task's own parts: {sorted(answer)}")


def texts_of(row: Row, agent: Agent) -> dict[str, Any]:
    """A row's texts in the columns that a data source has for them by default."""
    return agent.form.named(row)
