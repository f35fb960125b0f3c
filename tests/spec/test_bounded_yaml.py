"""A spec may come from anywhere: what it unfolds to, how deep it goes and its odd values are bounded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks import bounded_yaml
from bertworks.errors import BertworksError, SpecError
from bertworks.spec import file as spec_file

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases unfolded"),
        ("name: &a {b: *a}", "inside of what it stands for"),
        ("name: &a [*a]", "inside of what it stands for"),
        ("[" * 5000, "more than 30 deep"),
        ("{a: " * 5000, "more than 30 deep"),
        ("- " * 5000 + "x", "more than 30 deep"),
        (f"name: {'9' * 5000}", "`name` cannot be read"),
        (f"name: 0x{'9' * 5000}", "`name` cannot be read"),
        (f"name: {':'.join(['59'] * 3000)}", "`name` cannot be read"),
        ("name: 2020-13-45", "`name` cannot be read"),
        ("a:\n  b: [1, 2020-02-31]", "spec.yaml:2: `a.b.1` cannot be read"),
        ("? [a, b]\n: c", "a key is a single word"),
        ("name: a\nname: b", "spec.yaml:2: name stands twice"),
        ("name: [", "not valid YAML"),
        ("name: a\n---\nname: b", "spec.yaml:2: a second document begins here"),
        ("name: !!python/object:os.system x", "`name` has the tag !!python/object:os.system"),
        ("name: !!python/object/apply:os.system ['id']", "has the tag !!python/object/apply"),
        ("a: !mine x", "`a` has the tag !mine"),
        ("a: {b: !!set {c, d}}", "`a.b` has the tag !!set"),
        ("name: !!map [a]", "`name` has the tag !!map"),
        ("name: !!seq {a: b}", "`name` has the tag !!seq"),
        ("name: !!binary aGk=", "`name` has the tag !!binary"),
        ("name: !!timestamp foo", "`name` cannot be read as what its tag says. Received: 'foo'"),
        ("name: !!bool foo", "`name` cannot be read as what its tag says. Received: 'foo'"),
        ("name: !!int foo", "`name` cannot be read.* Received: 'foo'"),
        ("name: !!float foo", "`name` cannot be read.* Received: 'foo'"),
        ("x" * 1_000_001, "1,000,001 characters"),
    ],
)
def test_what_is_out_of_bounds_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=message) as raised:
        spec_file.load(file)
    assert raised.value.fix and len(str(raised.value)) < 600


def test_aliases_are_welcome() -> None:
    assert bounded_yaml.read("a: &a [1, 2]\nb: *a\n", "f")[0] == {"a": [1, 2], "b": [1, 2]}


SURPRISES = ["no", "Yes", "on", "OFF", "010", "007", "12:30", "1:30.5", "2020-01-31"]


@pytest.mark.parametrize("word", SURPRISES)
def test_words_that_yaml_turns_into_something_else_stay_words(word: str) -> None:
    assert bounded_yaml.read(f"[{word}]", "f")[0] == [word]
    assert bounded_yaml.read("[true, False, 10, 0x1f, 0, -0, 1_000, 0.5, null]", "f")[0] == [
        True, False, 10, 31, 0, 0, 1000, 0.5, None,
    ]  # fmt: skip


def test_labels_keep_their_names_and_switches_are_switches(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(
        "name: tiny\ndata:\n  sources:\n    - uri: rows.csv\n      header: no\n"
        "      names: [text, label]\n"
        "      where: {label: [no, yes, 010], day: [2020-01-31]}\n      label_map: {no: off, 0: NO}\n"
        "      constants: {lang: no}\nfinetune: {epochs: 1_0}\n",
        encoding="utf-8",
    )
    spec = spec_file.load(file, ["compress.prune.enabled=off"]).spec
    (source,) = spec.data.sources
    assert source.header is False and spec.compress.prune.enabled is False
    assert spec.finetune.epochs == 10
    assert source.where == {"label": ["no", "yes", "010"], "day": ["2020-01-31"]}
    assert source.label_map == {"no": "off", "0": "NO"} and source.constants == {"lang": "no"}


@pytest.mark.parametrize("value", [BOMB, "9" * 5000, "[" * 5000, "&a [*a]"])
def test_a_setting_is_bounded_too(tmp_path: Path, value: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("name: tiny\ndata: {sources: [{uri: rows.csv}]}\n", encoding="utf-8")
    with pytest.raises(SpecError):
        spec_file.load(file, [f"finetune.epochs={value}"])


@given(st.text(alphabet="ab01:-[]{}&*!|>'\"#%@`,?\n \t", max_size=60))
def test_no_text_is_a_fault_of_ours(text: str) -> None:
    try:
        bounded_yaml.read(text, "f")
    except BertworksError as error:
        assert error.fix
