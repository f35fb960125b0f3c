"""Does what an error advises, and sees that the error goes."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from bertworks.errors import BertworksError
from bertworks.spec.file import SpecFile, load
from pipelines.box import KINDS
from pipelines.dag import Dag
from pipelines.site import Laptop
from tests.fixes.collected import REPOSITORY

HERE = Path(__file__)
T = TypeVar("T")
SETTING = r"(?<![\w.])([a-z_]+(?:\.[a-z_]+)+)"
# "Set task.max_length: 20 or less", "`serve.deploy.kind: deployment`", "--set a.b=2"
WITH_VALUE = re.compile(rf"{SETTING}(?::\s|=)([\w.-]*\w)")


def taken(
    file: str, says: str, attempt: Callable[..., T], by: Callable[[str], tuple[Any, ...]]
) -> T:
    """Attempts, which is refused; does what the refusal advises; attempts again.

    Args:
        file: Where the advice stands, from the repository's root.
        says: A piece of it, as it is written there; `file` and `says` must be literals, as
            `test_all_advice_is_taken.py` reads them.
        attempt: What is refused when it is called with nothing.
        by: Makes of the whole advice what the second attempt is called with.

    Returns:
        What the second attempt gave.
    """
    with pytest.raises(BertworksError) as caught:
        attempt()
    assert says in caught.value.fix, caught.value
    trace = traceback.extract_tb(caught.value.__traceback__)
    passed = {Path(frame.filename) for frame in trace}
    if REPOSITORY / file not in passed:  # Made in one place and raised in another.
        assert says in (REPOSITORY / file).read_text("utf-8")
        assert not any(says in one.read_text("utf-8") for one in passed if one != HERE), passed
    return attempt(*by(caught.value.fix))


def as_written(fix: str) -> tuple[str, ...]:
    """The settings that the advice gives with their values, as for --set."""
    found = tuple(f"{name}={value}" for name, value in WITH_VALUE.findall(fix))
    assert found, f"no setting with a value in: {fix}"
    return found


def change(name: str, value: object) -> Callable[[str], tuple[str, ...]]:
    """A setting that the advice names without a value ("lower data.test"), for --set.

    The list places in `name`, such as data.sources.0.uri, are [] in advice.
    """

    def of(fix: str) -> tuple[str, ...]:
        named = re.sub(r"\.\d+(?=\.)", "[]", name)
        assert re.search(rf"(?<![\w.]){re.escape(named)}(?!\w|\.\w)", fix), (named, fix)
        return (f"{name}={json.dumps(value, ensure_ascii=False)}",)

    return of


def own(key: str, value: object, of: str = "data.sources.0") -> Callable[[str], tuple[str, ...]]:
    """A key of a source that the advice names by itself ("set the source's `encoding`")."""

    def made(fix: str) -> tuple[str, ...]:
        assert re.search(rf"\b{re.escape(key)}\b", fix), (key, fix)
        return (f"{of}.{key}={json.dumps(value, ensure_ascii=False)}",)

    return made


class Bench:
    """A spec in a folder of its own, and its steps as plain functions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[str, Any] = {
            "name": "tiny",
            "data": {"sources": [{"uri": "rows.csv"}]},
            "base": {"uri": "scratch", "scratch": {"vocab_size": 60, "hidden_size": 8}},
        }
        self._runs = 0

    def rows(self, text: str | bytes, name: str = "rows.csv") -> None:
        """Writes a file beside the spec."""
        content = text.encode("utf-8") if isinstance(text, str) else text
        (self.folder / name).write_bytes(content)

    def spec(self, *changes: str) -> SpecFile:
        """The spec with what `--set` was given."""
        file = self.folder / "spec.yaml"
        file.write_text(yaml.safe_dump(self.content), encoding="utf-8")
        return load(file, changes)

    def section(self, step: str, *changes: str) -> dict[str, Any]:
        """The step's section, as the run gives it."""
        loaded = self.spec(*changes)
        site = Laptop.of(loaded, str(self.folder / "models"))
        made = next(
            parts for kind in KINDS if step in (parts := Dag(loaded.spec, site, kind).sections())
        )
        settings: dict[str, Any] = json.loads(made[step])["settings"]
        return settings

    def ingest(self, *changes: str) -> Path:
        """The step on the spec's sources; the folder that holds its outputs."""
        from tests.helpers.steps import ingest as run

        self._runs += 1
        folder = self.folder / f"out{self._runs}"
        folder.mkdir()
        names = ("examples", "corpus", "rejected", "base")
        run(self.section("ingest", *changes), **{name: folder / name for name in names})
        return folder

    def counts(self, *changes: str) -> dict[str, int]:
        """How many rows of each split there are."""
        info = json.loads((self.ingest(*changes) / "examples/info.json").read_text("utf-8"))
        counts: dict[str, int] = info["rows"]
        return counts


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """In the test's own folder."""
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BERTWORKS_EVENTS", str(tmp_path / "events.jsonl"))
    return Bench(tmp_path)


def checkpoint(folder: Path, *, marks: bool = True) -> None:
    """Writes a tiny encoder; without `marks` its tokenizer does not know [MASK] and the like whole."""
    import tiny_model

    tiny_model.make_model(folder, {}, ["a", "b"])
    tokenizer = tiny_model.tokenizer()
    if marks:
        tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.save(str(folder / "tokenizer.json"))


def reviews(count: int, label: str = "label") -> str:
    """csv text of different rows of two classes."""
    rows = [f"review number {place},{('bad', 'good')[place % 2]}" for place in range(count)]
    return f"text,{label}\n" + "\n".join(rows) + "\n"
