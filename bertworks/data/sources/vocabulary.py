"""A tokenizer.json for checkpoints that have a vocabulary alone, as transformers builds it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.errors import SourceError
from bertworks.storage import temporary

WORDPIECE = ("vocab.txt",)
BYTES = ("vocab.json", "merges.txt")
UNIGRAM = ("sentencepiece.bpe.model",)
BESIDE = ("added_tokens.json", "special_tokens_map.json")
"""What older checkpoints say of marks and of entries that were added."""
_FAMILIES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "roberta": (BYTES, UNIGRAM),
    "xlm-roberta": (UNIGRAM, BYTES),
}
_TYPES = {BYTES: "roberta", UNIGRAM: "xlm-roberta"}
_UNIGRAM = 1  # as SentencePiece numbers its kinds of models
_WHOLE = "Give a whole checkpoint, as save_pretrained of transformers writes it."


def files_of(family: str) -> tuple[tuple[str, ...], ...]:
    """The files that do without a tokenizer.json, the family's own first.

    BERT's and those that follow it may have XLM-R's: multilingual-e5-small is one.
    """
    return _FAMILIES.get(family, (WORDPIECE, UNIGRAM))


def build(
    folder: Path, family: str, files: tuple[str, ...], settings: Mapping[str, Any], name: str
) -> bool | None:
    """Writes tokenizer.json for a vocabulary, and takes its files and those of `BESIDE` away.

    Where the settings lack `do_lower_case`, a WordPiece vocabulary says it: one that is read in lower
    case has no capitals.

    Args:
        folder: Holds the files.
        family: The checkpoint's.
        files: One of those that `files_of` gives.
        settings: The checkpoint's tokenizer_config.json.
        name: The checkpoint, for error messages.

    Returns:
        Whether it reads in lower case, where that had to be guessed; else None.

    Raises:
        SourceError: transformers cannot read them.
    """
    # It would say in every log that there is no PyTorch.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer  # seconds: only when a checkpoint is fetched

    said = {key: value for key, value in settings.items() if key != "auto_map"}  # code is not run
    guessed = None
    if files == WORDPIECE and not isinstance(said.get("do_lower_case"), bool):
        guessed = said["do_lower_case"] = not _has_capitals(folder / WORDPIECE[0])
    with temporary.scratch() as beside:
        for file in (*files, *BESIDE):
            if (folder / file).exists():
                shutil.move(folder / file, beside / file)
        kind = {"model_type": _TYPES.get(files, family)}
        (beside / "config.json").write_text(json.dumps(kind), encoding="utf-8")
        (beside / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
        try:
            if files == UNIGRAM:
                _write_unigram(beside, f"{name}/{UNIGRAM[0]}")
            made = AutoTokenizer.from_pretrained(
                beside, local_files_only=True, trust_remote_code=False
            )
            made.backend_tokenizer.save(str(folder / "tokenizer.json"))
        except SourceError:
            raise
        except Exception as error:
            raise SourceError(
                f"transformers cannot read {' and '.join(files)} of {name}: {type(error).__name__}: "
                f"{error}.",
                _WHOLE,
            ) from error
    return guessed


def _has_capitals(vocabulary: Path) -> bool:
    """Whether entries other than marks such as [CLS] hold capital letters."""
    entries = vocabulary.read_text(encoding="utf-8").splitlines()
    return any(
        entry != entry.lower() for entry in entries if not (entry[:1] == "[" and entry[-1:] == "]")
    )


def _write_unigram(folder: Path, name: str) -> None:
    """Writes a tokenizer.json of a folder's SentencePiece model, as transformers reads one.

    AutoTokenizer asks for the package sentencepiece, and takes of it no more than the form of the file,
    which transformers has, too.

    Raises:
        SourceError: It is damaged, or of another kind than XLM-R's.
    """
    from tokenizers import AddedToken
    from transformers import XLMRobertaTokenizer
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

    model = sentencepiece.ModelProto()
    model.ParseFromString((folder / UNIGRAM[0]).read_bytes())
    if not model.pieces:
        raise SourceError(f"{name} has no pieces.", _WHOLE)
    if model.trainer_spec.model_type != _UNIGRAM:
        kind = sentencepiece.TrainerSpec.ModelType.Name(model.trainer_spec.model_type)
        raise SourceError(
            f"{name} is a SentencePiece model of type {kind}; XLM-R's are of type UNIGRAM.",
            "Give the folder a tokenizer.json.",
        )
    marks = [(mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")]
    # The model's own first three are <unk>, <s> and </s>.
    pieces = [(piece.piece, piece.score) for piece in model.pieces[3:]]
    kinds = sentencepiece.ModelProto.SentencePiece
    made = XLMRobertaTokenizer(
        vocab=[*marks, *pieces, ("<mask>", 0.0)],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap or None,
        additional_special_tokens=[
            AddedToken(piece.piece, normalized=False, special=piece.type == kinds.CONTROL)
            for piece in model.pieces
            if piece.type in (kinds.CONTROL, kinds.USER_DEFINED)
        ],
    )
    made.backend_tokenizer.save(str(folder / "tokenizer.json"))
