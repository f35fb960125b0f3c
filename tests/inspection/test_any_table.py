"""Whatever stands in a file: a spec that loads, or an error that says what would help; no traceback."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.saving import save
from bertworks.errors import BertworksError
from bertworks.spec import file as spec_file

CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "good", "bad", "1", "2.5", "0", "nan", "O", "B-PER", "[1, 2]", "{'a': 1}", '"',
                     "the film is good and we liked it", "2024-01-01", "a|b", "a,b", "\x00", "\ufeff"]),
)  # fmt: skip
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=25)
)
NAMES = ["a.csv", "a.tsv", "a.txt", "a.jsonl", "a.json", "a.conll", "a", "train.dat"]


def outcome(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / name).write_bytes(content)
        try:
            found = inspect([str(folder / name)], folder)
            save(found, folder / "agent.yaml", "bertworks init")
        except BertworksError as error:
            assert error.message and error.fix
            return
        spec_file.load(folder / "agent.yaml")


@settings(max_examples=150)
@given(rows=TABLES, name=st.sampled_from(NAMES), delimiter=st.sampled_from(",;\t|"))
def test_any_table_gives_a_spec_or_an_error(
    rows: list[list[str]], name: str, delimiter: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows * 4)
    outcome(out.getvalue().encode("utf-8", "surrogatepass"), name)


@settings(max_examples=100)
@given(content=st.binary(max_size=300), name=st.sampled_from(NAMES))
@example(content=b"PAR1", name="a.csv")
@example(content=b"{}", name="a.json")
@example(content=b"[[]]", name="a.json")
@example(content=b'{"text": 1}\n{"text": []}', name="a.jsonl")
def test_any_bytes_give_a_spec_or_an_error(content: bytes, name: str) -> None:
    outcome(content, name)


@settings(max_examples=100)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["text", "label", "tokens", "tags", "", "a\nb", "é"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=3), inner, max_size=3)
                ),
                max_leaves=6,
            ),
        ),
        max_size=15,
    )
)
def test_any_objects_give_a_spec_or_an_error(rows: list[dict[str, object]]) -> None:
    import json

    lines = "".join(json.dumps(row) + "\n" for row in rows * 3)
    outcome(lines.encode("utf-8", "surrogatepass"), "a.jsonl")
