"""What `bertworks init` writes is read by the ingest and validate steps as it said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertworks.contracts.examples import EXAMPLES
from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.saving import save
from bertworks.spec import file as spec_file
from tests.helpers.steps import ingest
from tests.inspection.made import KINDS

RUN = [
    "french_in_cp1252", "inference_with_parses", "emotions_with_semicolons_in_txt", "conll_files",
    "a_document_a_file", "one_hot_columns", "labels_that_look_alike", "a_column_of_splits",
    "names_of_labels_in_a_file", "marked_spans", "scores_with_a_decimal_comma", "shards_of_parquet",
    "folders_of_files_a_class", "an_archive", "a_dict_saved_to_disk", "a_set_saved_to_disk",
    "a_feather_file",
]  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_ingest_reads_what_was_promised(name: str, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    found = inspect(KINDS[name][0](tmp_path / "rows"), tmp_path)
    save(found, tmp_path / "agent.yaml", "bertworks init rows")
    loaded = spec_file.load(tmp_path / "agent.yaml", ["base={uri: scratch}"])
    section = loaded.spec.model_dump(mode="json", by_alias=True)
    outputs = {kind: tmp_path / kind for kind in ("examples", "corpus", "rejected", "base")}
    ingest({**section, "spec_folder": str(loaded.folder)}, **outputs)
    info = EXAMPLES.read(outputs["examples"])
    assert all(info.rows[split] for split in ("train", "validation", "test"))
    assert info.rejected == 0
    assert info.read == found.rows
