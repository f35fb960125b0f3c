"""The tf.Transform part: analyzers over the train split, and reading what they found.

The analyzers see each row's length, and its labels or its score. They make the label vocabulary,
the length quantiles and the moments of the score; the saved graph carries these, and turns labels
into the same numbers, and scores into the same scaled scores, as the token shards have.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bertworks.spec import Task
from bertworks.tasks import for_task
from components.transform.facts import Facts

if TYPE_CHECKING:
    import tensorflow as tf

    Tensors = dict[str, tf.Tensor | tf.SparseTensor]
    """A column's rows, by its name."""

# Before TensorFlow is loaded: its start-up notices are no news to the user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

VOCABULARY = "labels"
PERCENTILES = (25, 50, 75, 90, 99)


def analysis_schema(task: Task) -> pa.Schema:
    """The Arrow schema of the batches that the analyzers read."""
    target, fields = for_task(task).target, [("length", pa.list_(pa.int64()))]
    if target.numeric:
        fields.append(("score", pa.list_(pa.float32())))
    elif target.has_labels:
        fields.append(("label", pa.list_(pa.string())))
    return pa.schema(fields)


def adapter_config(task: Task) -> Any:
    """How tf.Transform turns those batches into tensors: a TensorAdapterConfig."""
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

    representations = {}
    for name in analysis_schema(task).names:
        representation = schema_pb2.TensorRepresentation()
        if name == "label":
            representation.varlen_sparse_tensor.column_name = name
        else:
            representation.dense_tensor.column_name = name
            representation.dense_tensor.shape.SetInParent()
        representations[name] = representation
    return TensorAdapterConfig(analysis_schema(task), representations)


def preprocessing(task: Task) -> Callable[[Tensors], Tensors]:
    """The preprocessing function for a task."""

    target = for_task(task).target

    def preprocess(inputs: Tensors) -> Tensors:
        outputs = {"length_quantiles": _repeat(_length_quantiles(_at_once(inputs, task)), inputs)}
        if target.numeric:
            outputs |= _score(inputs)
        elif target.has_labels:
            outputs["label"] = _label_index(inputs["label"], target.outside)
        return outputs

    return preprocess


def _at_once(inputs: Tensors, task: Task) -> tf.Tensor:
    """Tokens of each row that are read at once: longer rows are read in windows of `max_length`."""
    import tensorflow as tf

    return tf.minimum(inputs["length"], tf.cast(task.max_length, inputs["length"].dtype))


def _length_quantiles(length: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf
    import tensorflow_transform as tft

    percentiles = tft.quantiles(length, num_buckets=100, epsilon=0.001)[0]
    inner = tf.gather(percentiles, [percentile - 1 for percentile in PERCENTILES])
    ends = [tf.cast(end(length), tf.float32)[None] for end in (tft.min, tft.max)]
    return tf.concat([ends[0], inner, ends[1]], axis=0)


def _score(inputs: Tensors) -> Tensors:
    import tensorflow as tf
    import tensorflow_transform as tft

    score = tf.cast(inputs["score"], tf.float64)
    mean, std = tft.mean(score), tf.sqrt(tft.var(score))
    moments = tf.stack([mean, std, tft.min(score), tft.max(score)])
    # As text, with all digits: a transform graph may give back no float64.
    exact = tf.strings.as_string(moments, precision=16, scientific=True)
    scaled = tf.cast((score - mean) / std, tf.float32)
    return {"score_moments": _repeat(exact, inputs), "scaled": scaled}


def _label_index(label: tf.SparseTensor, outside: str) -> tf.SparseTensor:
    """Index into the labels in alphabetical order; the label that says "none" is 0 where there is one.

    tf.Transform orders a vocabulary by weight, then by the reverse alphabet. With all weights equal
    the alphabet remains, read from the end.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    seen = label.values
    if outside:  # it has its place reserved; counted as well, it would spoil the size
        seen = tf.boolean_mask(seen, seen != outside)
    path = tft.vocabulary(
        seen,
        weights=tf.zeros_like(seen, dtype=tf.float32),
        reserved_tokens=[outside] if outside else None,
        vocab_filename=VOCABULARY,
    )
    size = tft.experimental.get_vocabulary_size_by_name(VOCABULARY)
    rank = tft.apply_vocabulary(label.values, path)
    index = tf.where(rank == 0, rank, size - rank) if outside else size - 1 - rank
    return label.with_values(tf.where(rank < 0, rank, index))


def _repeat(values: tf.Tensor, inputs: Tensors) -> tf.Tensor:
    """One copy a row: what a saved graph gives back has a row for each row given."""
    import tensorflow as tf

    return tf.tile(values[None], [tf.shape(inputs["length"])[0], 1])


def read_facts(saved_model: str, task: Task) -> Facts:
    """What the analyzers found, read from the saved transform graph.

    Args:
        saved_model: The folder of the transform_fn.
        task: The task.
    """
    import tensorflow as tf

    inputs: Tensors = {"length": tf.constant([0], tf.int64)}
    target = for_task(task).target
    if target.numeric:
        inputs["score"] = tf.constant([0.0], tf.float32)
    elif target.has_labels:
        inputs["label"] = tf.sparse.from_dense([[""]])
    outputs = _apply(saved_model, inputs)
    score = None
    if target.numeric:
        moments = [float(moment) for moment in outputs["score_moments"].numpy()[0]]
        score = dict(zip(("mean", "std", "min", "max"), moments, strict=True))
    quantiles = outputs["length_quantiles"].numpy()[0].tolist()
    return Facts(_labels(saved_model, task), quantiles, score)


def forget_paths(saved_model: Path) -> None:
    """Makes a saved graph the same wherever and whenever it is written.

    tf.Transform names the vocabulary's table after the temporary file that it was read from. The
    name is what tables are shared by inside a process: it becomes the hash of the vocabulary. The
    fingerprint, which holds a random number and which nobody reads, goes.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    (saved_model / "fingerprint.pb").unlink(missing_ok=True)
    vocabulary = saved_model / "assets" / VOCABULARY
    if not vocabulary.exists():
        return
    name = f"{VOCABULARY}_{hashlib.sha256(vocabulary.read_bytes()).hexdigest()[:16]}".encode()
    model = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    for graph in (meta.graph_def for meta in model.meta_graphs):
        nodes = [*graph.node, *(node for made in graph.library.function for node in made.node_def)]
        for node in nodes:
            if node.op == "HashTableV2":
                node.attr["shared_name"].s = name
    (saved_model / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))


def _apply(saved_model: str, inputs: Tensors) -> Tensors:
    from tensorflow_transform.saved import saved_transform_io_v2

    loader = saved_transform_io_v2.SavedModelLoader(saved_model)
    outputs: Tensors = loader.apply_transform_model(inputs)
    return outputs


def _labels(saved_model: str, task: Task) -> list[str]:
    target = for_task(task).target
    if not target.has_labels:
        return []
    file = Path(saved_model) / "assets" / VOCABULARY
    entries = file.read_text(encoding="utf-8").split("\n")[:-1]
    fixed = entries[:1] if target.outside else []
    return fixed + entries[len(fixed) :][::-1]
