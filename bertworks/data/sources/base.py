"""The pretrained encoder to start from, in Hugging Face layout."""

from __future__ import annotations

import codecs
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from bertworks.data.sources import checkpoint
from bertworks.data.sources.archives import MissingMember
from bertworks.data.sources.fetch import fetch
from bertworks.data.sources.uri import parse
from bertworks.errors import ArtifactError, SourceError, SpecError
from bertworks.models.families import BERT, FAMILIES, MODEL_TYPES
from bertworks.models.families.conversion import to_bert
from bertworks.notices import Notice
from bertworks.secrets import masked
from bertworks.spec import Base, Scratch
from bertworks.storage.artifacts import write_json

SETTINGS = "tokenizer_config.json"


class BaseFacts(TypedDict):
    """The metadata of a base artifact.

    Attributes:
        scratch: Whether it has sizes only.
        uri: Where it is from, without what is secret in it; "scratch".
        sha256: Of the weights that were fetched.
        vocab_size, lowercase: Of the vocabulary that is to be made, for scratch.
        guessed_lowercase: Whether texts are read in lower case, where that had to be guessed.
    """

    scratch: bool
    uri: str
    sha256: NotRequired[str]
    vocab_size: NotRequired[int]
    lowercase: NotRequired[bool]
    guessed_lowercase: NotRequired[bool]


def fetch_base(
    base: Base, into: Path, spec_folder: Path = Path(), max_length: int | None = None
) -> BaseFacts:
    """Writes config.json, model.safetensors and tokenizer.json of the base encoder into a folder.

    A checkpoint of another family than BERT's is written in BERT's layout, which all steps read.

    With `uri: scratch` only config.json is written. A missing tokenizer.json is built from vocab.txt
    and tokenizer_config.json. transformers reads configuration and tokenizer too, and must come to the
    same ids.

    Args:
        base: The spec's section.
        into: An existing folder.
        spec_folder: What a local path is relative to.
        max_length: task.max_length, for which the encoder must have positions; None: not asked.

    Returns:
        The artifact's metadata.

    Raises:
        SourceError: Not there, not the pinned bytes, no safetensors weights, of a family that is not
            read or that computes what is not computed here, or its files contradict each other.
        SpecError: The rows may be longer than the encoder has positions for; told before its weights
            are fetched.
    """
    if base.uri == "scratch":
        write_json(into / "config.json", scratch_config(base.scratch))
        _check_positions(base, into / "config.json", max_length)
        return {
            "scratch": True,
            "uri": "scratch",
            "vocab_size": base.scratch.vocab_size,
            "lowercase": base.scratch.lowercase,
        }
    config = _take(base, "config.json", into, spec_folder)
    if config is None:
        raise _no_file(base, "config.json", "Give the folder that holds the checkpoint's files.")
    family = _check_config(base, into / "config.json")
    _check_positions(base, into / "config.json", max_length)
    weights = _take(base, "model.safetensors", into, spec_folder)
    if weights is None:
        pickled = _take(base, "pytorch_model.bin", into, spec_folder)
        (into / "pytorch_model.bin").unlink(missing_ok=True)
        fix = "Give a checkpoint with safetensors weights."
        if pickled is not None:
            fix = (
                "It has pytorch_model.bin, whose reading can run any code, so it is not read: "
                "convert it with transformers (save_pretrained writes safetensors)."
            )
        raise _no_file(base, "model.safetensors", fix)
    facts: BaseFacts = {"scratch": False, "uri": masked(base.uri), "sha256": weights}
    if family != BERT:
        _to_bert(base, into)
    settings: Mapping[str, Any] = {}
    if _take(base, SETTINGS, into, spec_folder) is not None:
        settings = _settings(base, into / SETTINGS)
        (into / SETTINGS).unlink()
    if _take(base, "tokenizer.json", into, spec_folder) is None:
        guessed = _build_tokenizer(base, settings, into, spec_folder)
        if guessed is not None:
            facts["guessed_lowercase"] = guessed
    checkpoint.check(into, settings, masked(base.uri))
    return facts


def base_notices(facts: Mapping[str, Any]) -> list[Notice]:
    """What was guessed of the base, by the metadata that `fetch_base` returned."""
    if "guessed_lowercase" not in facts:
        return []
    how = (
        "lower-case, as its vocabulary has no capitals"
        if facts["guessed_lowercase"]
        else "with their case, as its vocabulary has capitals"
    )
    return [
        Notice(
            f"{facts['uri']} does not say whether it is lower-cased (do_lower_case in "
            f"tokenizer_config.json): texts are read {how}."
        )
    ]


def pin_of(base: Base) -> str | None:
    """The pin that holds: the default sha256 belongs to the default uri, not to another one."""
    fields = Base.model_fields
    if base.uri != fields["uri"].default and base.sha256 == fields["sha256"].default:
        return None
    return base.sha256


def scratch_config(scratch: Scratch) -> dict[str, object]:
    """The config.json, with Hugging Face's key names, of a BERT of the asked sizes."""
    return {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": scratch.vocab_size,
        "hidden_size": scratch.hidden_size,
        "num_hidden_layers": scratch.layers,
        "num_attention_heads": scratch.heads,
        "intermediate_size": scratch.intermediate_size,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def _take(base: Base, name: str, into: Path, spec_folder: Path) -> str | None:
    """Copies one file of the checkpoint; returns what was fetched's sha256, None if not there."""
    location = parse(base.uri)
    folder = not location.inner
    # A plain folder has no archive to pin: there the pin is that of the weights.
    pin = pin_of(base) if not folder or name == "model.safetensors" else None
    try:
        with fetch(f"{base.uri.rstrip('/')}/{name}", pin, spec_folder) as files:
            if name.endswith((".json", ".txt")):
                content = files[0].path.read_bytes()  # an editor may have put a mark before it
                (into / name).write_bytes(content.removeprefix(codecs.BOM_UTF8))
            else:
                shutil.copyfile(files[0].path, into / name)
            return files[0].sha256
    except MissingMember:
        return None


def _check_config(base: Base, file: Path) -> str:
    """The checkpoint's family."""
    try:
        kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError):
        raise SourceError(
            f"{masked(base.uri)}/config.json is not a JSON object.", "Give a whole checkpoint."
        ) from None
    if kind not in MODEL_TYPES:
        raise SourceError(
            f"{masked(base.uri)} is a model of type {kind!r}. Supported: {', '.join(MODEL_TYPES)}.",
            "Give a checkpoint of one of these families (config.json names it as model_type).",
        )
    return str(kind)


def _to_bert(base: Base, into: Path) -> None:
    try:
        to_bert(into, masked(base.uri))
    except ArtifactError as error:
        said = error.message.replace(str(into), masked(base.uri))
        raise SourceError(said, error.fix) from error


def _check_positions(base: Base, file: Path, max_length: int | None) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    family = FAMILIES.get(config.get("model_type"))
    positions = family.positions(config) if family else config.get("max_position_embeddings")
    if max_length is None or not isinstance(positions, int) or max_length <= positions:
        return
    raise SpecError(
        f"task.max_length is {max_length}, the base has {positions} positions "
        f"(max_position_embeddings in {masked(base.uri)}/config.json).",
        f"Set task.max_length: {positions} or less, or give a base with more positions.",
    )


def _build_tokenizer(
    base: Base, settings: Mapping[str, Any], into: Path, spec_folder: Path
) -> bool | None:
    """Writes tokenizer.json for vocab.txt and what tokenizer_config.json says.

    Without `do_lower_case` the vocabulary says it: one that is read in lower case has no capitals.

    Returns:
        Whether it reads in lower case, where that had to be guessed; else None.
    """
    if _take(base, "vocab.txt", into, spec_folder) is None:
        raise _no_file(
            base, "tokenizer.json", "It needs tokenizer.json or vocab.txt beside config.json."
        )
    from tokenizers import BertWordPieceTokenizer

    guessed = None
    if not isinstance(lowercase := settings.get("do_lower_case"), bool):
        guessed = lowercase = not _has_capitals(into / "vocab.txt")
    tokenizer = BertWordPieceTokenizer(
        str(into / "vocab.txt"),
        lowercase=lowercase,
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    tokenizer.save(str(into / "tokenizer.json"))
    (into / "vocab.txt").unlink()
    return guessed


def _settings(base: Base, file: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise SourceError(
            f"{masked(base.uri)}/{file.name} is not a JSON object.", "Give a whole checkpoint."
        )
    return settings


def _has_capitals(vocabulary: Path) -> bool:
    """Whether entries other than marks such as [CLS] hold capital letters."""
    entries = vocabulary.read_text(encoding="utf-8").splitlines()
    return any(
        entry != entry.lower() for entry in entries if not (entry[:1] == "[" and entry[-1:] == "]")
    )


def _no_file(base: Base, name: str, fix: str) -> SourceError:
    return SourceError(f"{masked(base.uri)} has no {name}.", fix)
