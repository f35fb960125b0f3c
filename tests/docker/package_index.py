"""Indexes of packages on loopback, PyPI's and npm's; tiny packages: rows in a csv, a base encoder."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import tokenizers
from packaging.utils import canonicalize_name
from tiny_agent import BAD, GOOD, THINGS
from tokenizers import models, normalizers, pre_tokenizers, processors

from bertworks.models.config import EncoderConfig
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.weights import write_tensors
from bertworks.storage.artifacts import write_json

WORDS = [*GOOD, *BAD, *THINGS, "the", "was", "and", "number", "had", "a"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder's `simple` index on loopback; yields its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def add(folder: Path, package: str, archive: Path) -> None:
    """Puts a package's archive into the index, with its hash."""
    kept = folder / "files" / archive.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(archive.read_bytes())
    page = folder / "simple" / canonicalize_name(package) / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(kept.read_bytes()).hexdigest()
    with page.open("a", encoding="utf-8") as out:
        out.write(f'<a href="../../files/{kept.name}#sha256={mark}">{kept.name}</a><br/>\n')


def add_npm(folder: Path, url: str, package: str, files: Mapping[str, bytes]) -> None:
    """Puts a package, version 1.0.0, into an npm registry whose address is `url`, with its hash."""
    kept = folder / "files" / f"{package.replace('/', '-')}-1.0.0.tgz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(kept, "w:gz") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(f"package/{name}")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    mark = base64.b64encode(hashlib.sha512(kept.read_bytes()).digest()).decode()
    dist = {"tarball": f"{url}/files/{kept.name}", "integrity": f"sha512-{mark}"}
    record = folder / package
    record.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, {"dist-tags": {}, "versions": {"1.0.0": {"dist": dist}}})


def wheel(folder: Path, package: str, files: Mapping[str, bytes]) -> Path:
    """A wheel, version 1.0, that holds the files in a folder of the package's name."""
    path = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{package}/{name}", content)
    return path


def base_files() -> dict[str, bytes]:
    """config.json, model.safetensors and tokenizer.json of a tiny BERT that knows the made-up words."""
    digits = [f"{mark}{digit}" for mark in ("", "##") for digit in range(10)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *digits]
    sizes = EncoderConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_heads=(2, 2), head_size=16,
        intermediate_sizes=(64, 64), max_positions=64,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_json(folder / "config.json", sizes.to_huggingface())
        write_tensors(folder / "model.safetensors", initialize(encoder_shapes(sizes), seed=0))
        _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
        return {file.name: file.read_bytes() for file in folder.iterdir()}


def _tokenizer(vocabulary: list[str]) -> tokenizers.Tokenizer:
    ids = {word: index for index, word in enumerate(vocabulary)}
    made = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )  # fmt: skip
    made.add_special_tokens(vocabulary[:5])  # as every checkpoint's: whole where a text has them
    return made
