"""Ingest and ExampleGen: rows from the sources, and those rows as tf.Examples."""

import json
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx import v1 as tfx
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from bertworks.spec import Base, Task, Transform
from bertworks.storage import artifacts
from bertworks.text.tokenizer import Tokenizer
from components.launch import run_step
from components.transform.shards import CORPUS, SPLITS, Shard, plan
from components.transform.vocabulary import train_tokenizer
from pipelines.tfx.steps.kinds import RowsArtifact, inside, served
from pipelines.tfx.steps.rows import tf_examples

Examples = tfx.types.standard_artifacts.Examples
Model = tfx.types.standard_artifacts.Model


@tfx.dsl.components.component
def Ingest(
    section: tfx.dsl.components.Parameter[str],
    rows: tfx.dsl.components.OutputArtifact[RowsArtifact],
    corpus: tfx.dsl.components.OutputArtifact[RowsArtifact],
    rejected: tfx.dsl.components.OutputArtifact[RowsArtifact],
    base: tfx.dsl.components.OutputArtifact[RowsArtifact],
) -> None:
    """Runs the ingest step: rows cleaned, deduplicated and split by hash; the base encoder."""
    outputs = {
        "examples": inside(rows, "examples"),
        "corpus": inside(corpus, "corpus"),
        "rejected": inside(rejected, "rejected"),
        "base": inside(base, "base"),
    }
    run_step("ingest", section, {}, outputs)


@tfx.dsl.components.component(use_beam=True)
def ExampleGen(
    section: tfx.dsl.components.Parameter[str],
    rows: tfx.dsl.components.InputArtifact[RowsArtifact],
    corpus: tfx.dsl.components.InputArtifact[RowsArtifact],
    base: tfx.dsl.components.InputArtifact[RowsArtifact],
    examples: tfx.dsl.components.OutputArtifact[Examples],
    texts: tfx.dsl.components.OutputArtifact[Examples],
    encoder: tfx.dsl.components.OutputArtifact[Model],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Writes rows as tf.Examples: the three splits, the corpus, and the encoder to start from.

    An encoder from scratch gets its vocabulary here, since everything after this counts in tokens.
    """
    settings = json.loads(section)["settings"]
    task = Task.model_validate(settings["task"])
    transform = Transform.model_validate(settings["transform"])
    sources = inside(rows, "examples"), inside(corpus, "corpus"), inside(base, "base")
    found = artifacts.open_artifact(sources[0], "examples")
    start = artifacts.open_artifact(sources[2], "base")
    shards = [
        shard for split in SPLITS for shard in plan(found / split, split, transform.shard_rows)
    ]
    texts_of = artifacts.open_artifact(sources[1], "corpus").path
    shards += plan(texts_of, CORPUS, transform.shard_rows)

    _write_encoder(served(encoder), start, Base.model_validate(settings["base"]), task, shards)
    _describe(examples, list(SPLITS))
    _describe(texts, [CORPUS])
    places = {split: _place(examples, split) for split in SPLITS} | {CORPUS: _place(texts, CORPUS)}
    with beam_pipeline as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(shards)
            | "Write" >> beam.Map(
                partial(
                    _write_shard,
                    places=places,
                    task=task.model_dump(mode="json"),
                    transform=transform.model_dump(mode="json"),
                    tokenizer=str(served(encoder)),
                )
            )
        )  # fmt: skip


def _write_encoder(
    folder: Path, base: artifacts.Artifact, wanted: Base, task: Task, shards: list[Shard]
) -> None:
    """The base, with a tokenizer: its own, or for scratch a new one."""
    with artifacts.write(
        folder, kind="base", producer="transform", parents={"base": base},
        metadata=dict(base.metadata),
    ) as out:  # fmt: skip
        for file in base.path.iterdir():
            if file.name != artifacts.MANIFEST:
                _take(file, out / file.name)
        scratch = wanted.uri == "scratch"
        tokenizer = (
            train_tokenizer(wanted.scratch, task, shards) if scratch else Tokenizer.load(base.path)
        )
        for name in ("tokenizer.json", "tokenizer_config.json"):  # links: not to be written through
            (out / name).unlink(missing_ok=True)
        tokenizer.save(out)


def _take(file: Path, to: Path) -> None:
    """A second name for the same bytes where the file system can; else a copy."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copy(file, to)


def _describe(artifact: Any, splits: list[str]) -> None:
    artifact.split_names = artifact_utils.encode_split_names(splits)
    examples_utils.set_payload_format(artifact, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(artifact, "tfrecords_gzip")


def _place(artifact: Any, split: str) -> str:
    folder: str = artifact_utils.get_split_uri([artifact], split)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return folder


def _write_shard(
    shard: Shard,
    places: dict[str, str],
    task: Mapping[str, object],
    transform: Mapping[str, object],
    tokenizer: str,
) -> None:
    import tensorflow as tf

    file = Path(places[shard.split]) / f"data_tfrecord-{shard.number:05d}.gz"
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP")) as writer:
        for record in tf_examples(
            shard,
            Task.model_validate(task),
            Transform.model_validate(transform),
            Tokenizer.load(tokenizer),
        ):
            writer.write(record)
