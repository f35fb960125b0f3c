"""Advice of a server's access, audit log and review is taken: the option is given, and it works."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bertworks.errors import ArtifactError
from bertworks.serving.access import keyfile, keys
from bertworks.serving.access.joining import Entrance
from bertworks.serving.access.keyfile import KeyFile
from bertworks.serving.access.quotas import FILE, Quotas
from bertworks.serving.access.tls import Certificates
from bertworks.serving.audit import files
from bertworks.serving.audit.log import AuditLog
from bertworks.serving.server import _check
from bertworks.serving.settings import Settings
from bertworks.spec.review import Review
from pipelines.cli.keys import _named, expires_at
from tests.fixes.taking import taken
from tests.fixes.test_taken_commands import given, option
from tests.helpers.certificates import write_certificate


def called(*words: str) -> Entrance:
    """Who is let in by a command line of `serve`."""
    found = given("serve", *words)
    entrance = Entrance(
        keys=found["keys"], state=found["state"], certificate=found["tls_cert"],
        private_key=found["tls_key"], open=found["open_"],
    )  # fmt: skip
    entrance.check(found["host"])
    return entrance


def test_a_host_for_all_without_a_key(tmp_path: Path) -> None:
    wide = ("--host", "0.0.0.0")
    assert taken("bertworks/serving/access/joining.py", "or say --open",
                 lambda *more: called(*wide, *more), option("--open", "--open")).open  # fmt: skip
    file = str(tmp_path / "keys.json")
    guarded = taken("bertworks/serving/access/joining.py", "Give keys with --keys FILE",
                    lambda *more: called(*wide, *more), option("--keys", "--keys", file))  # fmt: skip
    assert guarded.keys == Path(file)


def test_open_and_keys(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    both = ("--open", "--keys", file)
    taken("bertworks/serving/access/joining.py", "Leave out --open, or the keys.",
          lambda *words: called(*(words or both)), option("--open", "--keys", file))  # fmt: skip


def test_half_of_tls(tmp_path: Path) -> None:
    certificate, key = map(str, write_certificate(tmp_path))
    found = taken("bertworks/serving/access/joining.py", "Give both --tls-cert and --tls-key",
                  lambda *more: called("--tls-cert", certificate, *more),
                  option("--tls-key", "--tls-key", key))  # fmt: skip
    assert found.private_key == Path(key)


def test_a_certificate_of_another_key(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    _, other = write_certificate(tmp_path, "other")
    taken("bertworks/serving/access/tls.py", "Give --tls-cert and --tls-key two PEM files",
          lambda pair=(certificate, other): Certificates(*pair),
          option("--tls-key", (certificate, key)))  # fmt: skip


def test_a_file_of_keys_that_is_not_there(tmp_path: Path) -> None:
    from pipelines.cli.keys import create

    file = tmp_path / "keys.json"

    def by(fix: str) -> tuple[Any, ...]:
        command = re.findall("`bertworks keys create NAME --file (.*)`", fix)
        assert command == [str(file)]
        create("shop", Path(command[0]))
        return ()

    found = taken("bertworks/serving/access/keyfile.py", "Make a key with `bertworks keys create",
                  lambda: KeyFile(file), by)  # fmt: skip
    assert len(found) == 1


@pytest.mark.parametrize("case", ["held", "file", "damaged"])
def test_a_folder_of_counts(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "state"
    other = given("serve", "--state", str(tmp_path / "other"))["state"]

    def attempt(place: Path = folder) -> Quotas:
        return Quotas(place)

    if case == "held":
        first = Quotas(tmp_path / "both")
        taken("bertworks/serving/access/quotas.py", "Give each server a folder of its own",
              lambda place=tmp_path / "both": Quotas(place), option("--state", other))  # fmt: skip
        first.close()
    elif case == "file":
        folder.write_text("a file")
        taken("bertworks/serving/access/quotas.py", "Name a folder that may be written",
              attempt, option("--state", other))  # fmt: skip
    else:
        folder.mkdir()
        (folder / FILE).write_text("{")
        taken("bertworks/serving/access/quotas.py", "or name another folder with --state",
              attempt, option("--state", other))  # fmt: skip
        (folder / FILE).unlink()
        Quotas(folder)


def test_a_folder_of_an_audit_log(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    other = given("serve", "--audit", str(tmp_path / "other"))["audit"]
    taken("bertworks/serving/audit/log.py", "Name a folder that may be written with --audit",
          lambda place=tmp_path / "file": AuditLog(place).close(), option("--audit", other))  # fmt: skip
    first = AuditLog(tmp_path / "log")
    taken("bertworks/serving/audit/log.py", "Give each server a folder of its own with --audit",
          lambda place=tmp_path / "log": AuditLog(place).close(), option("--audit", other))  # fmt: skip
    first.close()
    (tmp_path / "bad" / "audit-000001.jsonl").mkdir(parents=True)
    taken("bertworks/serving/audit/log.py", "or name another folder with --audit",
          lambda place=tmp_path / "bad": AuditLog(place).close(), option("--audit", other))  # fmt: skip


def test_a_folder_that_is_no_log(tmp_path: Path) -> None:
    folder = given("serve", "--audit", str(tmp_path / "log"))["audit"]
    AuditLog(folder).close()
    checked = taken("bertworks/serving/audit/files.py", "Name the folder that the server was given",
                    lambda path=tmp_path: files.verify(path), option("--audit", folder))  # fmt: skip
    assert checked.files == 1
    with pytest.raises(ArtifactError):
        files.verify(tmp_path / "none")


def test_when_a_key_expires() -> None:
    now = keyfile.now()

    def attempt(word: str = "soon") -> datetime | None:
        return expires_at(word, now)

    for which in range(3):
        words = taken("pipelines/cli/keys.py", "Write for example 12h or 90d", attempt,
                      lambda fix, which=which: (
                          re.findall(r"\d[\d-]*\d[hd]?(?=[ .;])", fix)[which],))  # fmt: skip
        assert words is not None and words > now


def test_a_key_that_expires_at_once() -> None:
    now = keyfile.now()
    until = taken("pipelines/cli/keys.py", "or leave --expires out",
                  lambda *word: expires_at(*(word or ("0d",)), now),
                  lambda fix: re.findall(r"such as (\d+d)", fix))  # fmt: skip
    assert until == now + timedelta(days=90)


def test_a_key_of_a_file_that_has_none(tmp_path: Path) -> None:
    def attempt(*made: str) -> None:
        known = [keys.make(name, keyfile.now())[0] for name in made]
        assert _named(known, "shop", tmp_path / "keys.json").name == "shop"

    taken("pipelines/cli/keys.py", "or make a key with `bertworks keys create NAME`.", attempt,
          lambda fix: ("shop",))  # fmt: skip


def test_a_port_for_two_protocols() -> None:
    def attempt(*words: str) -> None:
        found = given("serve", *(words or ("--grpc-port", "8080")))
        _check([], Settings(port=8080, grpc_port=found["grpc_port"]))

    taken("bertworks/serving/server.py", "Choose another port for one of them: --grpc-port ",
          attempt, lambda fix: ("--grpc-port", re.findall(r"--grpc-port (\d+)", fix)[0]))  # fmt: skip


def test_a_state_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for wrong in (file, file / "state"):
        taken("bertworks/serving/access/quotas.py", "Name a folder that may be written with --state.",
              lambda folder=wrong: Quotas(folder),
              option("--state", tmp_path / "state" / wrong.name))  # fmt: skip


def test_a_second_agent_of_another_task(tmp_path: Path) -> None:
    from bertworks.serving.assembly import Serving
    from bertworks.serving.review import joining
    from tests.helpers.tiny_model import bundle_of, make_model

    tags = make_model(tmp_path / "tags", {"type": "tagging"}, ["O", "B-PER"])
    kinds = make_model(tmp_path / "kinds", {"type": "classification"}, ["O", "B-PER"])
    wrong, right = bundle_of(tags, tmp_path / "a"), bundle_of(kinds, tmp_path / "b")

    def attempt(bundle: Path = wrong) -> None:
        settings = Review.model_validate({"agent": {"bundle": str(bundle), "hold": ["O"]}})
        joining.join(Serving.of(threads=1), settings)

    taken("bertworks/serving/review/joining.py", "Name the bundle of another agent", attempt,
          lambda fix: (right,))  # fmt: skip
