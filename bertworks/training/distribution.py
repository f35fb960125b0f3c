"""Several GPUs: one replica of the model on each."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy where several GPUs are visible, else TensorFlow's default.

    Build the model inside its scope.
    """
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def strategy_of(variable: Any) -> tf.distribute.Strategy:
    """The strategy in whose scope a variable was made."""
    return getattr(variable, "distribute_strategy", None) or tf.distribute.get_strategy()
