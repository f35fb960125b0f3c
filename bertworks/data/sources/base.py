"""The pretrained encoder to start from, fetched into Hugging Face's layout."""

from __future__ import annotations

import codecs
import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from bertworks.data.sources import checkpoint, vocabulary
from bertworks.data.sources.archives import MissingMember
from bertworks.data.sources.fetch import Fetched, fetch
from bertworks.data.sources.uri import parse
from bertworks.errors import ArtifactError, SourceError, SpecError
from bertworks.notices import Notice
from bertworks.secrets import masked
from bertworks.spec import Base, Scratch
from bertworks.storage.artifacts import write_json

BERT = "bert"
SETTINGS = "tokenizer_config.json"
WEIGHTS = "model.safetensors"
FILES_END = (".onnx", ".bin")
GRAPHS = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
"""Where those who export put a graph, the unquantized ones first."""


class _Weights(NamedTuple):
    """What is noted of the weights; see `BaseFacts`."""

    sha256: str
    imported: str | None = None
    quantized: str | None = None


class BaseFacts(TypedDict):
    """The metadata of a base artifact.

    Attributes:
        scratch: Whether it has sizes only.
        uri: Where it is from, without what is secret in it; "scratch".
        sha256: Of the weights that were fetched.
        vocab_size, lowercase: Of the vocabulary that is to be made, for scratch.
        guessed_lowercase: Whether texts are read in lower case, where that had to be guessed.
        imported: What the weights were read from, where that is no safetensors file.
        quantized: How they were kept there, where not in floating point.
        family: Of the checkpoint, where that is not BERT's.
        left_out: Its weights that were not taken.
    """

    scratch: bool
    uri: str
    sha256: NotRequired[str]
    vocab_size: NotRequired[int]
    lowercase: NotRequired[bool]
    guessed_lowercase: NotRequired[bool]
    imported: NotRequired[str]
    quantized: NotRequired[str]
    family: NotRequired[str]
    left_out: NotRequired[int]


def fetch_base(
    base: Base, into: Path, spec_folder: Path = Path(), max_length: int | None = None
) -> BaseFacts:
    """Writes config.json, model.safetensors and tokenizer.json of the base encoder into a folder.

    A checkpoint of another family than BERT's is written in BERT's layout, which all steps read.

    With `uri: scratch` only config.json is written. An ONNX graph is taken apart into weights, and tells
    the sizes where no config.json lies beside it. A missing tokenizer.json is built from the family's
    vocabulary and tokenizer_config.json. transformers reads configuration and tokenizer too, and must
    come to the same ids.

    Args:
        base: The spec's section.
        into: An existing folder.
        spec_folder: What a local path is relative to.
        max_length: task.max_length, for which the encoder must have positions; None: not asked.

    Returns:
        The artifact's metadata.

    Raises:
        SourceError: Not there, not the pinned bytes, no weights that are read here, of a family that is
            not read or that computes what is not computed here, or its files contradict each other.
        SpecError: The rows may be longer than the encoder has positions for, or it has fewer layers than
            base.layers; told before its weights are fetched, where a config.json says it.
    """
    if base.uri == "scratch":
        write_json(into / "config.json", scratch_config(base.scratch))
        _check_sizes(base, into / "config.json", max_length)
        return {
            "scratch": True,
            "uri": "scratch",
            "vocab_size": base.scratch.vocab_size,
            "lowercase": base.scratch.lowercase,
        }
    config = _take(base, "config.json", into, spec_folder)
    family = BERT
    if config is not None:
        family = _check_config(base, into / "config.json")
        _check_sizes(base, into / "config.json", max_length)
    elif not names_a_file(base.uri):
        raise _no_file(base, "config.json", "Give the folder that holds the checkpoint's files.")
    weights = _take_weights(base, into, spec_folder)
    facts: BaseFacts = {"scratch": False, "uri": masked(base.uri), "sha256": weights.sha256}
    if weights.imported:
        facts["imported"] = weights.imported
    if weights.quantized:
        facts["quantized"] = weights.quantized
    if config is None:
        _check_sizes(base, into / "config.json", max_length)
    if family != BERT:
        facts["family"], facts["left_out"] = family, _to_bert(base, into)
    if base.layers is not None:
        from bertworks.models.depth import keep_layers  # with numpy: not when a DAG is built

        keep_layers(into, base.layers)
    source, pinned = base, WEIGHTS
    if base.tokenizer is not None:
        source, pinned = Base(**base.tokenizer.model_dump()), "tokenizer.json"
    settings: Mapping[str, Any] = {}
    if _take(source, SETTINGS, into, spec_folder, pinned) is not None:
        settings = _settings(source, into / SETTINGS)
        (into / SETTINGS).unlink()
    if _take(source, "tokenizer.json", into, spec_folder, pinned) is None:
        files = _take_vocabulary(source, family, into, spec_folder)
        guessed = vocabulary.build(into, family, files, settings, masked(source.uri))
        if guessed is not None:
            facts["guessed_lowercase"] = guessed
    checkpoint.check(into, settings, masked(source.uri))
    return facts


def base_notices(facts: Mapping[str, Any]) -> list[Notice]:
    """What was guessed or changed of the base, by the metadata that `fetch_base` returned."""
    told = []
    if kept := facts.get("quantized"):
        told.append(
            Notice(
                f"{facts['uri']} is {facts['imported']} with weights of {kept}: training starts from "
                "their values, taken back to floating point."
            )
        )
    if count := facts.get("left_out"):
        told.append(
            Notice(
                f"{facts['uri']} ({facts['family']}): weights that are not the encoder's, such as "
                f"another task's head, are left out ({count}).",
                count=count,
            )
        )
    if "guessed_lowercase" in facts:
        how = (
            "lower-case, as its vocabulary has no capitals"
            if facts["guessed_lowercase"]
            else "with their case, as its vocabulary has capitals"
        )
        told.append(
            Notice(
                f"{facts['uri']} does not say whether it is lower-cased (do_lower_case in "
                f"tokenizer_config.json): texts are read {how}."
            )
        )
    return told


def names_a_file(uri: str) -> bool:
    """Whether an address names a file of weights instead of a checkpoint's folder."""
    return uri.endswith(FILES_END)


def folder_of(uri: str) -> str:
    """The folder that an address means: itself, or that of the file which it names."""
    return (uri.rpartition("/")[0] or ".") if names_a_file(uri) else uri.rstrip("/")


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


def _take(
    base: Base, name: str, into: Path, spec_folder: Path, pinned: str = WEIGHTS
) -> str | None:
    """Copies one file of the checkpoint; returns what was fetched's sha256, None if not there.

    Args:
        base: Where it is.
        name: The file.
        into: Where to.
        spec_folder: What a local path is relative to.
        pinned: The file of a plain folder, which has no archive to pin, that the pin is of.
    """
    with _opened(base, name, spec_folder, pinned) as file:
        if file is None:
            return None
        if name.endswith((".json", ".txt")):
            content = file.path.read_bytes()  # an editor may have put a mark before it
            (into / name).write_bytes(content.removeprefix(codecs.BOM_UTF8))
        else:
            shutil.copyfile(file.path, into / name)
        return file.sha256


@contextlib.contextmanager
def _opened(base: Base, name: str, spec_folder: Path, pinned: str) -> Iterator[Fetched | None]:
    """One file of the checkpoint, as `_take` takes it; None: it is not there."""
    is_whole = bool(parse(base.uri).inner) or name == pinned
    pin = pin_of(base) if is_whole else None
    with contextlib.ExitStack() as stack:
        try:
            files = stack.enter_context(fetch(f"{folder_of(base.uri)}/{name}", pin, spec_folder))
        except MissingMember:
            files = []
        yield next(iter(files), None)


def _take_weights(base: Base, into: Path, spec_folder: Path) -> _Weights:
    """Writes model.safetensors, and config.json where there is none; the nearest form that there is.

    Raises:
        SourceError: There are no weights that are read here.
    """
    if not names_a_file(base.uri) and (sha256 := _take(base, WEIGHTS, into, spec_folder)):
        return _Weights(sha256)
    names = (base.uri.rpartition("/")[2],) if names_a_file(base.uri) else GRAPHS
    for name in names:
        with _opened(base, name, spec_folder, pinned=name) as file:
            if file is not None:
                from bertworks.models.importers.imported import write_imported
                from bertworks.models.importers.reading import read

                found = read(file.path, f"{masked(folder_of(base.uri))}/{name}")
                write_imported(found, into, masked(base.uri))
                return _Weights(file.sha256, found.kind, found.quantized)
    if names_a_file(base.uri):
        raise _no_file(base, names[0], "Check the address; it names a file of weights.")
    with _opened(base, "pytorch_model.bin", spec_folder, pinned=WEIGHTS) as pickled:
        fix = "Give a checkpoint with safetensors weights, or an ONNX graph (model.onnx)."
        if pickled is not None:
            fix = (
                "It has pytorch_model.bin, whose reading can run any code, so it is not read: "
                "convert it with transformers (save_pretrained writes safetensors)."
            )
    raise _no_file(base, WEIGHTS, fix)


def _check_config(base: Base, file: Path) -> str:
    """The checkpoint's family."""
    from bertworks.models.families import MODEL_TYPES  # with numpy: not when a DAG is built

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


def _to_bert(base: Base, into: Path) -> int:
    """Rewrites another family's folder; returns how many weights were left out."""
    from bertworks.models.families.conversion import to_bert

    try:
        return to_bert(into, masked(base.uri))
    except ArtifactError as error:
        said = error.message.replace(str(into), masked(base.uri))
        raise SourceError(said, error.fix) from error


def _check_sizes(base: Base, file: Path, max_length: int | None) -> None:
    """Whether the encoder has the layers and positions that are asked of it."""
    from bertworks.models.families import FAMILIES

    config = json.loads(file.read_text(encoding="utf-8"))
    family = FAMILIES.get(config.get("model_type"))
    count = family.fields.get("num_hidden_layers", "num_hidden_layers") if family else None
    layers = config.get(count or "num_hidden_layers")
    if base.layers is not None and isinstance(layers, int) and base.layers > layers:
        raise SpecError(
            f"base.layers is {base.layers}, {masked(base.uri)} has {layers} layers.",
            f"Set base.layers: {layers} or less, or leave it out.",
        )
    positions = family.positions(config) if family else config.get("max_position_embeddings")
    if max_length is None or not isinstance(positions, int) or max_length <= positions:
        return
    raise SpecError(
        f"task.max_length is {max_length}, the base has {positions} positions "
        f"(max_position_embeddings in {masked(base.uri)}/config.json).",
        f"Set task.max_length: {positions} or less, or give a base with more positions.",
    )


def _take_vocabulary(base: Base, family: str, into: Path, spec_folder: Path) -> tuple[str, ...]:
    """Copies the files that a tokenizer.json can be made of; returns their names.

    Raises:
        SourceError: There are none.
    """
    for files in vocabulary.files_of(family):
        if all(_take(base, file, into, spec_folder) is not None for file in files):
            for file in vocabulary.BESIDE:
                _take(base, file, into, spec_folder)
            return files
        for file in files:
            (into / file).unlink(missing_ok=True)
    kinds = ["tokenizer.json", *map(" and ".join, vocabulary.files_of(family))]
    raise _no_file(
        base,
        "tokenizer.json",
        f"It needs {', '.join(kinds[:-1])} or {kinds[-1]} beside config.json; save_pretrained of "
        "transformers writes the first.",
    )


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


def _no_file(base: Base, name: str, fix: str) -> SourceError:
    return SourceError(f"{masked(base.uri)} has no {name}.", fix)
