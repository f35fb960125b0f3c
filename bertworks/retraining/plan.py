"""What a challenger is trained and tested on: new rows, and old ones against forgetting.

A row's split is decided when it is first seen and never changes: what the champion was trained on can
not turn up in test, and champion and challenger are judged on the same rows. Old rows are rehearsed
(Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal"): a sample of them is mixed with
the new ones, with at least `LABEL_ROWS` of each label, so that no label is unlearned; and where there
are new labels, with as many of each old one as the largest new one has, so that none is outweighed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bertworks.contracts.retraining import Counts
from bertworks.retraining.rows import Key

LABEL_ROWS = 10
Keys = Mapping[str, Key]


@dataclass(frozen=True)
class RetrainingPlan:
    """Which rows go where.

    Attributes:
        fresh: Ids of rows that the champion has not seen, or saw with another target.
        relabelled: How many of them are the latter.
        waiting: Ids of rows whose label has too few training rows yet; they stay new.
        rehearsed: Ids of old training rows to train on again.
        left_out: How many old training rows are not.
        split: Every row's split, those that wait left out.
        labels: The labels of the rows to train on.
        new_labels: Those of them that the champion does not know.
    """

    fresh: frozenset[str]
    relabelled: int
    waiting: frozenset[str]
    rehearsed: frozenset[str]
    left_out: int
    split: Mapping[str, str]
    labels: frozenset[str]
    new_labels: frozenset[str]

    def used(self, identity: str) -> bool:
        """Whether a row is trained on or measured with: all but old rows that are not rehearsed."""
        if identity in self.waiting:
            return False
        old_training_row = self.split[identity] == "train" and identity not in self.fresh
        return not old_training_row or identity in self.rehearsed


def make_plan(
    current: Keys,
    known: Keys,
    *,
    rehearsal: float | None,
    seed: str,
    min_label_rows: int,
) -> RetrainingPlan:
    """Sorts the rows of the sources and of the champion.

    Args:
        current: The rows that the sources have now.
        known: The rows that the champion knows.
        rehearsal: Old training rows for each new one; None: all of them.
        seed: Which old rows are taken; the same seed and rows give the same sample, and more
            rehearsal adds rows to it.
        min_label_rows: Training rows that a label must have.
    """
    changed = [
        one for one, key in current.items() if one in known and known[one].target != key.target
    ]
    fresh = {one for one in current if one not in known} | set(changed)
    keys = {**known, **current}
    split = {one: (known.get(one) or key).split for one, key in keys.items()}
    waiting = _waiting(current, known, fresh, split, min_label_rows)
    # A known row with a new label that has to wait is left as it was.
    fresh -= waiting
    split = {one: where for one, where in split.items() if one in known or one not in waiting}

    old = [one for one in known if split[one] == "train" and one not in fresh]
    new = [one for one in fresh if split[one] == "train"]
    before = {label for key in known.values() for label in key.labels}
    have = _label_rows(keys, new)
    if rehearsal is None:
        rehearsed = set(old)
    else:
        unknown = [count for label, count in have.items() if label not in before]
        least = max(LABEL_ROWS, *unknown) if unknown and rehearsal else LABEL_ROWS
        rehearsed = _sample(known, old, have, round(rehearsal * len(new)), least, seed)
    labels = set(have) | set(_label_rows(known, rehearsed))
    return RetrainingPlan(
        fresh=frozenset(fresh),
        relabelled=sum(one in fresh for one in changed),
        waiting=frozenset(one for one in waiting if one not in known),
        rehearsed=frozenset(rehearsed),
        left_out=len(old) - len(rehearsed),
        split=split,
        labels=frozenset(labels),
        new_labels=frozenset(labels - before) if known else frozenset(),
    )


def _waiting(
    current: Keys, known: Keys, fresh: set[str], split: Mapping[str, str], minimum: int
) -> set[str]:
    """New rows with a label that too few training rows have; each that goes may make more go."""
    waiting: set[str] = set()
    while True:
        kept = {**known, **{one: current[one] for one in fresh - waiting}}
        training = _label_rows(kept, (one for one in kept if split[one] == "train"))
        more = {
            one
            for one in fresh - waiting
            if any(training[label] < minimum for label in current[one].labels)
        }
        if not more:
            return waiting
        waiting |= more


def _sample(
    known: Keys, old: list[str], have: Counter[str], count: int, least: int, seed: str
) -> set[str]:
    """`count` of the old rows at random, and more where a label would have less than `least` rows."""
    ranked = sorted(old, key=lambda one: hashlib.blake2b(f"{seed}\n{one}".encode()).digest())
    taken = set(ranked[:count])
    have = have + _label_rows(known, taken)
    for one in ranked[count:]:
        if any(have[label] < least for label in known[one].labels):
            taken.add(one)
            have.update(known[one].labels)
    return taken


def _label_rows(keys: Keys, ids: Iterable[str]) -> Counter[str]:
    """Rows a label."""
    return Counter(label for one in ids for label in keys[one].labels)


def counts(plan: RetrainingPlan) -> Counts:
    """The plan in numbers."""
    used = Counter(where for one, where in plan.split.items() if plan.used(one))
    return Counts(
        new=len(plan.fresh),
        relabelled=plan.relabelled,
        waiting=len(plan.waiting),
        rehearsed=len(plan.rehearsed),
        left_out=plan.left_out,
        train=used["train"],
        validation=used["validation"],
        test=used["test"],
    )
