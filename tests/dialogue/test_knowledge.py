"""The knowledge base: read whole or refused with the row, queried, and followed when it changes."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.dialogue.acts import DONT_CARE
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Followed, normal, read
from bertworks.errors import DataError
from tests.dialogue.helpers import DOMAIN, FILE, TOWN

SMALL = Domain("name", ("food",), ("phone",), "restaurant")
HEADER = "name,food,phone\n"


def written(folder: Path, text: str | bytes, name: str = "town.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def as_sqlite(file: Path, tables: dict[str, list[tuple[object, ...]]]) -> Path:
    with closing(sqlite3.connect(file)) as base, base:
        for table, rows in tables.items():
            quoted = '"' + table.replace('"', '""') + '"'
            base.execute(f"CREATE TABLE {quoted} (name TEXT, food TEXT, phone TEXT)")
            base.executemany(f"INSERT INTO {quoted} VALUES (?, ?, ?)", rows)
    return file


def test_csv_json_and_sqlite_give_the_same(tmp_path: Path) -> None:
    rows = [("A b", "thai", "12"), ("C", "", None)]
    csv = read(written(tmp_path, f"\ufeff{HEADER}A b,thai,12\n\nC,?,\n"), SMALL)
    objects = [dict(zip(("name", "food", "phone"), row, strict=True)) for row in rows]
    as_json = read(written(tmp_path, json.dumps(objects), "town.json"), SMALL)
    table = read(as_sqlite(tmp_path / "town.db", {"places": rows}), SMALL)
    assert csv.digest == as_json.digest == table.digest
    assert csv.value("c", "phone") == ""
    assert csv.values("food") == ("thai",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column 'name', 'food', 'phone'. It has: none"),
        (HEADER, "has no rows"),
        ("name,food\nA,thai\n", "no column 'phone'. It has: 'name', 'food'"),
        ("name,food,food,phone\nA,b,c,1\n", "two columns are called 'food'"),
        (HEADER + "A,thai,1\nB,thai\n", r"town.csv:3: the header has 3 columns and this row 2"),
        (HEADER + "A,thai,1\n,thai,2\n", r"town.csv:3: `name` is empty"),
        (HEADER + "A,thai,1\nB,thai,2\n a ,thai,3\n", r"town.csv:4: `name` must differ.*csv:2"),
        (HEADER + "A,dontcare,1\n", r"town.csv:2: `food` may not be 'dontcare'"),
        (HEADER + 'A,"thai,1\n', r"not CSV"),
        (HEADER + "A,tha\x07i,1\n", r"town.csv:2: `food` holds control characters"),
        (HEADER + f"A,{'x' * 10_001},1\n", r"`food` has 10,001 characters"),
        (HEADER.encode() + b"A,tha\xff,1\n", "not UTF-8: byte .* is 0xff"),
    ],
)
def test_a_bad_file_is_refused_with_its_row(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as raised:
        read(written(tmp_path, text), SMALL, shown="town.csv")
    assert raised.value.fix


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ('{"name": "A"}', "must hold a list of objects. Received: dict"),
        ("[1]", r"town.json\[0\] must be an object"),
        (
            '[{"name": "A", "food": ["b"], "phone": 1}]',
            r"town.json\[0\]: `food` must be a text or a number",
        ),
    ],
)
def test_bad_json_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(written(tmp_path, text, "town.json"), SMALL)


def test_a_table_of_sqlite_is_named_where_there_are_several(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("A", "thai", 1)]
    file = as_sqlite(tmp_path / "town.db", {"old": rows, 'new "one"': rows})
    with pytest.raises(DataError, match="several tables") as raised:
        read(file, SMALL)
    assert 'new "one", old' in raised.value.fix
    with pytest.raises(DataError, match="no table 'other'"):
        read(file, SMALL, "other")
    assert read(file, SMALL, 'new "one"').value("A", "phone") == "1"
    with pytest.raises(DataError, match="no SQLite file, so it has no table"):
        read(written(tmp_path, HEADER + "A,b,1\n"), SMALL, "old")


def test_a_damaged_sqlite_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as SQLite"):
        read(written(tmp_path, b"SQLite format 3\x00" + b"\x01" * 500, "town.db"), SMALL)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "none.csv", SMALL)


wishes = st.fixed_dictionaries(
    {},
    optional={
        slot: st.sampled_from([DONT_CARE, "martian", *TOWN.values(slot)])
        for slot in DOMAIN.informable
    },
)


@given(wishes)
def test_a_query_finds_what_a_look_at_every_row_finds(wanted: dict[str, str]) -> None:
    found = list(TOWN.of(TOWN.matching(wanted)))
    assert found == [
        one
        for one in TOWN.entities
        if all(v == DONT_CARE or normal(one[slot]) == normal(v) for slot, v in wanted.items())
    ]
    for slot in DOMAIN.informable:
        assert TOWN.spread(TOWN.matching(wanted), slot) == len({one[slot] for one in found})


def test_values_are_compared_without_case_and_spaces() -> None:
    assert TOWN.entity("  golden   LANTERN ") == TOWN.entities[0]
    assert TOWN.is_value("area", "North") and not TOWN.is_value("area", "moon")
    assert TOWN.is_value("postcode", "AB1 1AA") and TOWN.is_value("name", "pizza corner")
    assert not TOWN.matching({"name": "nowhere"})
    assert [one["name"] for one in TOWN.of(TOWN.matching({"name": "casa verde"}))] == ["Casa Verde"]


def test_a_change_is_seen_and_a_bad_one_leaves_the_last_good(tmp_path: Path) -> None:
    file = written(tmp_path, FILE.read_bytes())
    followed = Followed(file, DOMAIN)
    before = followed.now()
    assert followed.now() is before
    changed = file.read_text("utf-8").replace("01223 100001", "01223 999999")
    replace(file, changed)
    assert followed.now().value("Golden Lantern", "phone") == "01223 999999"
    assert before.value("Golden Lantern", "phone") == "01223 100001"
    replace(file, "name\n")
    kept = followed.now()
    assert kept.value("Golden Lantern", "phone") == "01223 999999"
    assert "no column" in followed.fault
    file.unlink()
    assert followed.now() is kept and "cannot be read" in followed.fault
    replace(file, changed)
    assert followed.now().digest == kept.digest and not followed.fault


def replace(file: Path, text: str) -> None:
    beside = file.with_name("beside")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def test_a_domain_has_one_use_for_a_column() -> None:
    with pytest.raises(ValueError, match="Received twice: food"):
        Domain("name", ("food",), ("food",))
    with pytest.raises(ValueError, match="needs a column"):
        Domain("name", (), ("food",))
    with pytest.raises(ValueError, match="no slot can be called 'this'"):
        Domain("name", ("this",), ())
