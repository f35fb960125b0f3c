"""What ingest tells of the rows and texts that it dropped, merged or left out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from bertworks.contracts.examples import CHANGED as CHANGES
from bertworks.contracts.examples import Corpus as Texts
from bertworks.contracts.examples import Examples, Found, Outside, SourceRows
from bertworks.data.labels.label_names import label_notices
from bertworks.data.rows.rejected import LEFT_OUT, RejectedLog
from bertworks.look_alike import told_apart
from bertworks.notices import Notice
from bertworks.spec import Corpus, Data, Task
from bertworks.tasks import for_task

REJECTED = "rejected.jsonl"
CHANGED = CHANGES.name


def rows(
    info: Examples, rules: Mapping[str, int], log: RejectedLog, task: Task, data: Data
) -> Iterator[Notice]:
    """Notices on labelled rows.

    Args:
        info: The examples artifact's info.json.
        rules: Rule to refused rows, of the labelled rows only.
        log: What was refused and what was read otherwise than it stands there.
        task, data: The spec's sections.
    """
    if count := info.rejected:
        text = f"{share(count, info.read)} were rejected: {_most(rules)} (data.max_rejected)"
        yield Notice(f"{text}. {log.advice()}".rstrip(". "), "warning", count, REJECTED)
    yield from log.tally.notices(CHANGED)
    yield from _disagreeing(info, task, data)
    if count := (info.duplicates or 0) - (info.settled - info.settled_texts):
        text = f"{share(count, info.read)} repeat others, text and label, and were merged"
        yield Notice(f"{text} (data.sources[].keep_all keeps them)", "note", count)
    for entry in info.unmatched:
        named = told_apart([entry.label], info.labels)[0]
        near = difflib.get_close_matches(entry.label, info.labels, n=3, cutoff=0.6)
        rows_have = f"; rows have {', '.join(told_apart(near, [entry.label]))}" if near else ""
        text = f"label_map: no row of {entry.uri} has the label {named}{rows_have}"
        yield Notice(text, "warning")
    target = for_task(task).target
    if target.has_labels:
        several = target.many and not target.per_word
        yield from label_notices(info.label_rows, several, data.label_separator)
    yield from _filtered(info.sources, "data.sources[].where")
    if count := info.left_out:
        yield Notice(f"{_rows(count)} left out: data.max_rows = {data.max_rows:,}", "note", count)


def _disagreeing(info: Examples, task: Task, data: Data) -> Iterator[Notice]:
    """Notices on texts that stand several times with different labels or scores."""
    rated = for_task(task).target.numeric
    if count := info.conflicts:
        what = "scores" if rated else "labels"
        keeps = "data.repeated_scores: mean" if rated else "data.conflicting_labels: majority"
        text = (
            f"{share(count, info.read)} were dropped: {info.conflicting_texts:,} texts stand "
            f"with different {what} ({keeps} settles them, data.sources[].keep_all keeps all)"
        )
        yield Notice(text, "warning", count, REJECTED)
    if count := info.settled:
        how = "the label of most of its rows (data.conflicting_labels)"
        if for_task(task).target.unites:
            how = "all of their documents"
        if rated:
            how = f"the {data.repeated_scores} of its scores (data.repeated_scores)"
        text = f"{share(count, info.read)} do not agree with others of their text: each of"
        yield Notice(f"{text} {info.settled_texts:,} texts got {how}", "note", count)


def documents(info: Found | None) -> Iterator[Notice]:
    """Notices on documents that may be found."""
    if info is None:
        return
    text = f"{info.rows:,} documents may be found; {info.seen:,} of them belong to training rows"
    if info.unasked:
        text += f", {info.unasked:,} to no row at all"
    yield Notice(text)
    if count := info.rejected:
        yield Notice(
            f"documents: {_rows(count)} rejected (data.max_rejected)", "warning", count, REJECTED
        )
    if count := info.duplicates:
        yield Notice(
            f"documents: {_rows(count)} repeat others of their name, of which the first is taken",
            "note", count,
        )  # fmt: skip
    yield from _filtered(info.sources, "data.sources[].where")


def outside(info: Outside | None) -> Iterator[Notice]:
    """Notices on rows that are out of scope."""
    if info is None:
        return
    read = info.rows + info.labelled + info.duplicates + info.rejected
    if count := info.rejected:
        yield Notice(
            f"out of scope: {share(count, read)} were rejected (data.max_rejected)",
            "warning",
            count,
            REJECTED,
        )
    if count := info.labelled:
        text = f"out of scope: {share(count, read)} were left out: their text has a label elsewhere"
        yield Notice(text, "warning", count)
    if count := info.duplicates:
        yield Notice(
            f"out of scope: {share(count, read)} repeat others and were merged", "note", count
        )
    yield from _filtered(info.sources, "data.sources[].where")


def texts(info: Texts, rules: Mapping[str, int], corpus: Corpus) -> Iterator[Notice]:
    """Notices on the corpus; info and rules as for `rows`."""
    read = sum(source.rows or 0 for source in info.sources)
    if count := info.rejected:
        text = f"corpus: {share(count, read)} were rejected: {_most(rules)} (data.max_rejected)"
        yield Notice(text, "warning", count, REJECTED)
    yield from _filtered(info.sources, "corpus.sources[].where")
    if count := info.held_out:
        text = f"corpus: {count:,} texts were left out: they stand in validation or test"
        yield Notice(text, "note", count)
    if count := info.duplicates:
        yield Notice(f"corpus: {count:,} texts repeat others and were merged", "note", count)
    if count := info.left_out:
        text = f"corpus: {count:,} texts were left out: corpus.max_rows = {corpus.max_rows:,}"
        yield Notice(text, "note", count)


def share(count: int, total: int | None) -> str:
    """A part of rows: "3 of 200 rows"."""
    return f"{count:,} of {_rows(total or 0)}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _filtered(sources: Iterable[SourceRows], setting: str) -> Iterator[Notice]:
    for source in sources:
        if count := source.filtered:
            text = f"{_rows(count)} of {source.uri} do not pass its filter ({setting})"
            yield Notice(text, "note", count)


def _most(rules: Mapping[str, int]) -> str:
    """The rules that most rows broke."""
    broken = {rule: count for rule, count in rules.items() if count and rule not in LEFT_OUT}
    first = sorted(broken, key=lambda rule: (-broken[rule], rule))[:3]
    more = f" and {len(broken) - 3} more rules" if len(broken) > 3 else ""
    return ", ".join(f"{rule} ({broken[rule]:,})" for rule in first) + more
