"""Is there anything new? The decision that a retraining begins with, and its reasons in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bertworks.contracts.retraining import Comparison as Record
from bertworks.contracts.retraining import Drift, Version
from bertworks.notices import Notice
from bertworks.retraining.champion import Past
from bertworks.retraining.drift import FEWEST_ROWS, measure_drift
from bertworks.retraining.plan import RetrainingPlan, counts, make_plan
from bertworks.retraining.rows import Key, read_keys
from bertworks.spec import Retrain, Task
from bertworks.storage.artifacts import Artifact

PAGE = "view.html"


@dataclass(frozen=True)
class Comparison:
    """What is new, and whether it is worth a training.

    Attributes:
        changed: Whether to train a challenger.
        reason: Why, in one sentence.
        plan: Which rows it would be trained on.
        new: Rows that count: new since the champion, or since its last challenger.
        drifts: How far those rows have moved.
        past: What serves now, and what has challenged it.
        labels: Label to rows, known and new.
    """

    changed: bool
    reason: str
    plan: RetrainingPlan
    new: int
    drifts: list[Drift]
    past: Past
    labels: dict[str, tuple[int, int]]

    def record(self) -> Record:
        """What comparison.json holds."""
        champion, tried = self.past.champion, self.past.tried
        return Record(
            changed=self.changed,
            reason=self.reason,
            new=self.new,
            rows=counts(self.plan),
            new_labels=sorted(self.plan.new_labels),
            drift=self.drifts,
            champion=Version(champion.number, champion.digest) if champion else None,
            tried=Version(tried.number, tried.digest) if tried else None,
            warm_start=self.past.model is not None,
            notes=list(self.past.notes),
        )


def compare(
    task: Task,
    settings: Retrain,
    current: Artifact,
    past: Past,
    min_label_rows: int,
) -> Comparison:
    """Compares the sources' rows with those that the champion knows.

    Where the champion withstood a challenger, rows count as new only against that one: the same rows are
    not trained on again week after week. What that one was trained on is still new to the champion.

    Args:
        task: What the rows hold.
        settings: The spec's retrain section.
        current: The examples artifact of this run's ingest.
        past: What serves now, and what has challenged it.
        min_label_rows: Training rows that a label must have.
    """
    champion, earlier = past.champion, past.tried_examples
    tried = read_keys(earlier, task) if earlier else {}
    rows = {**tried, **_in_split_of(tried, read_keys(current, task))}
    known = read_keys(past.examples, task) if past.examples else {}
    plan = make_plan(
        rows,
        known,
        rehearsal=settings.rehearsal if past.model else None,
        seed=f"{settings.seed} {champion.digest if champion else ''}",
        min_label_rows=min_label_rows,
    )
    labels = _label_table(known, rows, plan)
    before = earlier or past.examples
    if before is None:
        why = f"All rows are new: {past.notes[0]}."
        return Comparison(True, why, plan, len(plan.fresh), [], past, labels)
    seen = tried if before is earlier else known
    new = {one for one in plan.fresh if one not in seen or seen[one].target != rows[one].target}
    limits = (settings.max_text_drift, settings.max_label_drift)
    enough = len(new) >= FEWEST_ROWS
    drifts = measure_drift(task, before, current, (seen, new), limits) if enough else []
    changed = len(new) >= settings.min_new_rows or any(one.is_change for one in drifts)
    if not any(plan.split[one] == "train" for one in new):
        changed = False  # All of them are for measuring.
    reason = _reason(changed, len(new), settings, drifts, past)
    return Comparison(changed, reason, plan, len(new), drifts, past, labels)


def notices(found: Comparison, min_label_rows: int, settings: Retrain) -> Iterator[Notice]:
    """What the plan leaves out, takes anew, or could not take from the champion."""
    plan = found.plan
    if count := len(plan.waiting):
        text = f"{count:,} new rows wait: their label has fewer than {min_label_rows} training rows"
        yield Notice(f"{text} (validate.checks.min_label_rows)", "warning", count, PAGE)
    if plan.new_labels:
        labels = ", ".join(map(repr, sorted(plan.new_labels)[:5]))
        more = f" and {len(plan.new_labels) - 5} more" if len(plan.new_labels) > 5 else ""
        text = f"labels that the champion does not know: {labels}{more}"
        yield Notice(text, "note", len(plan.new_labels), PAGE)
    if count := plan.relabelled:
        yield Notice(f"{count:,} known rows have another label now", "note", count, PAGE)
    if found.changed and (count := plan.left_out):
        text = f"{count:,} old training rows are not trained on again"
        yield Notice(f"{text}: retrain.rehearsal = {settings.rehearsal:g}", "note", count, PAGE)
    for note in found.past.notes:
        yield Notice(note, "note", None, PAGE)


def _in_split_of(before: dict[str, Key], now: dict[str, Key]) -> dict[str, Key]:
    """The rows of now, those seen before in the split that they had."""
    return {
        one: replace(key, split=before[one].split) if one in before else key
        for one, key in now.items()
    }


def _reason(changed: bool, new: int, settings: Retrain, drifts: list[Drift], past: Past) -> str:
    since = f"champion {past.champion.number}" if past.champion else "the first training"
    if past.tried is not None:
        what = f"replace {since}" if past.champion else "pass its gates"
        since = f"challenger {past.tried.number}, which did not {what},"
    rows = f"{new:,} new row{'s' if new != 1 else ''} since {since}"
    if not changed:
        drifted = ", no drift of text or labels beyond the limits" if drifts else ""
        return f"Nothing to learn from: {rows} ({settings.min_new_rows:,} are asked){drifted}."
    found = [f"{rows} ({settings.min_new_rows:,} are asked)"] + [
        f"{one.name} drifted by {one.value:.3f} bits (limit {one.limit:g})"
        for one in drifts
        if one.is_change
    ]
    return f"Worth a training: {'; '.join(found)}."


def _label_table(
    known: dict[str, Key], rows: dict[str, Key], plan: RetrainingPlan
) -> dict[str, tuple[int, int]]:
    """Rows a label: those known before, and the new ones."""
    found: dict[str, tuple[int, int]] = {}
    for keys, place in ((known, 0), ({one: rows[one] for one in plan.fresh}, 1)):
        for key in keys.values():
            for label in key.labels:
                before, new = found.get(label, (0, 0))
                found[label] = (before + (place == 0), new + (place == 1))
    return dict(sorted(found.items()))
