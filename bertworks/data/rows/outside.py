"""Texts that the agent should not answer: read, merged, and kept apart from all splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.examples import EXAMPLES, OUTSIDE, Examples, Outside
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.shards import OUTSIDE_SCHEMA, ShardWriter
from bertworks.data.rows.spill import Spill
from bertworks.data.rows.split import content_id
from bertworks.secrets import masked
from bertworks.spec import Source
from bertworks.tasks.forms.form import RowForm


def write_outside(
    folder: Path,
    info: Examples,
    sources: Sequence[Source],
    reader: Reader,
    known: Set[str],
    max_rejected: float,
    scratch: Path,
    form: RowForm,
) -> Examples:
    """Reads the sources that are marked out_of_scope into an examples artifact.

    A text that stands in a split, with a label, is in scope and left out.

    Args:
        folder: The artifact's; the rows go into OUTSIDE, and info.json is written again.
        info: What it says so far.
        sources: Those that are marked; nothing is written without any.
        reader: Set up for texts without labels.
        known: Ids of all rows of the splits.
        max_rejected: Largest share of refused rows.
        scratch: An empty folder for rows on their way.
        form: Of the rows of the splits.

    Returns:
        info.json.

    Raises:
        DataError: A source has no rows, or too many of its rows were refused.
    """
    if not sources:
        return info
    spill = Spill(scratch)
    for found in reader.examples(sources):
        spill.add({**found.example, "source": masked(found.source.uri)})
    reader.log.check(reader.read, reader.rejected, max_rejected, "data.sources")
    counts: Counter[str] = Counter()
    with ShardWriter(folder / OUTSIDE, OUTSIDE_SCHEMA) as writer:
        for group in spill.groups():
            if content_id(*form.parts_of_text(group[0]["text"])) in known:
                counts["labelled"] += len(group)
            else:
                counts["duplicates"] += len(group) - 1
                writer.add(group[0])
    outside = Outside(
        rows=writer.rows,
        labelled=counts["labelled"],
        duplicates=counts["duplicates"],
        rejected=reader.rejected,
        sources=reader.sources,
    )
    told = replace(info, out_of_scope=outside)
    EXAMPLES.write(folder, told)
    return told
