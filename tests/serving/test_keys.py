"""API keys: what is kept, what fits, and what a changed file does."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bertworks.errors import EnvironmentFault
from bertworks.serving.access import keyfile, keys
from bertworks.serving.access.keyfile import KeyFile
from bertworks.serving.access.keys import Allowance, Key
from pipelines.cli.main import app as cli

NOW = datetime(2030, 1, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def test_the_secret_is_not_kept_and_fits_alone():
    key, token = keys.make("shop", NOW)
    identity, secret = keys.parse(token)
    assert identity == key.id and len(secret) == 64
    assert secret not in json.dumps(key.to_json()) and secret not in repr(key)
    assert key.fits(secret, NOW)
    assert not key.fits(keys.make("other", NOW)[1].split("_")[2], NOW)


def test_a_key_that_expired_fits_no_more():
    key, token = keys.make("shop", NOW, expires=LATER)
    secret = keys.parse(token)[1]
    assert key.fits(secret, LATER - timedelta(seconds=1)) and not key.fits(secret, LATER)


def test_rotating_leaves_the_old_secret_for_as_long_as_asked():
    key, before = keys.make("shop", NOW, models=("mood",), allowance=Allowance(texts_per_day=5))
    old = keys.parse(before)[1]
    at_once, _ = key.rotated(NOW, timedelta(0))
    assert not at_once.fits(old, NOW)
    slowly, after = key.rotated(NOW, timedelta(hours=1))
    new = keys.parse(after)[1]
    assert slowly.fits(new, NOW) and slowly.fits(old, NOW)
    assert slowly.fits(new, LATER) and not slowly.fits(old, LATER)
    assert (slowly.id, slowly.models, slowly.allowance) == (key.id, key.models, key.allowance)


TIMES = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
NUMBERS = st.none() | st.integers(1, 10**9)


@given(
    st.text(max_size=20), TIMES, st.lists(st.text(min_size=1, max_size=5), max_size=3), st.booleans(),
    st.builds(Allowance, NUMBERS, NUMBERS, NUMBERS, NUMBERS), st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read(name, expires, models, admin, allowance, rotate):
    key, _ = keys.make(
        name, NOW, expires=expires, models=tuple(models), admin=admin, allowance=allowance
    )
    if rotate:
        key, _ = key.rotated(NOW, timedelta(days=2))
    assert Key.from_json(json.loads(json.dumps(key.to_json()))) == key


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "../x"}, "id"), ({"sha256": "ab"}, "sha256"), ({"texts_per_day": 0}, "texts_per_day"),
        ({"requests_per_minute": True}, "requests_per_minute"), ({"models": "mood"}, "models"),
        ({"admin": "no"}, "admin"), ({"expires": "soon"}, "expires"), ({"created": None}, "created"),
        ({"scope": "all"}, "scope"), ({"previous": "x"}, "previous"), ({"name": None}, "name"),
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_told_by_its_field(tmp_path, change, named):
    record = {**keys.make("shop", NOW)[0].to_json(), **change}
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"format": 1, "keys": [record]}))
    with pytest.raises(EnvironmentFault, match=f"{file.name}.*`{named}`"):
        keyfile.read(file)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "keys": [1]}', '{"format": 2, "keys": []}',
             "[" * 100_000],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(EnvironmentFault, match="keys.json"):
        keyfile.read(file)


@given(st.text(max_size=120) | st.from_regex(keys._TOKEN) | st.from_regex(r"bw_\w{12}_\w{64}"))
def test_only_what_has_the_form_of_a_key_is_parsed(text):
    parsed = keys.parse(text)
    assert parsed is None or f"bw_{parsed[0]}_{parsed[1]}" == text


def test_a_place_where_no_file_can_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="keys.json cannot be written"):
        add(tmp_path / "file" / "below" / "keys.json")


def add(file, name="shop", **more):
    with keyfile.changing(file) as known:
        key, token = keys.make(name, NOW, **more)
        known[key.id] = key
    return key, token


def test_the_file_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "keys.json"
    add(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o602)
    with pytest.raises(EnvironmentFault, match="everybody"):
        keyfile.read(file)


def test_revoking_works_at_the_next_request(tmp_path):
    file = tmp_path / "keys.json"
    first, token = add(file)
    served = KeyFile(file)
    assert served.find(token, NOW) == first
    second, other = add(file, "other")
    assert served.find(other, NOW) == second
    with keyfile.changing(file) as known:
        del known[first.id]
    assert served.find(token, NOW) is None and served.find(other, NOW) == second
    file.unlink()
    assert served.find(other, NOW) is None


def test_a_damaged_file_leaves_the_keys_and_is_told_once(tmp_path):
    file, told = tmp_path / "keys.json", []
    key, token = add(file)
    served = KeyFile(file, told.append)
    file.write_text("{")
    assert served.find(token, NOW) == key and served.find(token, NOW) == key
    assert len(told) == 1 and "1 keys from before stay" in told[0]


def test_a_change_that_fails_leaves_the_file(tmp_path):
    file = tmp_path / "keys.json"
    add(file)
    before = file.read_bytes()
    with pytest.raises(ZeroDivisionError), keyfile.changing(file) as known:
        known.clear()
        raise ZeroDivisionError
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.glob("*") if not one.name.startswith(".")] == ["keys.json"]


def test_a_mounted_secret_is_a_folder_that_kubernetes_swaps(tmp_path):
    """As the kubelet does it: ..data is a link to a folder of a time, and is replaced in one go."""
    mount = tmp_path / "keys"
    for name in ("..2030_01", "..2030_02"):
        (mount / name).mkdir(parents=True)
    first, token = add(mount / "..2030_01/keys.json")
    second, other = add(mount / "..2030_02/keys.json")
    (mount / "..data").symlink_to("..2030_01")
    (mount / "keys.json").symlink_to("..data/keys.json")
    served = KeyFile(mount)
    assert served.find(token, NOW) == first and served.find(other, NOW) is None
    (mount / "..data_tmp").symlink_to("..2030_02")
    (mount / "..data_tmp").rename(mount / "..data")
    assert served.find(token, NOW) is None and served.find(other, NOW) == second


def test_a_secret_that_is_not_there_yet_is_an_empty_folder(tmp_path):
    served = KeyFile(tmp_path)
    assert len(served) == 0
    key, token = add(tmp_path / "keys.json")
    assert served.find(token, NOW) == key


def test_an_id_stands_for_one_key(tmp_path):
    add(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    with pytest.raises(EnvironmentFault, match="twice"):
        keyfile.read(tmp_path)


def test_the_list_of_keys_tells_until_when_an_old_secret_is_good(tmp_path):
    file = tmp_path / "keys.json"

    def run(*command):
        done = CliRunner().invoke(cli, ["keys", *command, "--file", str(file)])
        assert done.exit_code == 0, done.output
        return done.output

    run("create", "shop")
    assert "old secret" not in run("list")
    run("rotate", "shop", "--overlap", "24h")
    (key,) = keyfile.read(file).values()
    assert f"(its old secret until {key.previous_until:%Y-%m-%d %H:%M})" in run("list")
    run("rotate", "shop")
    assert "old secret" not in run("list")
