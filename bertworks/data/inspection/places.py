"""The files that were named, and what their names say: split and class."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bertworks.data.sources.fetch import Fetched, fetch, local_files
from bertworks.data.sources.first_bytes import PACKED, unpacked_name
from bertworks.data.sources.uri import parse
from bertworks.errors import DataError, SourceError
from bertworks.secrets import masked

SPLITS = ("train", "validation", "test")
MOST_FILES = 100_000
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_READ = frozenset((
    ".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".arrow", ".arrows",
    ".feather", ".ipc", ".conll", ".bio", ".iob", ".txt", ".text", ".yml", ".yaml",
))  # fmt: skip
_NEVER = frozenset((
    ".md", ".rst", ".py", ".ipynb", ".html", ".htm", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".svg",
    ".js", ".css", ".sh", ".cfg", ".ini", ".toml", ".lock", ".log", ".bib", ".tex", ".cff", ".zip",
    ".tar", ".tgz", ".pkl", ".pickle", ".npy", ".npz", ".bin", ".pt", ".safetensors", ".onnx", ".h5",
    ".xlsx", ".xls", ".doc", ".docx", ".xml", ".db", ".sqlite", ".sha256", ".md5", ".pyc",
))  # fmt: skip
_ABOUT = re.compile(
    r"^(readme|licen[cs]e|copying|notice|changelog|authors|citation|sources|contributing|manifest|"
    r"metadata|dataset_infos?|dataset_dict|state|config|package|requirements|\.)",
    re.IGNORECASE,
)
# What `map` and `filter` of Hugging Face's `datasets` keep beside the data: the same rows again.
_CACHED = re.compile(r"^cache-[0-9a-f]{16}(_\d{5}_of_\d{5})?\.arrow$")
_WORD = re.compile(r"[a-z]+|\d+")
MEANS = {
    **dict.fromkeys(("train", "training", "trn", "trainset", "traindata"), "train"),
    **dict.fromkeys(
        ("dev", "devel", "development", "valid", "validation", "val", "devset", "valset", "eval",
         "validset", "evaluation", "tune", "testa"), "validation",
    ),
    **dict.fromkeys(("test", "testing", "tst", "testset", "testdata", "heldout", "testb"), "test"),
}  # fmt: skip
_MANY = 20
_NUMBER = 4


@dataclass(frozen=True)
class Place:
    """One source: a file, or several of a kind.

    Attributes:
        uri: As the spec names it.
        names: What the files are called, from where the search began; for their split and class.
        files: Their bytes.
        pin: sha256 of the package that they are from; None where it is no package.
        split: The official split that the names say; "" where they say none.
    """

    uri: str
    names: tuple[str, ...]
    files: tuple[Fetched, ...]
    pin: str | None = None
    split: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return masked(self.uri)

    @property
    def several(self) -> bool:
        """Whether it is all files of a kind in a folder, however many these are."""
        return len(self.files) > 1 or "*" in Path(self.uri).name

    @property
    def is_local(self) -> bool:
        """Whether its files lie as such on a disk of this machine."""
        return "://" not in self.uri and "!/" not in self.uri

    @property
    def base(self) -> str:
        """The first file's own name."""
        return re.split(r"[/\\]", self.names[0])[-1]


@dataclass
class Found:
    """What the arguments stand for.

    Attributes:
        places: The files to read.
        aside: Names of files that hold no rows by their names: read-mes, pictures, programs.
    """

    places: list[Place] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


@contextlib.contextmanager
def found(data: Sequence[str], spec_folder: Path) -> Iterator[Found]:
    """The files that paths, folders, globs and URIs stand for.

    Args:
        data: As they were given, relative to the working folder.
        spec_folder: Where the spec will be: local paths below it are written relative to it.

    Raises:
        SourceError: There is no such file, or it cannot be fetched.
        DataError: A folder holds no file that could have rows.
    """
    result = Found()
    with contextlib.ExitStack() as stack:
        for given in data:
            path = Path(given).expanduser()
            if not path.exists() and parse(given).kind == "parts":
                raise SourceError(
                    f"{masked(given)} is a file in parts, read only with the whole one's sha256.",
                    "Join them first (cat PARTS > FILE) and name that; or write data.sources by "
                    "hand, with uri and sha256.",
                )
            if "://" not in given and "!/" not in given and path.is_dir():
                result.places += _in_folder(path, result.aside)
            elif "://" in given or "!/" in given:
                result.places += _fetched(given, stack)
            elif path.is_file() and str(path).lower().endswith(_ARCHIVES):
                result.places += _fetched(f"{given}!/*", stack, result.aside)
            else:
                files = local_files(given, Path())
                result.places += [_local(file, file.name) for file in files]
        result.places = [
            replace(one, uri=_from(one.uri, spec_folder), split=one.split or split_by_name(one))
            for one in _together(result.places)
        ]
        yield result


def split_by_name(place: Place) -> str:
    """The official split that a file's name says, or the folders that it lies in; else "".

    >>> split_by_name(Place("", ("data/test_unseen.jsonl",), ()))
    'test'
    """
    words = re.split(r"[/\\]", place.names[0].lower())
    for part in reversed(words):
        said = [MEANS[word] for word in _WORD.findall(part) if word in MEANS]
        if said:
            return said[-1]
    return ""


def _in_folder(folder: Path, aside: list[str]) -> list[Place]:
    """The files of a folder that may hold rows."""
    kept: list[Place] = []
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one[:1] not in "._" or one == "_")
        for name in sorted(names):
            count += 1
            if count > MOST_FILES:
                raise DataError(
                    f"{folder} holds more than {MOST_FILES:,} files.",
                    "Name the files with rows, or pack the rows into one file.",
                )
            file = Path(root) / name
            shown = str(file.relative_to(folder))
            if not may_hold_rows(name, file):
                aside.append(shown)
            elif file.stat().st_size:
                kept.append(_local(file, shown))
            else:
                aside.append(f"{shown} (empty)")
    if not kept:
        beside = f" Its files: {', '.join(aside[:10])}." if aside else " It is empty."
        raise DataError(
            f"{folder} holds no file that could have rows.{beside}",
            "Give a folder with csv, tsv, jsonl, parquet, arrow, conll or text files.",
        )
    return kept


def may_hold_rows(name: str, file: Path | None = None) -> bool:
    """Whether a file of a folder may hold rows, by its name."""
    if _ABOUT.match(name) or _CACHED.match(name):
        return False
    ending = Path(unpacked_name(name)).suffix.lower()
    if ending in (".yml", ".yaml"):
        return file is not None and b"nlu:" in file.open("rb").read(4096)
    return ending in _READ or (ending not in _NEVER and Path(name).suffix.lower() not in _NEVER)


def _fetched(
    given: str, stack: contextlib.ExitStack, aside: list[str] | None = None
) -> list[Place]:
    location = parse(given)
    package = location.kind in ("pypi", "npm")
    files = stack.enter_context(fetch(given, None, Path()))
    places = []
    for file in files:
        uri = file.name
        if not location.inner:
            scheme = given.partition("://")[0]
            uri = given if len(files) == 1 else uri if "://" in uri else f"{scheme}://{uri}"
        elif location.kind == "remote" and "*" not in location.outer:
            inner = file.name.partition("!/")[2]
            uri = f"{location.outer}!/{inner}"  # as it was written, with its ${NAME}
        name = re.split(r"!/", uri)[-1]
        if package:
            name = uri.partition("://")[2].partition("/")[2]
        if aside is not None and not may_hold_rows(Path(name).name):
            aside.append(name)
            continue
        places.append(Place(uri, (name,), (file,), file.sha256 if package else None))
    return places


def _local(file: Path, shown: str) -> Place:
    return Place(str(file), (shown,), (Fetched(str(file), file, ""),))


class _Home(NamedTuple):
    """Where a file lies: the archive with its mark ("set.zip!/"; "" for none), and the path there."""

    archive: str
    path: PurePosixPath

    @classmethod
    def of(cls, name: str) -> _Home | None:
        """That of a local file, or of a member of an archive; None for others, which stand alone."""
        outer, mark, inner = name.rpartition("!/")
        if "://" in name and not mark:
            return None
        return cls(outer + mark, PurePosixPath(inner))

    @property
    def folder(self) -> _Home:
        """The folder that it lies in."""
        return _Home(self.archive, self.path.parent)


def _together(places: list[Place]) -> list[Place]:
    """Shards of one file, and many files of one folder, as one place each."""
    homes = [_Home.of(one.uri) for one in places]
    inside: dict[_Home, set[PurePosixPath]] = defaultdict(set)
    for home in homes:
        if home is not None:
            inside[home.folder].add(home.path)
    classes = _class_folders(inside)
    alone: list[Place] = []
    groups: dict[tuple[_Home, str, str, str], list[Place]] = defaultdict(list)
    for place, home in zip(places, homes, strict=True):
        if home is None:
            alone.append(place)
            continue
        path = home.path
        # 1.txt may be a class, 10004 is a row, and so is what lies in a folder of its class.
        few = path.stem.isdigit() and len(path.stem) < _NUMBER and home.folder not in classes
        stem = path.stem if few else re.sub(r"\d+", "#", path.stem)
        groups[home.folder, path.suffix, split_by_name(place), stem].append(place)
    by_folder: dict[tuple[_Home, str, str], list[Place]] = defaultdict(list)
    for (folder, suffix, split, _), group in groups.items():
        whole = _joined(group, folder, inside, least=1 if folder in classes else 2)
        by_folder[folder, suffix, split] += [whole] if whole is not None else group
    kept = []
    for (folder, _, _), group in by_folder.items():
        many = sum(len(one.files) for one in group) > _MANY
        whole = _joined(group, folder, inside) if many else None
        kept += [whole] if whole is not None else group
    order = {file.name: number for number, one in enumerate(places) for file in one.files}
    return sorted([*alone, *kept], key=lambda one: order[one.files[0].name])


def _class_folders(inside: Mapping[_Home, Collection[PurePosixPath]]) -> set[_Home]:
    """Folders beside each other that hold texts with a number each for a name: a class each.

    train/pos/12.txt and train/neg/7.txt; neither train/1.txt nor en/train.txt.
    """
    beside: dict[_Home, list[_Home]] = defaultdict(list)
    for folder, files in inside.items():
        if folder.path.name.lower() not in MEANS and all(map(_is_numbered_text, files)):
            beside[folder.folder].append(folder)
    return {one for folders in beside.values() if len(folders) > 1 for one in folders}


def _is_numbered_text(file: PurePosixPath) -> bool:
    words = _WORD.findall(file.stem.lower())
    bare = file.suffix.lower() in (".txt", ".text") or not file.suffix
    return bare and any(map(str.isdigit, words)) and not any(word in MEANS for word in words)


def _joined(
    group: list[Place],
    folder: _Home,
    inside: Mapping[_Home, Collection[PurePosixPath]],
    least: int = 2,
) -> Place | None:
    """Files of one folder as one place, if a pattern names them and no others."""
    files = [file for place in group for file in place.files]
    names = {re.split(r"[/\\]|!/", file.name)[-1] for file in files}
    if len(group) < least or any("*" in name for name in (*names, str(folder.path))):
        return None
    stems = {re.sub(r"\d+", "*", name) for name in names}
    patterns = [*stems] if len(stems) == 1 else []
    suffix = PurePosixPath(min(names)).suffix
    known = {one.name for one in inside[folder]}
    if not folder.archive:
        known = {one.name for one in Path(folder.path).iterdir() if one.is_file()}
    for pattern in (*patterns, f"*{suffix}" if suffix else "*"):
        if {name for name in known if fnmatch.fnmatchcase(name, pattern)} == names:
            shown = tuple(name for place in group for name in place.names)
            place = PurePosixPath(glob.escape(str(folder.path))) / pattern
            return Place(f"{folder.archive}{place}", shown, tuple(files))
    return None


def _from(uri: str, folder: Path) -> str:
    """A local path relative to the spec's folder where it lies below; else whole."""
    outer, mark, inner = uri.partition("!/")
    if "://" in outer:
        return uri
    whole = Path(outer).absolute()
    try:
        shown = str(whole.relative_to(folder.absolute()))
    except ValueError:
        shown = os.path.normpath(whole)
    return f"{shown}{mark}{inner}"


def plain_stem(name: str) -> str:
    """A file's name without its endings: "train" of "train.csv.gz"."""
    stem = Path(name).name
    if Path(stem).suffix.lower() in PACKED:
        stem = Path(stem).stem
    return Path(stem).stem or stem
