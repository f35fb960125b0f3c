"""Whether a base's configuration and tokenizer are read here as transformers reads them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertworks.errors import ArtifactError, SourceError
from bertworks.shortened import shortened
from bertworks.storage import temporary

if TYPE_CHECKING:
    from bertworks.text.tokenizer import Tokenizer

SAMPLE = (
    "The quick brown fox, don't you see, re-uses 3.14 co-ops!",
    "Ärger in ÉCOLE, Ångström and İstanbul; naïve ﬁxes",
    "東京に行く 上海 서울 नमस्ते مرحبا",
    "tab\there, zero\u200bwidth, [MASK] and $5 @home #tag e-mail@example.com",
)
_WHOLE = "Give a whole checkpoint, as save_pretrained of transformers writes it."


def check(folder: Path, settings: Mapping[str, Any], name: str) -> None:
    """Reads config.json and tokenizer.json with transformers, and compares ids on a sample.

    Args:
        folder: Holds both files.
        settings: The checkpoint's tokenizer_config.json; what it does not say is taken from
            tokenizer.json.
        name: The checkpoint, for error messages.

    Raises:
        SourceError: transformers cannot read them, the tokenizer's marks are of no family that is read,
            or tokenizer.json and tokenizer_config.json say different things.
    """
    # It would say in every log that there is no PyTorch.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoConfig, AutoTokenizer  # seconds: only when a checkpoint is fetched

    from bertworks.text.tokenizer import Tokenizer

    try:
        ours = Tokenizer.load(folder)
    except ArtifactError as error:
        text = str(error).replace(f"{folder}/", f"{name}/")
        raise SourceError(text.splitlines()[0], _WHOLE) from error
    said = {key: value for key, value in settings.items() if key != "auto_map"}  # code is not run
    with temporary.scratch() as beside:
        for file in ("config.json", "tokenizer.json"):
            shutil.copyfile(folder / file, beside / file)
        content = json.dumps({**ours.config, **said})
        (beside / "tokenizer_config.json").write_text(content, encoding="utf-8")
        try:
            AutoConfig.from_pretrained(beside, local_files_only=True, trust_remote_code=False)
        except Exception as error:
            raise _unread(f"{name}/config.json", error) from error
        try:
            theirs = AutoTokenizer.from_pretrained(
                beside, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:
            raise _unread(f"the tokenizer of {name}", error) from error
    _compare(ours, theirs, name)


def _compare(ours: Tokenizer, theirs: Any, name: str) -> None:
    words = [word for text in SAMPLE for word in text.split()]
    texts = [*words, *SAMPLE]  # the words first: the shortest text tells most
    firsts, seconds = list(SAMPLE[:-1]), list(SAMPLE[1:])
    shown = [*texts, *map(" | ".join, zip(firsts, seconds, strict=True))]
    found = ours.encode_batch(texts) + ours.encode_batch(firsts, seconds)
    wanted = [*theirs(texts)["input_ids"], *theirs(firsts, seconds)["input_ids"]]
    for text, (here, _), there in zip(shown, found, wanted, strict=True):
        if here != list(there):
            raise SourceError(
                f"The tokenizer of {name} is not the same for transformers: {text!r} is read as "
                f"{_shown(theirs, here)} by tokenizer.json, and as {_shown(theirs, there)} with its "
                "tokenizer_config.json.",
                "Give a checkpoint whose two files agree: load it with the tokenizer that it was "
                "trained with, and save_pretrained it to a folder; base.uri: that folder.",
            )


def _shown(tokenizer: Any, ids: list[int]) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(ids))


def _unread(what: str, error: Exception) -> SourceError:
    said = shortened(" ".join(str(error).split()), 300)
    return SourceError(f"transformers cannot read {what}: {type(error).__name__}: {said}", _WHOLE)
