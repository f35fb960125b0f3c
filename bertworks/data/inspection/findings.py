"""What the rows have against them: repeats, contradictions, leakage; and how ingest will split them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bertworks.data.inspection.dry import Read
from bertworks.data.rows.split import split_of

_ORDER = ("test", "validation", "train")


@dataclass(frozen=True)
class Findings:
    """What reading the rows showed.

    Attributes:
        rows: Good rows.
        contents: Different texts.
        duplicates: Rows that repeat another one, target and all.
        conflicting: Texts that stand with different targets.
        settled: Those of them where one target has a majority.
        leaked: Rows of the official validation and test files whose text stands in train, too.
        held_out: Rows of these files.
        splits: Rows a split, as ingest will place them.
        labels: Label to rows.
        train_labels: Label to rows that will be trained on, where each row has one label.
    """

    rows: int
    contents: int
    duplicates: int
    conflicting: int
    settled: int
    leaked: int
    held_out: int
    splits: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    train_labels: Counter[str] = field(default_factory=Counter)


def findings_of(
    reads: Sequence[Read],
    kept: Mapping[int, str],
    shares: tuple[float, float],
) -> Findings:
    """Looks at all places together, as ingest will merge them.

    Args:
        reads: The places' rows.
        kept: The place (by its number) to its split; "" where rows are split by their content.
        shares: data.validation and data.test.
    """
    targets: dict[str, list[str]] = {}
    homes: dict[str, set[str]] = {}
    labels: Counter[str] = Counter()
    for number, one in enumerate(reads):
        labels.update(one.labels)
        for identity, found in one.targets.items():
            targets.setdefault(identity, []).extend(found)
            homes.setdefault(identity, set()).add(kept.get(number, ""))
    conflicting = settled = duplicates = leaked = 0
    for identity, found in targets.items():
        counts = Counter(found).most_common(2)
        duplicates += len(found) - len(set(found))
        if len(counts) > 1:
            conflicting += 1
            settled += counts[0][1] > counts[1][1]
        places = homes[identity]
        leaked += bool(places & {"test", "validation"}) and bool(places & {"train", ""})
    splits: Counter[str] = Counter()
    train: Counter[str] = Counter()
    for identity, found in targets.items():
        split = _place(homes[identity]) or split_of(identity, "", *shares)
        splits[split] += 1
        if split == "train" and len(set(found)) == 1:
            train[found[0]] += 1
    held_out = sum(one.rows for number, one in enumerate(reads) if kept.get(number))
    held_out -= sum(one.rows for number, one in enumerate(reads) if kept.get(number) == "train")
    rows = sum(one.rows for one in reads)
    return Findings(
        rows,
        len(targets),
        duplicates,
        conflicting,
        settled,
        leaked,
        held_out,
        splits,
        labels,
        train,
    )


def _place(homes: set[str]) -> str:
    """The split of a content that stands in official files: the one that must stay unseen."""
    return next((split for split in _ORDER if split in homes), "")


def overlap(one: Read, other: Read) -> float:
    """The share of one place's texts that stand in another one's, too."""
    return len(one.targets.keys() & other.targets.keys()) / max(len(one.targets), 1)
