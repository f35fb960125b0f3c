"""How users are misunderstood: acts are lost, or taken for others, at a rate, with a confidence.

As in Schatzmann, Thomson and Young 2007 ("Error simulation for training statistical dialogue systems"):
errors of acts, with confidences drawn apart for right and wrong ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.dialogue.acts import DONT_CARE, USER, Act, Heard
from bertworks.dialogue.knowledge import Knowledge, normal
from bertworks.errors import DataError
from bertworks.storage.replacing import replacing

KINDS = ("lost", "value", "slot", "intent")
_BARE = [one for one, shape in USER.items() if not shape.slot]


@dataclass(frozen=True)
class Errors:
    """An understanding that errs.

    Attributes:
        rate: Share of acts that are misunderstood.
        lost: Of these, the share that is not heard at all; the next three likewise.
        value: Another value of the same slot.
        slot: Another slot with a value of its own.
        intent: Another intent.
        right: Beta distribution of the confidence of right acts.
        wrong: Of wrong ones.
    """

    rate: float = 0.0
    lost: float = 0.3
    value: float = 0.4
    slot: float = 0.15
    intent: float = 0.15
    right: tuple[float, float] = (8.0, 1.5)
    wrong: tuple[float, float] = (3.0, 3.0)

    def __post_init__(self) -> None:
        shares = [self.rate, self.lost, self.value, self.slot, self.intent]
        if not all(0 <= one <= 1 for one in shares) or abs(sum(shares[1:]) - 1) > 1e-6:
            raise ValueError(
                "`rate` and shares of kinds must lie in 0 to 1, and the shares sum to 1. "
                f"Received: {shares}"
            )

    def hear(
        self, acts: Sequence[Act], knowledge: Knowledge, random: np.random.Generator
    ) -> tuple[Heard, ...]:
        """What is understood of what was said.

        Args:
            acts: What was said.
            knowledge: Its values are what can be confused.
            random: Draws.
        """
        if self.rate == 0:
            return tuple(Heard(act, _beta(random, self.right)) for act in acts)
        found = []
        for act in acts:
            if random.random() >= self.rate:
                found.append(Heard(act, _beta(random, self.right)))
            else:
                found += self._misheard(act, knowledge, random)
        return tuple(found) or (Heard(Act("unclear"), _beta(random, self.right)),)

    def added(
        self, heard: Sequence[Heard], knowledge: Knowledge, random: np.random.Generator
    ) -> tuple[Heard, ...]:
        """The same on top of what an understanding understood; what is not touched stays as it is.

        Args:
            heard: What it understood.
            knowledge: See `hear`.
            random: Likewise.
        """
        found: list[Heard] = []
        for one in heard:
            if one.act.intent == "unclear" or random.random() >= self.rate:
                found.append(one)
            else:
                found += self._misheard(one.act, knowledge, random)
        return tuple(found) or (Heard(Act("unclear"), _beta(random, self.right)),)

    def _misheard(
        self, act: Act, knowledge: Knowledge, random: np.random.Generator
    ) -> Iterator[Heard]:
        """What is heard instead of an act, if anything."""
        draw, kind = random.random(), ""
        for kind in KINDS:
            draw -= getattr(self, kind)
            if draw < 0:
                break
        other = _confused(kind, act, knowledge, random)
        if other is not None:
            yield Heard(other, _beta(random, self.wrong))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Errors:
        """Reads what `to_json` wrote.

        Raises:
            DataError: It is something else.
        """
        try:
            pairs = {name: tuple(map(float, record[name])) for name in ("right", "wrong")}
            shares = {name: float(record[name]) for name in ("rate", *KINDS)}
            return cls(**shares, **pairs)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"These are no understanding errors: {type(error).__name__}: {error}.",
                "Write them by Errors.to_json.",
            ) from None

    def save(self, file: Path) -> None:
        """Writes JSON, whole or not at all."""
        with replacing(file) as path:
            path.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Errors:
        """Reads what `save` wrote.

        Raises:
            DataError: It cannot be read, or is something else.
        """
        try:
            record = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"The understanding errors {file} cannot be read: {error}.",
                "Write them by `bertworks dialogue errors`.",
            ) from None
        return cls.from_json(record)


def measured(turns: Iterable[tuple[Sequence[Act], Sequence[Heard]]]) -> Errors:
    """The errors of a real understanding.

    Args:
        turns: What was said in each turn, and what was understood.

    Returns:
        Rate, shares of kinds and confidences as they were; kinds never seen keep the usual share where
        nothing was misunderstood at all.

    Raises:
        DataError: There are no turns.
    """
    kinds: Counter[str] = Counter()
    right: list[float] = []
    wrong: list[float] = []
    total = 0
    for said, heard in turns:
        left = [one for one in heard if one.act not in said]
        right += [one.confidence for one in heard if one.act in said]
        understood = {one.act for one in heard}
        total += len(said)
        for act in said:
            if act in understood:
                continue
            kind = next((k for k, one in _taken_for(act, left)), None)
            kinds[kind or "lost"] += 1
        wrong += [one.confidence for one in left]
    if not total:
        raise DataError("No turns to measure errors by.", "Give turns with what was said in each.")
    errors = sum(kinds.values())
    usual = Errors()
    shares = {one: kinds[one] / errors if errors else getattr(usual, one) for one in KINDS}
    return Errors(
        errors / total,
        right=_fitted(right, usual.right),
        wrong=_fitted(wrong, usual.wrong),
        **shares,
    )


def _taken_for(act: Act, left: list[Heard]) -> Iterable[tuple[str, Heard]]:
    """The nearest of the wrong acts, and how it differs; it is used up."""
    for kind, same in (
        ("value", lambda one: (one.intent, one.slot) == (act.intent, act.slot)),
        ("slot", lambda one: one.intent == act.intent),
        ("intent", lambda one: True),
    ):
        for heard in left:
            if heard.act.intent != "unclear" and same(heard.act):
                left.remove(heard)
                yield kind, heard
                return


def _fitted(confidences: Sequence[float], usual: tuple[float, float]) -> tuple[float, float]:
    """A beta distribution by its moments."""
    if len(confidences) < 10:
        return usual
    mean = float(np.clip(np.mean(confidences), 0.01, 0.99))
    spread = float(np.clip(np.var(confidences), 1e-4, mean * (1 - mean) * 0.95))
    strength = mean * (1 - mean) / spread - 1
    return mean * strength, (1 - mean) * strength


def _beta(random: np.random.Generator, shape: tuple[float, float]) -> float:
    return float(random.beta(*shape))


def _confused(kind: str, act: Act, knowledge: Knowledge, random: np.random.Generator) -> Act | None:
    """What an act is taken for; None: nothing was heard."""
    domain, shape = knowledge.domain, USER[act.intent]
    if kind == "value" and shape.value:
        return Act(act.intent, act.slot, _other_value(act, act.slot, knowledge, random))
    if kind == "slot" and shape.slot:
        slots = [
            one for one in (domain.informable if shape.value else domain.told) if one != act.slot
        ]
        if slots:
            slot = slots[int(random.integers(len(slots)))]
            value = _other_value(act, slot, knowledge, random) if shape.value else ""
            return Act(act.intent, slot, value)
    if kind in ("intent", "value", "slot"):
        others = [one for one in _BARE if one not in (act.intent, "unclear", "greet")]
        return Act(others[int(random.integers(len(others)))])
    return None


def _other_value(act: Act, slot: str, knowledge: Knowledge, random: np.random.Generator) -> str:
    values = [normal(one) for one in knowledge.values(slot)]
    if slot in knowledge.domain.informable:
        values.append(DONT_CARE)
    values = [one for one in values if one != normal(act.value)]
    return values[int(random.integers(len(values)))] if values else DONT_CARE
