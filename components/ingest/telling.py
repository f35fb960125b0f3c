"""What ingest tells of the rows and texts that it dropped, merged or left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bertworks.notices import Notice
from bertworks.sources.rejected import CONFLICT
from bertworks.spec import Corpus, Data

REJECTED = "rejected.jsonl"


def rows(info: Mapping[str, Any], rules: Mapping[str, int], data: Data) -> Iterator[Notice]:
    """Notices on labelled rows.

    Args:
        info: The examples artifact's info.json.
        rules: Rule to refused rows, of the labelled rows only.
        data: The spec's section.
    """
    if count := info["rejected"]:
        text = f"{share(count, info['read'])} were rejected: {_most(rules)} (data.max_rejected)"
        yield Notice(text, "warning", count, REJECTED)
    if count := info["conflicts"]:
        text = f"{share(count, info['read'])} were dropped: the same text stands with other labels"
        yield Notice(f"{text} (data.sources[].keep_all keeps them)", "warning", count, REJECTED)
    if count := info["duplicates"]:
        text = f"{share(count, info['read'])} repeat others, text and label, and were merged"
        yield Notice(f"{text} (data.sources[].keep_all keeps them)", "note", count)
    yield from _filtered(info["sources"], "data.sources[].where")
    if count := info["left_out"]:
        yield Notice(f"{_rows(count)} left out: data.max_rows = {data.max_rows:,}", "note", count)


def texts(info: Mapping[str, Any], rules: Mapping[str, int], corpus: Corpus) -> Iterator[Notice]:
    """Notices on the corpus; arguments as for `rows`."""
    read = sum(source["rows"] for source in info["sources"])
    if count := info["rejected"]:
        text = f"corpus: {share(count, read)} were rejected: {_most(rules)} (data.max_rejected)"
        yield Notice(text, "warning", count, REJECTED)
    yield from _filtered(info["sources"], "corpus.sources[].where")
    if count := info["held_out"]:
        text = f"corpus: {count:,} texts were left out: they stand in validation or test"
        yield Notice(text, "note", count)
    if count := info["duplicates"]:
        yield Notice(f"corpus: {count:,} texts repeat others and were merged", "note", count)
    if count := info["left_out"]:
        text = f"corpus: {count:,} texts were left out: corpus.max_rows = {corpus.max_rows:,}"
        yield Notice(text, "note", count)


def share(count: int, total: int) -> str:
    """A part of rows: "3 of 200 rows"."""
    return f"{count:,} of {_rows(total)}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _filtered(sources: list[Mapping[str, Any]], setting: str) -> Iterator[Notice]:
    for source in sources:
        if count := source.get("filtered", 0):
            text = f"{_rows(count)} of {source['uri']} do not pass its filter ({setting})"
            yield Notice(text, "note", count)


def _most(rules: Mapping[str, int]) -> str:
    """The rules that most rows broke."""
    broken = {rule: count for rule, count in rules.items() if count and rule != CONFLICT}
    first = sorted(broken, key=lambda rule: (-broken[rule], rule))[:3]
    more = f" and {len(broken) - 3} more rules" if len(broken) > 3 else ""
    return ", ".join(f"{rule} ({broken[rule]:,})" for rule in first) + more
