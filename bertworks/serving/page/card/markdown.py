"""A model card as Markdown: for a terminal, a repository, a reviewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertworks.contracts.metrics import Metric
from bertworks.pages.text import number, spoken, visible
from bertworks.serving.page.card.facts import (
    Does,
    Gated,
    LearnedFrom,
    Licences,
    MadeFrom,
    Measured,
    ModelCard,
)

MOST_LABELS = 20
"""Labels that are listed, at most; of others their number is told."""


def text(card: ModelCard) -> str:
    """The card as Markdown, sections that have nothing to say left out."""
    title = card.name if card.version is None else f"{card.name}, version {card.version}"
    lines = [f"# Model card: {_plain(title)}", ""]
    lines += [_plain(card.use), ""] if card.use else []
    lines += _section("What it does", _does(card.does))
    if card.measured is not None:
        lines += _section("How good it is", _measured(card.measured))
    if card.gated is not None:
        lines += _section("Gates", _gated(card.gated))
    lines += _section("Limits", (f"- {_plain(one)}" for one in card.limits))
    if card.learned_from is not None:
        lines += _section("Data", _learned_from(card.learned_from))
    lines += _section("Licences", _licences(card.licences))
    lines += _section("How it was made", _made_from(card.made_from, card.digest))
    if card.contact:
        lines += _section("Contact", [_plain(card.contact)])
    lines += _section("Not known", (f"- {_plain(one)}" for one in card.missing))
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(title: str, content: Iterator[str] | Sequence[str]) -> list[str]:
    lines = list(content)
    return [f"## {title}", "", *lines, ""] if lines else []


_FORMS = {
    "text": "one text", "pair": "two texts", "words": "the words of a text",
    "turn": "what was said, and its words",
    "turn_in_context": "what was said, and its words, after what was said before",
}  # fmt: skip


def _does(does: Does) -> Iterator[str]:
    form = _FORMS[does.form]
    several = ", several labels a row" if does.several else ""
    yield f"- Task: {spoken(does.task)} of {form}{several}"
    if does.labels:
        more = len(does.labels) - MOST_LABELS
        named = ", ".join(f"`{_plain(label)}`" for label in does.labels[:MOST_LABELS])
        yield f"- Labels ({len(does.labels)}): {named}" + (f" and {more} more" if more > 0 else "")
    if does.answers:
        yield f"- Answers also say: {', '.join(does.answers)}"


def _measured(measured: Measured) -> Iterator[str]:
    yield from _table(["metric", "value", "95 %", "rows"], map(_metric, measured.metrics))
    if measured.slices:
        judged = [one for one in measured.slices if one.name == measured.judged_by]
        yield ""
        yield f"By slice, {spoken(measured.judged_by)}:"
        yield ""
        rows = ([_plain(one.slice), *_metric(one)[1:]] for one in judged)
        yield from _table(["slice", "value", "95 %", "rows"], rows)


def _metric(one: Metric) -> list[str]:
    between = "" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
    return [spoken(one.name), f"{one.value:.4f}", between, number(one.rows)]


def _gated(gated: Gated) -> Iterator[str]:
    yield f"Outcome: {gated.outcome}."
    yield ""
    rows = (
        [
            rule.name,
            "" if rule.value is None else number(round(rule.value, 4)),
            "" if rule.limit is None else number(round(rule.limit, 4)),
            ("met" if rule.judged else "not judged") if rule.passed else "not met",
        ]
        for rule in gated.rules
    )
    yield from _table(["rule", "value", "limit", "outcome"], rows)
    for reason in gated.reasons:
        yield f"- {_plain(reason)}"


def _learned_from(data: LearnedFrom) -> Iterator[str]:
    yield f"- Rows: {', '.join(f'{number(rows)} {split}' for split, rows in data.rows.items())}"
    gone = {
        "repeats merged": data.duplicates,
        "dropped for conflicting labels": data.conflicts,
        "refused": data.rejected,
    }
    told = [f"{number(rows)} {what}" for what, rows in gone.items() if rows]
    if told:
        yield f"- Of {number(data.read)} rows read: {', '.join(told)}"
    for source in data.sources:
        licence = f" ({_plain(source.license)})" if source.license else ""
        yield f"- Source: {_plain(source.uri)}{licence}"
    if 0 < len(data.label_rows) <= MOST_LABELS:
        yield ""
        rows = ([f"`{_plain(label)}`", number(count)] for label, count in data.label_rows.items())
        yield from _table(["label", "rows"], rows)


def _licences(licences: Licences) -> Iterator[str]:
    yield f"- Agent: {_plain(licences.agent) or 'not said (serve.page.license)'}"
    yield f"- Encoder: {licences.base or 'not known; see where it is from'}"
    yield f"- Data: {'; '.join(map(_plain, licences.data)) or 'not said (data.sources[].license)'}"


def _made_from(made: MadeFrom, digest: str) -> Iterator[str]:
    yield f"- Encoder: {_plain(made.base)}"
    yield f"- Runs on {made.engine}, {made.size_mb:.1f} MB, digest {digest[:12]}"
    if made.p95_ms is not None and made.rows_per_second is not None:
        threads = f" ({made.threads} threads)" if made.threads else ""
        yield (
            f"- Speed where it was made{threads}: one row {made.latency_ms:.1f} ms at the median, "
            f"{made.p95_ms:.1f} ms at p95; {made.rows_per_second:,.0f} rows/s in batches"
        )
    for one in made.candidates:
        if one.metric is not None:
            drop = "" if one.drop is None else f", {one.drop:+.4f} lost"
            yield f"- Tried {one.name}: {one.metric:.4f} on validation{drop}" + (
                " (chosen)" if one.chosen else ""
            )
    if made.created:
        yield f"- Kept: {made.created}"


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _plain(value: str) -> str:
    """On one line, and no column of a table."""
    return visible(" ".join(value.split())).replace("|", "\\|")
