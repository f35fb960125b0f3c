"""Numerical pieces of the encoder with gradients written out: exact, and in fewer passes over memory.

On CPUs the time between the matrix products goes into element-wise passes, so each piece here keeps
their number small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

Gradient = Callable[..., Any]


@tf.custom_gradient
def gelu(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """Exact GELU, x * Phi(x) (Hendrycks and Gimpel 2016), computed in float32, in the type of `x`."""
    wide = tf.cast(x, tf.float32)
    phi = 0.5 * (1.0 + tf.math.erf(wide * (1.0 / math.sqrt(2.0))))
    result = tf.cast(wide * phi, x.dtype)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(-0.5 * wide * wide) * (1.0 / math.sqrt(2.0 * math.pi))
        return tf.cast(tf.cast(upstream, tf.float32) * (phi + wide * density), x.dtype)

    return result, gradient


@tf.custom_gradient
def layer_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, Gradient]:
    """Layer normalization over the last axis (Ba et al. 2016) of float32 rows.

    Args:
        x: (rows, width).
        gamma: (width,) scale.
        beta: (width,) offset.
        epsilon: Added to the variance.
    """
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)
    normal = centred * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        scaled = upstream * gamma
        along = tf.reduce_mean(scaled * normal, axis=-1, keepdims=True)
        down = inverse * (scaled - tf.reduce_mean(scaled, axis=-1, keepdims=True) - normal * along)
        return (
            down,
            tf.reduce_sum(upstream * normal, axis=0),
            tf.reduce_sum(upstream, axis=0),
            None,
        )

    return normal * gamma + beta, gradient


def dropout(x: tf.Tensor, rate: float, seed: tf.Tensor, site: int) -> tf.Tensor:
    """Dropout whose pattern is a function of (seed, site): the same step drops the same units.

    Args:
        x: Any shape.
        rate: Drop probability; 0 returns `x` itself.
        seed: int32 (2,), the training seed and the step.
        site: Which dropout of the model this is; each draws its own pattern.
    """
    if rate == 0.0:
        return x
    key = seed + tf.constant([site * 1_000_003, 0], tf.int32)
    uniform = tf.random.stateless_uniform(tf.shape(x), key, dtype=tf.float32)
    kept = tf.cast(uniform >= rate, x.dtype)
    return x * (kept * tf.cast(1.0 / (1.0 - rate), x.dtype))
