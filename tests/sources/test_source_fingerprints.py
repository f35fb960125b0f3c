"""Fingerprints: what changes them, what does not, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bertworks.data.sources import fingerprints as module
from bertworks.data.sources.fingerprints import fingerprint, fingerprints, open_places
from bertworks.errors import EnvironmentFault, SourceError
from bertworks.spec import AgentSpec, Source


def test_pinned_sources_need_no_fetching(tmp_path):
    uri = "pypi://nowhere==1.0/a.csv"
    one = fingerprint(Source(uri=uri, sha256="0" * 64), tmp_path)
    assert one == fingerprint(Source(uri=uri, sha256="0" * 64), tmp_path)
    assert one != fingerprint(Source(uri=uri, sha256="1" * 64), tmp_path)
    assert one != fingerprint(Source(uri=uri), tmp_path)


def test_local_content_counts_and_time_does_not(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("one")
    source = Source(uri="*.csv")
    one = fingerprint(source, tmp_path)
    os.utime(file, (1, 1))
    assert fingerprint(source, tmp_path) == one
    file.write_text("two")
    two = fingerprint(source, tmp_path)
    assert two != one
    (tmp_path / "b.csv").write_text("three")
    assert fingerprint(source, tmp_path) != two


def test_a_setting_for_utterances_stands_for_the_files_that_it_names(tmp_path):
    (tmp_path / "own").mkdir()
    for name in ("filed", "known"):
        (tmp_path / "own" / f"{name}.json").write_text("[]")
    (tmp_path / "own" / "setting.yaml").write_text(
        "templates: {uri: filed.json}\nknowledge: {uri: known.json}\nintents: {a: b}\nslots: {}\n"
    )
    source = Source(uri="own/setting.yaml", format="utterances")
    one = fingerprint(source, tmp_path)
    assert fingerprint(source, tmp_path) == one
    (tmp_path / "own" / "known.json").write_text("[1]")
    assert fingerprint(source, tmp_path) != one
    (tmp_path / "own" / "known.json").unlink()
    with pytest.raises(SourceError):
        fingerprint(source, tmp_path)


def test_local_files_are_hashed_once(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("one")
    first = fingerprint(Source(uri="a.csv"), tmp_path)
    monkeypatch.setattr(module, "sha256_of", lambda file: pytest.fail("hashed again"))
    assert fingerprint(Source(uri="a.csv"), tmp_path) == first


def test_a_memory_that_cannot_be_written_is_no_harm(tmp_path, monkeypatch):
    def full(file, value):
        raise EnvironmentFault("No space left.")

    monkeypatch.setattr(module, "write_json", full)
    (tmp_path / "a.csv").write_text("one")
    assert len(fingerprint(Source(uri="a.csv"), tmp_path)) == 64


def test_a_broken_memory_is_no_harm(tmp_path, downloads):
    (tmp_path / "a.csv").write_text("one")
    first = fingerprint(Source(uri="a.csv"), tmp_path)
    (downloads / "fingerprints.json").write_text("{broken")
    assert fingerprint(Source(uri="a.csv"), tmp_path) == first


def test_remote_files_count_by_version(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/prints/a.csv", b"one")
    one = fingerprint(Source(uri="memory://prints/a.csv"), tmp_path)
    memory.pipe("/prints/a.csv", b"three")
    assert fingerprint(Source(uri="memory://prints/a.csv"), tmp_path) != one
    with pytest.raises(SourceError, match="There is no file"):
        fingerprint(Source(uri="memory://prints/b.csv"), tmp_path)


def test_a_missing_local_file_is_said(tmp_path):
    with pytest.raises(SourceError, match="There is no file"):
        fingerprint(Source(uri="a.csv"), tmp_path)


def test_a_spec_has_one_for_each_source_and_the_base(tmp_path):
    (tmp_path / "a.csv").write_text("one")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    spec = AgentSpec.model_validate(
        {
            "name": "a",
            "data": {"sources": [{"uri": "a.csv"}]},
            "corpus": {"sources": [{"uri": "a.csv"}]},
            "base": {"uri": "model"},
        }
    )
    found = fingerprints(spec, tmp_path)
    assert sorted(found) == ["base", "corpus.0", "data.0"]
    (folder / "config.json").write_text("{ }")
    again = fingerprints(spec, tmp_path)
    assert [name for name in found if found[name] != again[name]] == ["base"]


def test_what_may_change_is_told_without_a_look():
    def of(base, *sources):
        spec = {"name": "a", "data": {"sources": list(sources)}, "base": base}
        return open_places(AgentSpec.model_validate(spec))

    pin = "ab" * 32
    exact = {"uri": "pypi://a==1.0/a.csv"}
    assert of("scratch", exact, {"uri": "s3://a/b.csv", "sha256": pin}) == {}
    assert of("auto", exact, {"uri": "s3://a/*.csv"}) == {"data.1": ["s3://a/*.csv"]}
    # The pin is of a setting's own bytes.
    setting = {"uri": "setting.yaml", "format": "utterances", "sha256": pin}
    assert of("scratch", setting) == {"data.0": ["setting.yaml"]}
    # The default's pin is the default's; of a folder here every file counts.
    assert of("hf://a/b", exact) == {"base": ["hf://a/b"]}
    assert of({"uri": "hf://a/b", "sha256": pin}, exact) == {}
    assert of({"uri": "/data/base", "sha256": pin}, exact) == {"base": ["/data/base"]}
    apart = {"uri": "hf://a/b", "sha256": pin, "tokenizer": {"uri": "hf://a/c"}}
    assert of(apart, exact) == {"base": ["hf://a/c"]}


def test_nothing_heavy_is_imported():
    code = (
        "import sys, bertworks.data.sources.fingerprints, bertworks.data.sources.base\n"
        "heavy = {'numpy', 'pyarrow', 'fsspec', 'tokenizers', 'pandas', 'apache_beam'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
