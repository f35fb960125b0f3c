"""Finds out what files hold, and what an agent that learns it would be: a spec with reasons."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bertworks.data.inspection import content, gathering, rules
from bertworks.data.inspection.columns import Roles, roles_of
from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.decisions import Ask, Decisions, evenly, nobody
from bertworks.data.inspection.dry import Read, read
from bertworks.data.inspection.gathering import LABEL, Gathered
from bertworks.data.inspection.places import found, plain_stem
from bertworks.data.inspection.sampling import Sample
from bertworks.errors import BertworksError, DataError
from bertworks.secrets import masked
from bertworks.spec import Clean, Task
from bertworks.storage import temporary
from bertworks.tasks import for_task

_HTML = re.compile(
    r"<(?:br|p|b|i|a|div|span|strong|em|li|ul|h\d)\b[^<>]*/?>|&(?:amp|lt|gt|quot|nbsp|#\d+);"
)
_NAMED_BY = 3  # parts of a path
_GENERIC = frozenset((
    "train", "training", "test", "dev", "valid", "validation", "data", "dataset", "rows", "all", "file",
    "corpus", "labels", "text", "texts", "default", "raw", "csv", "json", "part", "examples",
))  # fmt: skip


def inspect(
    data: Sequence[str], spec_folder: Path, ask: Ask = nobody, name: str | None = None
) -> Composed:
    """Decides what an agent would learn of files: format, columns, task, language, splits, settings.

    Args:
        data: Paths, folders, globs or URIs.
        spec_folder: Where the spec will stand: local paths below it are written relative to it.
        ask: Is asked what cannot be decided.
        name: The agent's; None: after the files.

    Raises:
        SourceError: Something cannot be fetched.
        DataError: There is nothing to learn from; says why and what would help.
    """
    decisions = Decisions(ask)
    with ExitStack() as stack:
        scratch = stack.enter_context(temporary.scratch())
        places = stack.enter_context(found(data, spec_folder))
        folders = any(Path(one).expanduser().is_dir() for one in data) or any(
            "*" in d for d in data
        )
        gathered = gathering.gather(places, scratch, named=not folders)
        gathered.aside += [(one, "no rows by its name") for one in places.aside]
        if folders:
            gathering.refuse_several(gathered)
        roles = _roles(gathered, decisions)
        reads = _read(gathered, roles, decisions)
        return content.compose(
            content.Material(
                name or _name(data, gathered), tuple(data), gathered, roles, reads,
                _clean(gathered),
            ),
            decisions,
        )  # fmt: skip


def _roles(gathered: Gathered, decisions: Decisions) -> Roles:
    """What the columns are for; sets gathered.classes where files are classes."""
    gathering.keep_class_folders(gathered)
    samples = gathered.samples
    classes = gathering.classes_by_name(gathered)
    bare = all(
        one.shape.format == "lines" and "pattern" not in one.shape.settings for one in samples
    )
    if samples[0].shape.format == "conll":
        gathered.samples = [one for one in samples if one.shape.format == "conll"]
        gathered.aside += [(s.place.name, "no conll") for s in samples if s.shape.format != "conll"]
        return _conll(gathered.samples)
    gathering.one_kind(gathered)
    if len(gathered.samples) < len(samples):
        classes = gathering.classes_by_name(gathered)
    samples = gathered.samples
    rows = gathering.rows_of(samples)
    named = {key: value for one in samples for key, value in one.classes.items()}
    published = gathering.published(samples)
    if len(rows) == 1:
        raise _one_row(samples[0])
    if len(set(classes)) > 1 and (bare or gathering.are_usual_classes(classes)):
        gathered.classes = classes
        return roles_of(rows, _shown(samples), named, decisions, label=LABEL)
    try:
        every = [row for one in samples for row in one.rows]
        return roles_of(rows, _shown(samples), named, decisions, every=every, published=published)
    except DataError as error:
        if (inside := gathering.unfolded(gathered.samples)) is not None:
            gathered.samples = inside
            rows, every = gathering.rows_of(inside), [row for one in inside for row in one.rows]
            with suppress(DataError):
                return roles_of(
                    rows, _shown(inside), named, decisions, every=every, published=published
                )
        if len(set(classes)) > 1:
            gathered.classes = classes
            return roles_of(rows, _shown(samples), named, decisions, label=LABEL)
        raise _with_twins(samples, error) from None


def _with_twins(samples: Sequence[Sample], error: DataError) -> DataError:
    """The error; where columns have one name, with that first: what lacks may be in one of them."""
    for sample in samples:
        for name, count in sample.shape.doubles.items():
            if name:
                return DataError(
                    f"{sample.place.name} has {count} columns {name!r}, of which none is read. Without "
                    f"them: {error.message}",
                    "If what is to be read is one of them, rename the others in the file. Else: "
                    + error.fix,
                )
    return error


def _conll(samples: Sequence[Sample]) -> Roles:
    from bertworks.data.inspection.texts import Tagged

    said = "a word and its tag a line, sentences parted by blank lines"
    return Roles({"type": "tagging"}, {}, tagged=Tagged(("tokens", "tags"), said))


def _one_row(sample: Sample) -> DataError:
    """The error for a single row; one JSON object may hold all rows inside."""
    values = sample.rows[0]
    lists = [one for one in values.values() if isinstance(one, list) and len(one) > 1]
    pairs = [one for one in lists if all(isinstance(row, list) and len(row) == 2 for row in one)]
    if pairs:
        made = ".key as $split | .value[] | {text: .[0], label: .[1], split: $split}"
        return DataError(
            f"{sample.place.name} is one JSON object whose lists hold pairs, perhaps of a text and its "
            f"label: {', '.join(map(repr, [*values][:6]))}.",
            f"Write one object a line: jq -c 'to_entries[] | {made}' FILE > rows.jsonl",
        )
    if lists or any(isinstance(one, dict) for one in values.values()):
        try:
            read(sample, sample.source, Task(), Clean(), "|")
        except DataError as error:
            if " has no column " not in error.message:
                return error
            keys = ", ".join(map(repr, [*values][:6]))
            return DataError(
                f"{sample.place.name} is one JSON object, with {keys} in it; no list of rows is.",
                'Write one JSON object a row: {"text": "a warm film", "label": "good"}',
            )
    return DataError(
        f"{sample.place.name} has one row; there is nothing to learn from it.",
        "Give some hundred rows, each with what is to be learned of it.",
    )


def _shown(samples: Sequence[Sample]) -> str:
    first = samples[0].place.name
    return first if len(samples) == 1 else f"{first} and {len(samples) - 1} more"


def _clean(gathered: Gathered) -> Clean:
    """HTML is cleaned where two texts in a hundred hold some."""
    rows = gathering.rows_of(gathered.samples)
    looked = evenly(rows, 2000)
    marked = sum(
        any(isinstance(value, str) and _HTML.search(value) is not None for value in row.values())
        for row in looked
    )
    return Clean(html=marked >= 0.02 * len(looked) and marked > 0)


def _read(
    gathered: Gathered, roles: Roles, decisions: Decisions
) -> list[tuple[Sample, dict[str, Any], Read]]:
    """The places' rows by ingest's reader; places without the columns are set aside."""
    task, clean = Task.model_validate(roles.task), _clean(gathered)
    kept: list[tuple[Sample, dict[str, Any], Read]] = []
    last: BertworksError | None = None
    samples, classes = gathered.samples, gathered.classes
    if not classes:
        gathering.refuse_apart(samples, [*roles.columns.values()])
    if not classes:
        gathered.label_names = rules.names_of_numbers(gathered, roles, decisions)
    for number, sample in enumerate(samples):
        source = content.source_of(sample, roles, classes[number] if classes else "", gathered)
        source |= rules.unbracketed(sample, roles)
        source |= rules.labelled(sample, roles, decisions, first=number == 0)
        try:
            rows = read(sample, source, task, clean, roles.separator or "|")
            if not rows.rows:
                raise _all_refused(sample, rows)
        except BertworksError as error:
            last = error
            gathered.aside.append((sample.place.name, error.message.partition(". Its columns")[0]))
            if len(samples) == 1:
                raise
            continue
        kept.append((sample, source, rows))
    if not kept:
        raise last or DataError("There are no rows.", "Give rows.")
    kept = _with_known_labels(kept, gathered, task)
    if classes:
        by_uri = {one.place.uri: named for one, named in zip(samples, classes, strict=True)}
        gathered.classes = [by_uri[one.place.uri] for one, _, _ in kept]
    gathered.samples = [sample for sample, _, _ in kept]
    ids = [set(one.targets) for _, _, one in kept]
    stay = gathering.without_contained(gathered, ids, decisions)
    order = {"train": 0, "validation": 1, "test": 2}
    stay.sort(key=lambda number: order.get(kept[number][0].place.split, 0))
    if gathered.classes:
        gathered.classes = [gathered.classes[number] for number in stay]
    gathered.samples = [gathered.samples[number] for number in stay]
    return [kept[number] for number in stay]


def _with_known_labels(
    kept: list[tuple[Sample, dict[str, Any], Read]], gathered: Gathered, task: Task
) -> list[tuple[Sample, dict[str, Any], Read]]:
    """Without places whose labels are none of the trained ones: official tests often hide theirs."""
    if for_task(task).target.numeric:
        return kept
    trained = [one for one in kept if one[0].place.split in ("", "train")]
    known = {label for _, _, one in trained for label in one.labels}
    if not known:
        return kept
    result = []
    for sample, source, one in kept:
        if one.labels and not known & one.labels.keys():
            shown = ", ".join(map(repr, [*one.labels][:3]))
            gathered.aside.append(
                (sample.place.name, f"its labels are not those of train: {shown}")
            )
            continue
        result.append((sample, source, one))
    return result


def _all_refused(sample: Sample, rows: Read) -> DataError:
    rule, count = (rows.rules.most_common(1) or [("no rows", 0)])[0]
    return DataError(
        f"{sample.place.name}: none of its rows can be used; {count:,} of them: {rule}.",
        f"{rows.advice} Mend the file, or write a spec that says how it is read.",
    )


def _name(data: Sequence[str], gathered: Gathered) -> str:
    """A name after the folder or the file: "Reviews 2024.csv" gives "reviews-2024"."""
    whole = data[0] if "://" in data[0] else os.path.abspath(data[0])  # noqa: PTH100 (may be a glob)
    tried = [masked(whole).rstrip("/")]
    tried += [one.place.name for one in gathered.samples[:1]]
    classes = {one.lower() for one in gathered.classes}
    for given in tried:
        path = [part for part in re.split(r"[/\\!]+", given) if part not in ("", ".", "..")]
        for part in reversed(path[-_NAMED_BY:]):
            stem = re.sub("[^a-z0-9]+", "-", plain_stem(part).lower()).strip("-")
            generic = stem in _GENERIC or stem in classes or len(stem) < 3
            if stem and not generic and "*" not in part:
                return stem[:53].strip("-")
    return "agent"
