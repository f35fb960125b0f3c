"""The transform step, run on tiny rows of every kind of task; tf.Transform really runs."""

from __future__ import annotations

import contextlib
import filecmp
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.errors import ArtifactError, DataError, SpecError
from bertworks.spec import Base, Task, Transform
from bertworks.storage import artifacts
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.wordpiece import train
from tests.helpers.steps import transform as run

TEXT = "the film was good bad dull bright and a but not very so slow quick 电 影 naïve"
WORDS = TEXT.split()
LENGTHS = (3, 9, 1, 14, 6, 30, 2, 11)


CLEAN = {"html": True, "unicode": "NFKC", "whitespace": False}


def _text(number: int) -> str:
    length = LENGTHS[number % len(LENGTHS)]
    return " ".join(WORDS[(number * 7 + at * 3) % len(WORDS)] for at in range(length))


def _id(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}"


def _rows(kind: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(start, start + count):
        row: dict[str, Any] = {"id": _id(number), "source": "made"}
        if kind == "tagging":
            row["tokens"] = _text(number).split()
            tags = ["O", "B-PER", "I-PER", "B-LOC"]
            row["tags"] = [tags[(number + at) % 4] for at in range(len(row["tokens"]))]
        elif kind == "pair":
            row |= {
                "text_a": _text(number),
                "text_b": _text(number + 3),
                "label": "yno"[number % 3],
            }
        else:
            row["text"] = _text(number)
            if kind == "multi":
                row["labels"] = sorted({"news", "sport", "arts"} - {["news", "sport"][number % 2]})
                row["labels"] = row["labels"] if number % 5 else []
            elif kind == "score":
                row["score"] = number * 0.5 - 3.0
            else:
                row["label"] = ["positive", "negative", "négligeable", "Zebra"][number % 4]
        rows.append(row)
    return sorted(rows, key=lambda row: row["id"])


TASKS: dict[str, Task] = {
    "classification": Task(max_length=16),
    "multi": Task(multi_label=True),
    "pair": Task(pair=True, max_length=16),
    "tagging": Task(type="tagging", max_length=16, long_text="cut"),
    "score": Task(type="regression"),
}


def _write_parquet(folder: Path, rows: list[dict[str, Any]], schema: pa.Schema, part: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"part-{part:05d}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, row_group_size=7)


def make_inputs(
    root: Path, kind: str, splits: dict[str, list[dict[str, Any]]], corpus: int = 12
) -> dict[str, Path]:
    """Writes examples, corpus and base artifacts."""
    schema = pa.Table.from_pylist(_rows(kind, 10)).schema
    with artifacts.write(root / "examples", kind="examples", producer="ingest") as folder:
        for split, rows in splits.items():
            half = len(rows) // 2
            for part, some in enumerate((rows[:half], rows[half:])):
                _write_parquet(folder / split, some, schema, part)
        artifacts.write_json(folder / "info.json", {"task": {}, "rows": {}, "clean": CLEAN})
    with artifacts.write(root / "corpus", kind="corpus", producer="ingest") as folder:
        texts = [{"id": _id(number), "text": _text(number)} for number in range(corpus)]
        _write_parquet(folder, texts, pa.schema([("id", pa.string()), ("text", pa.string())]), 0)
        artifacts.write_json(folder / "info.json", {"rows": corpus})
    with artifacts.write(root / "base", kind="base", producer="ingest") as folder:
        Tokenizer(train([_text(number) for number in range(9)], 60, True)).save(folder)
        artifacts.write_json(folder / "config.json", {"model_type": "bert"})
    return {name: root / name for name in ("examples", "corpus", "base")}


def make_section(task: Task, base: Base | None = None, **transform: Any) -> dict[str, Any]:
    """The step's section of the spec."""
    settings = Transform(**{"batch_rows": 8, "shard_rows": 20, **transform})
    parts = {"task": task, "transform": settings, "base": base or Base()}
    return {name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()}


def _splits(kind: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "train": _rows(kind, 50),
        "validation": _rows(kind, 11, 100),
        "test": _rows(kind, 12, 200),
    }


class Made:
    """One run of the step, and what went in."""

    def __init__(self, root: Path, kind: str) -> None:
        self.task, self.splits = TASKS[kind], _splits(kind)
        inputs = make_inputs(root, kind, self.splits)
        self.result = run(make_section(self.task), **inputs, tokens=root / "tokens")
        self.folder = root / "tokens"
        self.info = artifacts.open_artifact(self.folder, "tokens").json("info.json")
        self.tokenizer = Tokenizer.load(self.folder)

    def shards(self, split: str) -> list[pa.Table]:
        return [pq.read_table(file) for file in sorted((self.folder / split).glob("*.parquet"))]

    def rows(self, split: str) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for table in self.shards(split) for row in table.to_pylist()}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {kind: Made(tmp_path_factory.mktemp(kind), kind) for kind in TASKS}


@pytest.mark.parametrize("kind", TASKS)
def test_every_row_comes_out_once_sorted_by_length(made: dict[str, Made], kind: str) -> None:
    one = made[kind]
    for split, rows in one.splits.items():
        shards = one.shards(split)
        ids = [row for table in shards for row in table["id"].to_pylist()]
        assert sorted(ids) == sorted(row["id"] for row in rows)
        assert one.info["rows"][split] == len(rows)
        for table in shards:
            lengths = table["length"].to_pylist()
            assert lengths == sorted(lengths) and 0 < len(lengths) <= 20
            assert lengths == [len(row) for row in table["input_ids"].to_pylist()]
            assert max(lengths) <= one.task.max_length
    assert len(one.shards("train")) == 3


@pytest.mark.parametrize("kind", TASKS)
def test_ids_are_the_serving_tokenizers_ids(made: dict[str, Made], kind: str) -> None:
    one = made[kind]
    for split, rows in one.splits.items():
        out = one.rows(split)
        for row in rows:
            if kind == "tagging":
                wanted = one.tokenizer.encode_words_batch([row["tokens"]], one.task.max_length)
            elif kind == "pair":
                wanted = one.tokenizer.encode_batch(
                    [row["text_a"]], [row["text_b"]], one.task.max_length
                )
                assert out[row["id"]]["type_ids"] == wanted[0][1]
            else:
                wanted = one.tokenizer.encode_batch([row["text"]], None, one.task.max_length)
            assert out[row["id"]]["input_ids"] == wanted[0][0]


@pytest.mark.parametrize("kind", TASKS)
def test_info_counts_what_was_written(made: dict[str, Made], kind: str) -> None:
    one = made[kind]
    lengths = np.concatenate([table["length"].to_numpy() for table in one.shards("train")])
    quantiles = one.info["length_quantiles"]
    assert (quantiles[0], quantiles[-1]) == (lengths.min(), lengths.max())
    assert quantiles == sorted(quantiles)
    wanted = np.quantile(lengths, [0.25, 0.5, 0.75, 0.9, 0.99], method="inverted_cdf")
    below = [np.mean(lengths <= quantile) for quantile in quantiles[1:-1]]
    assert np.allclose(below, [np.mean(lengths <= value) for value in wanted], atol=0.05)
    assert one.info["vocab_size"] == one.tokenizer.vocab_size
    assert one.info["special"]["mask"] == 4
    assert one.info["task"] == one.task.model_dump(mode="json")
    assert one.info["clean"] == CLEAN
    assert one.info["corpus_rows"] == 12
    assert one.result.metrics["train_rows"] == 50


def test_schemas_are_those_of_the_contract(made: dict[str, Made]) -> None:
    ids = {"id": pa.string(), "input_ids": pa.list_(pa.int32()), "length": pa.int32()}
    wanted = {
        "classification": {"label": pa.int32()},
        "multi": {"labels": pa.list_(pa.int8())},
        "pair": {"type_ids": pa.list_(pa.int8()), "label": pa.int32()},
        "tagging": dict.fromkeys(("tags", "word_tags", "read_words"), pa.list_(pa.int32())),
        "score": {"score": pa.float32(), "scaled": pa.float32()},
    }
    for kind, columns in wanted.items():
        schema = made[kind].shards("test")[0].schema
        assert {field.name: field.type for field in schema} == ids | columns
    schema = made["score"].shards("corpus")[0].schema
    corpus = {"words": pa.list_(pa.int32())}
    assert {field.name: field.type for field in schema} == ids | corpus


def test_labels_are_in_alphabetical_order(made: dict[str, Made]) -> None:
    one = made["classification"]
    assert one.info["labels"] == ["Zebra", "negative", "négligeable", "positive"]
    assert one.info["labels"] == sorted(one.info["labels"])
    assert one.info["score"] is None
    for split, rows in one.splits.items():
        out = one.rows(split)
        assert all(one.info["labels"][out[row["id"]]["label"]] == row["label"] for row in rows)


def test_sets_of_labels_become_zeros_and_ones(made: dict[str, Made]) -> None:
    one = made["multi"]
    assert one.info["labels"] == ["arts", "news", "sport"]
    out = one.rows("train")
    for row in one.splits["train"]:
        assert out[row["id"]]["labels"] == [int(x in row["labels"]) for x in one.info["labels"]]


def test_tags_are_on_the_first_piece_of_their_word(made: dict[str, Made]) -> None:
    one = made["tagging"]
    assert one.info["labels"] == ["O", "B-LOC", "B-PER", "I-PER"]
    out = one.rows("train")
    for row in one.splits["train"]:
        ids, words = one.tokenizer.encode_words_batch([row["tokens"]], one.task.max_length)[0]
        tags = out[row["id"]]["tags"]
        assert len(tags) == len(ids)
        for at, tag in enumerate(tags):
            begins = words[at] >= 0 and words[at] != words[at - 1]
            wanted = one.info["labels"].index(row["tags"][words[at]]) if begins else -100
            assert tag == wanted


def test_scores_are_scaled_by_the_training_rows(made: dict[str, Made]) -> None:
    one = made["score"]
    scores = np.array([row["score"] for row in one.splits["train"]])
    wanted = {"mean": scores.mean(), "std": scores.std(), "min": scores.min(), "max": scores.max()}
    assert one.info["score"] == pytest.approx(wanted)
    assert one.info["labels"] == []
    for split, rows in one.splits.items():
        out = one.rows(split)
        for row in rows:
            assert out[row["id"]]["score"] == pytest.approx(row["score"])
            scaled = (row["score"] - scores.mean()) / scores.std()
            assert out[row["id"]]["scaled"] == pytest.approx(scaled, abs=1e-5)


@pytest.mark.parametrize("kind", ["classification", "pair", "tagging"])
def test_cut_rows_are_counted(made: dict[str, Made], kind: str) -> None:
    one = made[kind]
    for split, rows in one.splits.items():
        whole = []
        for row in rows:
            if kind == "tagging":
                whole.append(len(one.tokenizer.encode_words_batch([row["tokens"]])[0][0]))
            else:
                second = [row["text_b"]] if kind == "pair" else None
                first = row["text_a" if kind == "pair" else "text"]
                whole.append(len(one.tokenizer.encode_batch([first], second)[0][0]))
        assert one.info["truncated"][split] == sum(length > 16 for length in whole) > 0
    (notice,) = one.result.notices
    assert notice.level == "warning" and notice.count == sum(one.info["truncated"].values())
    assert "rows have more than 16 tokens and are cut: train " in notice.text
    assert "task.max_length = 16" in notice.text


def test_unknown_share(made: dict[str, Made]) -> None:
    one = made["classification"]
    ids = [token for row in one.rows("train").values() for token in row["input_ids"]]
    assert one.info["unknown_share"] == ids.count(1) / len(ids) > 0


def test_the_corpus_is_whole_and_without_marks(made: dict[str, Made]) -> None:
    one = made["classification"]
    out = one.rows("corpus")
    for number in range(12):
        ids, words = one.tokenizer.pieces_and_words_batch([_text(number)])[0]
        assert out[_id(number)]["input_ids"] == ids
        assert out[_id(number)]["words"] == words


def test_the_saved_graph_gives_the_same_numbers(made: dict[str, Made]) -> None:
    import tensorflow as tf
    import tensorflow_transform as tft

    for kind in ("classification", "tagging"):
        one = made[kind]
        labels = [*one.info["labels"], "never seen"]
        graph = tft.TFTransformOutput(str(one.folder / "transform"))
        raw = {
            "length": tf.zeros([len(labels)], tf.int64),
            "label": tf.sparse.from_dense([[label] for label in labels]),
        }
        index = graph.transform_raw_features(raw)["label"].values.numpy().tolist()
        assert index == [*range(len(labels) - 1), -1]
    graph = tft.TFTransformOutput(str(made["score"].folder / "transform"))
    row = next(iter(made["score"].rows("test").values()))
    raw = {"length": tf.constant([1], tf.int64), "score": tf.constant([row["score"]], tf.float32)}
    assert graph.transform_raw_features(raw)["scaled"].numpy()[0] == pytest.approx(row["scaled"])


def test_a_vocabulary_from_scratch_and_splits_without_rows(tmp_path: Path) -> None:
    inputs = make_inputs(
        tmp_path, "pair", {"train": _rows("pair", 30), "validation": [], "test": []}, corpus=0
    )
    base = Base(uri="scratch", sha256=None, scratch={"vocab_size": 80})  # type: ignore[arg-type]
    tokens = tmp_path / "tokens"
    run(make_section(TASKS["pair"], base), **inputs, tokens=tokens)
    info = artifacts.open_artifact(tokens, "tokens").json("info.json")
    assert info["rows"] == {"train": 30, "validation": 0, "test": 0}
    assert info["corpus_rows"] == 0
    assert info["unknown_share"] == 0.0
    assert info["vocab_size"] == Tokenizer.load(tokens).vocab_size <= 80
    assert info["special"] == {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
    for split in ("validation", "corpus"):
        assert pq.read_table(tokens / split / "part-00000.parquet").num_rows == 0


def test_labels_that_train_lacks_are_refused(tmp_path: Path) -> None:
    splits = _splits("classification")
    for row in splits["test"][:2]:
        row["label"] = "surprise"
    inputs = make_inputs(tmp_path, "classification", splits)
    with pytest.raises(DataError) as caught:
        run(make_section(TASKS["classification"]), **inputs, tokens=tmp_path / "tokens")
    assert "test split" in caught.value.message
    assert "'surprise' (2 times)" in caught.value.message
    assert "label_map" in caught.value.fix
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "corpus", "examples"]


@pytest.mark.slow
def test_labels_with_line_breaks_are_refused(tmp_path: Path) -> None:
    splits = _splits("classification")
    splits["train"][0]["label"] = "two\nlines"
    inputs = make_inputs(tmp_path, "classification", splits)
    with pytest.raises(DataError, match="line break.*two"):
        run(make_section(TASKS["classification"]), **inputs, tokens=tmp_path / "tokens")


@pytest.mark.slow
def test_one_score_for_all_is_refused(tmp_path: Path) -> None:
    splits = _splits("score")
    for row in splits["train"]:
        row["score"] = 2.5
    inputs = make_inputs(tmp_path, "score", splits)
    with pytest.raises(DataError, match=r"All scores of the train split are 2\.5"):
        run(make_section(TASKS["score"]), **inputs, tokens=tmp_path / "tokens")


@pytest.mark.slow
def test_rows_without_any_label_are_refused(tmp_path: Path) -> None:
    splits = _splits("multi")
    for rows in splits.values():
        for row in rows:
            row["labels"] = []
    inputs = make_inputs(tmp_path, "multi", splits)
    with pytest.raises(DataError, match="No row of the train split has a label"):
        run(make_section(TASKS["multi"]), **inputs, tokens=tmp_path / "tokens")


def test_no_training_rows_are_refused(tmp_path: Path) -> None:
    splits = {"train": [], "validation": _rows("score", 4), "test": []}
    inputs = make_inputs(tmp_path, "score", splits)
    with pytest.raises(DataError, match="train split of .* has no rows"):
        run(make_section(TASKS["score"]), **inputs, tokens=tmp_path / "tokens")


def test_examples_of_another_task_are_refused(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path, "score", _splits("score"))
    with pytest.raises(ArtifactError, match="no column label"):
        run(make_section(TASKS["classification"]), **inputs, tokens=tmp_path / "tokens")


def test_a_runner_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path, "score", _splits("score"))
    section = make_section(TASKS["score"], runner="NoSuchRunner")
    with pytest.raises(SpecError, match="NoSuchRunner"):
        run(section, **inputs, tokens=tmp_path / "tokens")


def test_optional_packages_are_back_after_loading() -> None:
    code = (
        "import json, sys\nfrom components.transform.loading import UNUSED, without\n"
        "with without(*UNUSED, 'json'):\n    import apache_beam, json\n"
        "print([name for name in UNUSED if name in sys.modules])\n"
        "import sklearn"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_shards_encoded_ahead_are_those_that_beam_encodes(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.transform import step

    monkeypatch.setattr(step, "encoding", lambda shards, job: contextlib.nullcontext())
    for kind in ("tagging", "pair"):
        one = made[kind]
        inputs = {name: one.folder.parent / name for name in ("examples", "corpus", "base")}
        run(make_section(one.task), **inputs, tokens=tmp_path / kind)
        files = [
            {
                str(file.relative_to(at)): file.read_bytes()
                for file in at.rglob("*")
                # A second graph in one process has other numbers in its functions' names.
                if file.is_file() and "saved_model.pb" not in file.name
            }
            for at in (one.folder, tmp_path / kind)
        ]
        for written in files:
            del written["manifest.json"]
        assert files[0] == files[1] and len(files[0]) > 8


def test_an_error_while_encoding_ahead_is_told(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.transform import ahead

    def refuse(*_: Any) -> None:
        raise DataError("A row is refused.", "Leave it out.")

    one = made["score"]
    inputs = {name: one.folder.parent / name for name in ("examples", "corpus", "base")}
    monkeypatch.setattr(ahead, "encode_shard", refuse)
    with pytest.raises(DataError, match="A row is refused"):
        run(make_section(one.task), **inputs, tokens=tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_a_full_disk_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bertworks.errors import EnvironmentFault
    from components.transform import shards

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    inputs = make_inputs(tmp_path, "score", _splits("score"))
    monkeypatch.setattr(shards, "number_labels", full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        run(make_section(TASKS["score"]), **inputs, tokens=tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path, "tagging", _splits("tagging"))
    section = json.dumps(make_section(TASKS["tagging"]))
    code = (
        "import json, sys\nfrom pathlib import Path\n"
        "from components.transform.step import Section, run\n"
        "root = Path(sys.argv[1])\n"
        "run(Section.of(json.loads(sys.argv[2])), tokens=root / sys.argv[3], "
        "**{name: root / name for name in ('examples', 'corpus', 'base')})"
    )
    for name in ("one", "another"):
        command = [sys.executable, "-c", code, str(tmp_path), section, name]
        subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    compared = filecmp.dircmp(tmp_path / "one", tmp_path / "another")
    digests = [artifacts.open_artifact(tmp_path / name).digest for name in ("one", "another")]
    assert digests[0] == digests[1]
    assert not compared.left_only and not compared.right_only
    assert set(inputs) == {"examples", "corpus", "base"}
