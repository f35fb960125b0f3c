"""Numerical pieces of the encoder with gradients written out: exact, and in few passes over memory.

On CPUs the time between the matrix products goes into element-wise passes. Each piece here is one
kernel forward and one backward: inside `compiled` XLA fuses all of its passes, bias and dropout
included, into one loop over the rows. XLA compiles a kernel anew for each shape, about a second for
all kernels of a step, so it is for shapes that come back. The matrix products stay outside, as
oneDNN's are faster than XLA's.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import tensorflow as tf

Gradient = Callable[..., Any]


class Norm(NamedTuple):
    """A layer normalization: scale and offset, (width,) each, and what is added to the variance."""

    gamma: tf.Tensor
    beta: tf.Tensor
    epsilon: float


class Drop(NamedTuple):
    """A dropout: see `dropout`; without a seed nothing is dropped."""

    rate: float
    seed: tf.Tensor | None
    site: int


class Pattern(NamedTuple):
    """What a dropout's pattern is a function of: int32 (2,) and int32 ()."""

    seed: tf.Tensor
    site: tf.Tensor


class Residual(NamedTuple):
    """What the end of a block reads: a product, its bias, the residual stream, scale and offset."""

    change: tf.Tensor
    bias: tf.Tensor
    rows: tf.Tensor
    gamma: tf.Tensor
    beta: tf.Tensor


class Settings(NamedTuple):
    """What a kernel is made for, known before its tensors: each has a kernel of its own.

    Attributes:
        fused: XLA compiles it, with the dropout inside.
        rate: Of dropout.
        epsilon: Of layer normalization.
        kind: Of the block's product.
    """

    fused: bool
    rate: float = 0.0
    epsilon: float = 0.0
    kind: tf.DType = tf.float32


_compiled_here: ContextVar[bool] = ContextVar("compiled_here", default=False)


@contextlib.contextmanager
def compiled(wanted: bool = True) -> Iterator[None]:
    """Kernels that are traced inside are compiled by XLA."""
    token = _compiled_here.set(wanted)
    try:
        yield
    finally:
        _compiled_here.reset(token)


def gelu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Exact GELU of z = x + bias: z * Phi(z) (Hendrycks and Gimpel 2016), in the type of `x`.

    Args:
        x: (rows, width), a product of the compute type; the sum and GELU are computed in float32.
        bias: (width,), float32.
    """
    run = _runner(_compiled_here.get())

    @tf.custom_gradient
    def apply(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        return run(_gelu, x, bias), lambda upstream: run(_gelu_gradient, x, bias, upstream)

    return apply(x, bias)


def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer normalization over the last axis (Ba et al. 2016) of float32 rows.

    Args:
        x: (rows, width).
        gamma: (width,) scale.
        beta: (width,) offset.
        epsilon: Added to the variance.
    """
    run = _runner(_compiled_here.get())

    @tf.custom_gradient
    def apply(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: Any) -> tuple[tf.Tensor, ...]:
            backward = functools.partial(_norm_gradient, epsilon)
            return run(backward, x, gamma, tf.convert_to_tensor(upstream))

        return run(functools.partial(_norm, epsilon), x, gamma, beta), gradient

    return apply(x, gamma, beta)


def add_norm(
    change: tf.Tensor,
    bias: tf.Tensor,
    rows: tf.Tensor,
    norm: Norm,
    drop: Drop,
) -> tf.Tensor:
    """LayerNorm(rows + dropout(change + bias)): how both blocks of a layer end.

    Args:
        change: (rows, width), a product of the compute type.
        bias: (width,), float32.
        rows: (rows, width), float32, the residual stream.
        norm: Of the sum.
        drop: Of the change.
    """
    rate, pattern = _settled(drop)
    how = Settings(_compiled_here.get(), rate, norm.epsilon, change.dtype)
    run = _runner(how.fused)

    @tf.custom_gradient
    def apply(
        change: tf.Tensor, bias: tf.Tensor, rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, Gradient]:
        parts = Residual(change, bias, rows, gamma, beta)
        total, result = run(functools.partial(_add_norm, how), parts, pattern)

        def gradient(upstream: Any) -> tuple[tf.Tensor, ...]:
            backward = functools.partial(_add_norm_gradient, how)
            # Where rows were picked from the result, their gradient is of the picked rows alone.
            return run(backward, total, gamma, tf.convert_to_tensor(upstream), pattern)

        return result, gradient

    return apply(change, bias, rows, norm.gamma, norm.beta)


def attention_weights(scores: tf.Tensor, bias: tf.Tensor, drop: Drop) -> tf.Tensor:
    """dropout(softmax(scores + bias)) over the last axis, in the type of `scores`.

    Args:
        scores: (batch, heads, length, length), of the compute type; softmax is taken in float32.
        bias: float32, broadcast to the scores; no gradient flows into it.
        drop: Of the shares.
    """
    rate, pattern = _settled(drop)
    how = Settings(_compiled_here.get(), rate)
    run = _runner(how.fused)

    @tf.custom_gradient
    def apply(scores: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        shares, dropped = run(functools.partial(_weights, how), scores, bias, pattern)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return run(functools.partial(_weights_gradient, how), shares, upstream, pattern)

        return dropped, gradient

    return apply(scores)


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
    how = Settings(_compiled_here.get(), rate)
    run, pattern = _runner(how.fused), Pattern(seed, tf.constant(site, tf.int32))
    apply = functools.partial(_dropped, how)

    @tf.custom_gradient
    def kept(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        return run(apply, x, pattern), lambda upstream: run(apply, upstream, pattern)

    return kept(x)


def relative_distance(state: tf.Tensor, goal: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Squared distance of two states over real tokens, relative to the goal's square: a scalar.

    Args:
        state: (batch, length, width), float32.
        goal: The same shape, of any floating type; no gradient flows into it.
        mask: (batch, length), 1 at real tokens.
    """
    run = _runner(_compiled_here.get())

    @tf.custom_gradient
    def apply(state: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        miss, size = run(_distance, state, goal, mask)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return run(_distance_gradient, state, goal, mask, upstream / size)

        return miss / size, gradient

    return apply(state)


def _settled(drop: Drop) -> tuple[float, Pattern]:
    """Rate and pattern as kernels take them; the rate is 0 without a seed."""
    if drop.seed is None:
        none = tf.zeros(2, tf.int32)
        return 0.0, Pattern(none, none[0])
    return drop.rate, Pattern(drop.seed, tf.constant(drop.site, tf.int32))


def _runner(fused: bool) -> Callable[..., Any]:
    """Calls a kernel: compiled, or as it stands."""

    def run(kernel: Callable[..., Any], *arguments: Any) -> Any:
        if not fused:
            return kernel(*arguments)
        if isinstance(kernel, functools.partial):
            return _kernel(kernel.func, *kernel.args)(*arguments)
        return _kernel(kernel)(*arguments)

    return run


@functools.lru_cache(maxsize=128)
def _kernel(kernel: Callable[..., Any], *settings: Any) -> Any:
    """One function for all layers, so that each shape is compiled once, not once a layer."""
    bound = functools.partial(kernel, *settings)
    return tf.function(bound, jit_compile=True, autograph=False, reduce_retracing=True)


def _gelu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    z = tf.cast(x, tf.float32) + bias
    return tf.cast(z * _phi(z), x.dtype)


def _gelu_gradient(
    x: tf.Tensor, bias: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    z = tf.cast(x, tf.float32) + bias
    density = tf.exp(-0.5 * z * z) * (1.0 / math.sqrt(2.0 * math.pi))
    down = tf.cast(upstream, tf.float32) * (_phi(z) + z * density)
    return tf.cast(down, x.dtype), tf.reduce_sum(down, axis=0)


def _phi(z: tf.Tensor) -> tf.Tensor:
    """The standard normal distribution function."""
    return 0.5 * (1.0 + tf.math.erf(z * (1.0 / math.sqrt(2.0))))


def _norm(epsilon: float, x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    return _normal(epsilon, x)[0] * gamma + beta


def _normal(epsilon: float, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows of mean 0 and variance 1, and the inverse of their deviation before."""
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)
    return centred * inverse, inverse


def _norm_gradient(
    epsilon: float, x: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    normal, inverse = _normal(epsilon, x)
    scaled = upstream * gamma
    along = tf.reduce_mean(scaled * normal, axis=-1, keepdims=True)
    down = inverse * (scaled - tf.reduce_mean(scaled, axis=-1, keepdims=True) - normal * along)
    return down, tf.reduce_sum(upstream * normal, axis=0), tf.reduce_sum(upstream, axis=0)


def _distance(state: tf.Tensor, goal: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The sums of squares of what separates the two, and of the goal."""
    real = tf.cast(mask, tf.float32)[..., tf.newaxis]
    wanted = tf.cast(goal, tf.float32)
    miss = tf.reduce_sum(tf.square(state - wanted) * real)
    return miss, tf.maximum(tf.reduce_sum(tf.square(wanted) * real), 1e-6)


def _distance_gradient(
    state: tf.Tensor, goal: tf.Tensor, mask: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    real = tf.cast(mask, tf.float32)[..., tf.newaxis]
    return (2.0 * scale) * (state - tf.cast(goal, tf.float32)) * real


def _add_norm(how: Settings, parts: Residual, pattern: Pattern) -> tuple[tf.Tensor, tf.Tensor]:
    change = tf.cast(parts.change, tf.float32) + parts.bias
    total = parts.rows + _dropped(how, change, pattern)
    return total, _norm(how.epsilon, total, parts.gamma, parts.beta)


def _add_norm_gradient(
    how: Settings, total: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor, pattern: Pattern
) -> tuple[tf.Tensor, ...]:
    down, scale, offset = _norm_gradient(how.epsilon, total, gamma, upstream)
    change = _dropped(how, down, pattern)
    return tf.cast(change, how.kind), tf.reduce_sum(change, axis=0), down, scale, offset


def _weights(
    how: Settings, scores: tf.Tensor, bias: tf.Tensor, pattern: Pattern
) -> tuple[tf.Tensor, tf.Tensor]:
    shares = tf.nn.softmax(tf.cast(scores, tf.float32) + bias)
    dropped = _dropped(how, shares, pattern)
    return tf.cast(shares, scores.dtype), tf.cast(dropped, scores.dtype)


def _weights_gradient(
    how: Settings, shares: tf.Tensor, upstream: tf.Tensor, pattern: Pattern
) -> tf.Tensor:
    wide = tf.cast(shares, tf.float32)
    kept = _dropped(how, tf.cast(upstream, tf.float32), pattern)
    down = wide * (kept - tf.reduce_sum(wide * kept, axis=-1, keepdims=True))
    return tf.cast(down, shares.dtype)


def _dropped(how: Settings, x: tf.Tensor, pattern: Pattern) -> tf.Tensor:
    if how.rate == 0.0:
        return x
    if how.fused:
        kept = _hash(tf.shape(x), pattern) >= tf.constant(int(how.rate * 2**32), tf.uint32)
    else:
        key = pattern.seed + tf.stack([pattern.site * 1_000_003, 0])
        kept = tf.random.stateless_uniform(tf.shape(x), key, dtype=tf.float32) >= how.rate
    return tf.where(kept, x * tf.cast(1.0 / (1.0 - how.rate), x.dtype), tf.zeros((), x.dtype))


def _hash(shape: tf.Tensor, pattern: Pattern) -> tf.Tensor:
    """Evenly spread uint32 numbers of a shape: each place, seed and site hashed.

    TensorFlow's generators cannot be fused: XLA's take longer than the products. Two rounds of
    multiplication and xor-shift (Steele and Flood 2014, "Fast splittable pseudorandom number
    generators", section 4) cost next to nothing inside a fused loop.
    """
    low, high = tf.unstack(tf.cast(pattern.seed, tf.uint32))
    site = tf.cast(pattern.site, tf.uint32)
    key = _mix(low + _mix(high + _mix(site + _unsigned(0x9E3779B9))))
    places = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
    return tf.reshape(_mix(places + key), shape)


def _mix(x: tf.Tensor) -> tf.Tensor:
    x = _xor_shift(x, 16) * _unsigned(0x7FEB352D)
    x = _xor_shift(x, 15) * _unsigned(0x846CA68B)
    return _xor_shift(x, 16)


def _xor_shift(x: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, _unsigned(bits)))


def _unsigned(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)
