"""Several GPUs: one replica of the model on each."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf


@functools.cache
def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy where several GPUs are visible, else TensorFlow's default.

    Build models inside its scope. It is the same one each time, as models that are used together
    (a student and its teacher) must be of one strategy.
    """
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()


def strategy_of(variable: Any) -> tf.distribute.Strategy:
    """The strategy in whose scope a variable was made."""
    return getattr(variable, "distribute_strategy", None) or tf.distribute.get_strategy()
