"""The peer: TFX's way. tf.Transform with the tokenizer in the graph, on Beam's runner in memory.

The graph holds a label vocabulary and TensorFlow Text's FastBertTokenizer, cuts rows and puts the
marks around. Large Arrow batches go in and come out, and are written as Parquet, as our side's are;
TFX's Transform component writes TFRecord files of tf.Example.
"""

import argparse
import json
import os
import uuid
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_text as text
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

BATCH_ROWS = 8192
SCHEMA = pa.schema([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])


def entries(base: Path) -> list[str]:
    """The vocabulary of a tokenizer.json, in the order of the ids."""
    vocabulary = json.loads((base / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)


def preprocessing(vocabulary: list[str], max_length: int):
    """The preprocessing function: label index and token ids."""

    def preprocess(inputs):
        tokenizer = text.FastBertTokenizer(
            vocab=vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=True
        )
        pieces = tokenizer.tokenize(inputs["text"])[:, : max_length - 2]
        rows = pieces.nrows()
        begin, end = (tf.fill([rows, 1], vocabulary.index(mark)) for mark in ("[CLS]", "[SEP]"))
        ids = tf.cast(tf.concat([begin, pieces, end], axis=1), tf.int64)  # as tf.Example holds
        return {
            "input_ids": ids,
            "label": tft.compute_and_apply_vocabulary(inputs["label"], vocab_filename="labels"),
        }

    return preprocess


def adapter_config() -> TensorAdapterConfig:
    """Both columns are one value a row."""
    representations = {}
    for name in SCHEMA.names:
        representations[name] = schema_pb2.TensorRepresentation()
        representations[name].dense_tensor.column_name = name
        representations[name].dense_tensor.shape.SetInParent()
    return TensorAdapterConfig(SCHEMA, representations)


def read(file: str):
    """Arrow batches of a Parquet file, each value a list of one."""
    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS, columns=SCHEMA.names):
        offsets = pa.array(range(batch.num_rows + 1), pa.int32())
        columns = [pa.ListArray.from_arrays(offsets, batch.column(name)) for name in SCHEMA.names]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


class WriteParquet(beam.DoFn):
    """Writes the transformed batches of a bundle as one Parquet file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start_bundle(self) -> None:
        self._writer = None

    def process(self, element) -> None:
        batch, _ = element
        if self._writer is None:
            file = f"{self._folder}/{uuid.uuid4().hex}.parquet"
            self._writer = pq.ParquetWriter(file, batch.schema, compression="zstd")
        self._writer.write_batch(batch)

    def finish_bundle(self) -> None:
        if self._writer is not None:
            self._writer.close()


def main() -> None:
    """Writes the transform graph and the transformed rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, help="folder with examples/train/*.parquet")
    parser.add_argument("--base", type=Path, help="folder with tokenizer.json")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--output", type=Path, help="folder to write to")
    options = parser.parse_args()
    (options.output / "rows").mkdir(parents=True)
    files = sorted(map(str, (options.rows / "examples/train").glob("*.parquet")))
    transform = tft_beam.AnalyzeAndTransformDataset(
        preprocessing(entries(options.base), options.max_length), output_record_batches=True
    )
    # In this process, the fastest of Beam's local runners.
    flags = PipelineOptions(["--direct_running_mode=in_memory"])
    with (
        tft_beam.Context(temp_dir=str(options.output / "temporary")),
        beam.Pipeline(runner=FnApiRunner(), options=flags) as pipeline,
    ):
        batches = (
            pipeline
            | "Files" >> beam.Create(files)
            | "Read" >> beam.FlatMap(read).with_output_types(pa.RecordBatch)
        )
        (rows, _), graph = (batches, adapter_config()) | transform
        _ = graph | tft_beam.WriteTransformFn(str(options.output / "graph"))
        _ = rows | "Write" >> beam.ParDo(WriteParquet(str(options.output / "rows")))


if __name__ == "__main__":
    main()
