"""A tokenizer.json for checkpoints that have a vocabulary alone, as transformers builds it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.errors import SourceError

VOCABULARIES: Mapping[str, tuple[str, ...]] = {
    "roberta": ("vocab.json", "merges.txt"),
    "mpnet": ("vocab.txt",),
    "xlm-roberta": (),
}
"""The families whose tokenizer is not BERT's, with the files that do without a tokenizer.json.

XLM-R has such a file too, SentencePiece's, which takes packages to read that are not installed.
"""


def build(folder: Path, family: str, settings: Mapping[str, Any], name: str) -> None:
    """Writes tokenizer.json for the files of `VOCABULARIES`, and takes these away.

    Args:
        folder: Holds the files.
        family: A key of `VOCABULARIES`, one that has files.
        settings: The checkpoint's tokenizer_config.json.
        name: The checkpoint, for error messages.

    Raises:
        SourceError: transformers cannot read them.
    """
    # It would say in every log that there is no PyTorch.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer  # seconds: only when a checkpoint is fetched

    said = {key: value for key, value in settings.items() if key != "auto_map"}  # code is not run
    with tempfile.TemporaryDirectory() as scratch:
        beside = Path(scratch)
        for file in VOCABULARIES[family]:
            shutil.move(folder / file, beside / file)
        (beside / "config.json").write_text(json.dumps({"model_type": family}), encoding="utf-8")
        (beside / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
        try:
            made = AutoTokenizer.from_pretrained(
                beside, local_files_only=True, trust_remote_code=False
            )
            made.backend_tokenizer.save(str(folder / "tokenizer.json"))
        except Exception as error:
            files = " and ".join(VOCABULARIES[family])
            raise SourceError(
                f"transformers cannot read {files} of {name}: {type(error).__name__}: {error}.",
                "Give a whole checkpoint, as save_pretrained of transformers writes it.",
            ) from error
