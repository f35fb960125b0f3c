"""The samples of all places: which belong together, and which of them are classes of their own."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertworks.data.formats.nested import flattened
from bertworks.data.inspection.decisions import Decisions, evenly
from bertworks.data.inspection.places import MEANS, Found, Place, plain_stem
from bertworks.data.inspection.published import Published
from bertworks.data.inspection.sampling import Sample, Values, sample_of
from bertworks.errors import BertworksError, DataError

LABEL = "label"
_CLASSES = frozenset((
    "pos", "neg", "positive", "negative", "neutral", "spam", "ham", "true", "fake", "real", "toxic",
    "clean", "hate", "normal", "yes", "no", "good", "bad", "sport", "sports", "politics", "business",
    "clickbait", "subjective", "objective", "subj", "obj", "positiv", "negativ", "unsup",
))  # fmt: skip
_UNLABELLED = frozenset(("unsup", "unlabeled", "unlabelled", "unsupervised", "nolabel"))
_MOST_PLACES = 200
_LONGEST_NAME = 60
_MOST_NAMES = 1000
_LABEL_FILES = re.compile(r"^(?:classes|class|labels?|label_?names|categories|targets?)$", re.I)


@dataclass(frozen=True)
class Listed:
    """A file that may list the labels' names.

    Attributes:
        file: Its name.
        lines: In the order of the labels' numbers.
        by_name: Whether its own name says so, so that it may hold more names than labels occur.
    """

    file: str
    lines: tuple[str, ...]
    by_name: bool


@dataclass
class Gathered:
    """The places that are read, and those that are not.

    Attributes:
        samples: The former.
        aside: What is left out, with the reason.
        classes: The class of each sample by its file's name; empty where files are no classes.
        lists: Files that may list the names of labels that stand as numbers: each with its lines.
        label_names: Settings of every source that give such labels their names.
    """

    samples: list[Sample]
    aside: list[tuple[str, str]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    lists: list[Listed] = field(default_factory=list)
    label_names: dict[str, Any] = field(default_factory=dict)


def gather(found: Found, scratch: Path, named: bool) -> Gathered:
    """Reads a sample of each place.

    Args:
        found: The places.
        scratch: A folder for pieces of large files.
        named: Whether the user named the files, so that one that cannot be read is an error.

    Raises:
        DataError: None can be read; or one that was named.
    """
    result = Gathered([])
    last: BertworksError | None = None
    for number, place in enumerate(found.places):
        if number >= _MOST_PLACES:
            left = len(found.places) - number
            result.aside.append((f"{left} more files", f"only {_MOST_PLACES} are looked at"))
            break
        try:
            folder = scratch / str(number)
            folder.mkdir()
            sample = sample_of(place, folder)
            if not sample.rows:
                raise _no_rows(sample)
        except BertworksError as error:
            if named or len(found.places) == 1:
                raise
            last = error
            result.aside.append((place.name, error.message.removeprefix(place.name).strip()))
            continue
        if (listed := _listed(sample, len(found.places))) is not None and listed.by_name:
            result.lists.append(listed)
            result.aside.append((place.name, "the names of the labels"))
            continue
        result.samples.append(sample)
    if not result.samples:
        raise last or DataError("There are no rows.", "Give a file with rows.")
    result.samples = _alike(result.samples, scratch)
    return result


def _alike(samples: Sequence[Sample], scratch: Path) -> list[Sample]:
    """The samples; the few texts of a class to test are read as the many to train: a text a file."""
    named = {_parent(one.place).name for one in samples if one.shape.format == "document"}
    return [
        sample_of(one.place, scratch, documents=True)
        if one.place.several and one.shape.format == "lines" and _parent(one.place).name in named
        else one
        for one in samples
    ]


def refuse_several(gathered: Gathered) -> None:
    """Refuses a folder of folders, each of which has training rows with labels of its own.

    Raises:
        DataError: Names them.
    """
    homes = {
        str(Path(*(part for part in Path(one.place.names[0]).parent.parts if _without_split(part))))
        for one in gathered.samples
        if one.place.split == "train" and one.shape.format not in ("lines", "document")
    }
    if len(homes) > 1:
        shown = ", ".join(sorted(homes)[:8]) + (", …" if len(homes) > 8 else "")
        raise DataError(
            f"There are {len(homes)} data sets, each with training rows of its own: {shown}.",
            "Name the folder of one of them; or, to learn from several at once, name their files.",
        )


def _no_rows(sample: Sample) -> DataError:
    name = sample.place.name
    if sample.refused:
        return DataError(
            f"{name}: none of its first {sample.refused:,} rows can be read as {sample.shape.said}.",
            f"{sample.fix} Mend the file, or write it as csv or as one JSON object a line.",
        )
    return DataError(f"{name} has no rows.", "Give a file with rows below its header.")


def refuse_apart(samples: Sequence[Sample], columns: Sequence[Any]) -> None:
    """Refuses a text in one file and its label in another.

    Raises:
        DataError: No file has all columns; says by which they may be joined.
    """
    needed = [one for one in columns if isinstance(one, str)]
    held = [_columns(one) for one in samples]
    if len(samples) < 2 or not needed or any({*needed} <= own for own in held):
        return
    first = next((own for own in held if needed[0] in own), frozenset())
    missing = next((one for one in needed if one not in first), None)
    others = [number for number, own in enumerate(held) if missing in own]
    if not others:
        return
    both = samples[held.index(first)], samples[others[0]]
    common = sorted(first & held[others[0]])
    by = f", such as {common[0]!r}" if common else ""
    plain = all(
        one.shape.settings.keys() <= {"format"} and one.shape.format == "csv" for one in both
    )
    command = ""
    if common and plain:
        one, other = (f"p.read_csv({str(sample.place.files[0].path)!r})" for sample in both)
        made = f"{one}.merge({other}, on={common[0]!r}).to_csv('rows.csv', index=False)"
        command = f": python -c {shlex.quote(f'import pandas as p; {made}')}"
    raise DataError(
        f"{needed[0]!r} stands in {both[0].place.name} and {missing!r} in {both[1].place.name}: no file "
        "has both.",
        f"Join them into one file by a column that both have{by}{command or '.'}",
    )


def _listed(sample: Sample, places: int) -> Listed | None:
    """The lines of a file that may list the labels' names beside the others; None where it cannot."""
    if places < 2 or sample.shape.format != "lines" or not sample.whole:
        return None
    stem = plain_stem(sample.place.base)
    lines = tuple(str(row.get("text", "")).strip() for row in sample.rows)
    by_name = _LABEL_FILES.match(stem) is not None
    short = all(0 < len(line) <= _LONGEST_NAME for line in lines)
    if not by_name and not (1 < len(lines) == len(set(lines)) <= _MOST_NAMES and short):
        return None
    return Listed(sample.place.name, lines, by_name)


def one_kind(gathered: Gathered) -> None:
    """Keeps the samples whose columns are those of most rows; the others are set aside."""
    kinds: Counter[frozenset[str]] = Counter()
    for sample in gathered.samples:
        kinds[_columns(sample)] += max(len(sample.rows), 1) if _columns(sample) else 0
    main = kinds.most_common(1)[0][0]
    kept = []
    for sample in gathered.samples:
        own = _columns(sample)
        alike = len(own & main) >= 0.5 * max(len(main), 1)
        # A headerless table has no names to compare, only their number.
        if own == main or (alike and own & main):
            kept.append(sample)
            continue
        if (listed := _listed(sample, len(gathered.samples))) is not None:
            gathered.lists.append(listed)
        shown = ", ".join(sorted(own)[:6])
        gathered.aside.append((sample.place.name, f"other columns than most rows have: {shown}"))
    gathered.samples = kept


def _columns(sample: Sample) -> frozenset[str]:
    return frozenset(name for row in evenly(sample.rows, 50) for name in row)


def published(samples: Sequence[Sample]) -> dict[str, Published]:
    """The names that files beside the places give to numbers, by column; the first place's count."""
    return {name: named for one in reversed(samples) for name, named in one.published.items()}


def unfolded(samples: Sequence[Sample]) -> list[Sample] | None:
    """The samples with what is inside their rows' objects as columns; None where nothing is."""
    found = [flattened(one.rows) for one in samples]
    if not any(found):
        return None
    return [
        one if rows is None else replace(one, rows=rows)
        for one, rows in zip(samples, found, strict=True)
    ]


def rows_of(samples: Sequence[Sample]) -> list[Values]:
    """Rows to judge columns by: those to train on, where some are; the others may lack labels."""
    trained = [one for one in samples if one.place.split in ("", "train")] or list(samples)
    return [row for sample in trained for row in sample.rows]


def classes_by_name(gathered: Gathered) -> list[str]:
    """A class for each sample, by what tells the files' names apart; empty where they are no classes.

    Files of one split differ in a folder's name, in their own, or in their ending:
    train/pos/*.txt and train/neg/*.txt, pos.txt and neg.txt, polarity.pos and polarity.neg.
    """
    named = [list(_words(sample.place)) for sample in gathered.samples]
    lengths = {len(words) for words in named}
    if len(named) < 2 or len(lengths) != 1:
        return []
    by_split: dict[str, list[int]] = {}
    for number, sample in enumerate(gathered.samples):
        by_split.setdefault(sample.place.split, []).append(number)
    depth = lengths.pop()
    for place in reversed(range(depth)):
        own = [words[place] for words in named]
        groups = [[own[number] for number in numbers] for numbers in by_split.values()]
        told = all(len(set(group)) == len(group) for group in groups)
        several = max(groups, key=len)
        if told and len(several) > 1 and all(own):
            return own
    # Each class in several folders: books/positive.txt, dvd/positive.txt.
    by_place = ([words[place] for words in named] for place in reversed(range(depth)))
    return next((own for own in by_place if are_usual_classes(own)), [])


def keep_class_folders(gathered: Gathered) -> None:
    """Sets aside what stands beside folders of texts, a folder a class, and folders of no class.

    As published, such folders have lists of words and of addresses beside them (imdb.vocab,
    urls_pos.txt) and one of texts without a label (unsup).
    """
    bare = all(
        one.shape.format in ("lines", "document") and "pattern" not in one.shape.settings
        for one in gathered.samples
    )
    parents = {_parent(one.place) for one in gathered.samples if one.place.several}
    names = {one.name.lower() for one in parents}
    depths = {len(one.parts) for one in parents}
    if not bare or len(names) < 2 or len(depths) != 1 or names & MEANS.keys():
        return
    kept = []
    for sample in gathered.samples:
        parent = _parent(sample.place)
        if parent.name.lower() in _UNLABELLED:
            said = "texts without a label, by its folder's name"
            gathered.aside.append((sample.place.name, said))
        elif parent in parents:
            kept.append(sample)
        else:
            gathered.aside.append((sample.place.name, "beside the folders of the classes"))
    gathered.samples = kept


def _parent(place: Place) -> Path:
    return Path(place.names[0]).parent


def _words(place: Place) -> Iterator[str]:
    """What may name a class: the folders, the file's own name, its ending where that is no format."""
    path = Path(place.names[0])
    several = place.several
    for folder in path.parent.parts:
        yield _without_split(folder)
    stem, ending = path.stem, path.suffix.lstrip(".")
    if place.names[0].lower().endswith((".gz", ".bz2", ".xz")):
        stem, ending = Path(stem).stem, Path(stem).suffix.lstrip(".")
    yield "" if several else _without_split(stem)
    yield "" if several or ending in ("txt", "csv", "tsv", "json", "jsonl", "text") else ending


def _without_split(name: str) -> str:
    parts = [part for part in re.split(r"[\W_]+", name) if part]
    kept = [part for part in parts if part.lower() not in MEANS]
    return "_".join(kept) if len(kept) < len(parts) else name


def are_usual_classes(classes: Sequence[str]) -> bool:
    """Whether names of files are ones that classes have, such as pos and neg."""
    words = [{*re.split(r"[\W_]+", one.lower())} for one in classes]
    return len({*classes}) > 1 and all(one & _CLASSES for one in words)


def without_contained(
    gathered: Gathered, ids: Sequence[set[str]], decisions: Decisions
) -> list[int]:
    """The samples to read (by number), those left out whose rows stand in another of their split.

    Of training files the larger is kept; of files to measure by the one that shares less with the
    training rows, as a row that was trained on says nothing of the others.
    """
    kept = list(range(len(gathered.samples)))
    trained: set[str] = set().union(
        *(ids[n] for n in kept if gathered.samples[n].place.split in ("", "train"))
    )
    for split in ("train", "validation", "test"):
        own = [n for n in kept if gathered.samples[n].place.split == split]
        for small in sorted(own, key=lambda n: len(ids[n])):
            large = next((
                n for n in own
                if n in kept and n != small and small in kept and len(ids[n]) > len(ids[small])
                and len(ids[small] & ids[n]) >= 0.95 * len(ids[small])
            ), None)  # fmt: skip
            if large is None:
                continue
            leaks = [len(ids[n] & trained) / max(len(ids[n]), 1) for n in (small, large)]
            drop, stays = (
                (large, small)
                if split != "train" and leaks[0] < leaks[1] - 0.01
                else (small, large)
            )
            kept.remove(drop)
            left, other = (gathered.samples[n].place for n in (drop, stays))
            why = f"its rows stand in {other.name}, too"
            if drop == large:
                why = f"{leaks[1]:.0%} of its texts stand in train; {other.name} holds the others"
            gathered.aside.append((left.name, why))
            decisions.add("files", f"without {left.base}", why, ("data", "sources"))
    return kept
