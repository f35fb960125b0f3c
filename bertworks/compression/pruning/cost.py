"""What the blocks of an encoder cost, computed from their sizes: the same on every machine, every time.

Widths that are chosen by a clock differ from run to run, and so does the agent. Here a block's time is a
sum over what its int8 kernels do, each with a time a unit of work. The times a unit were fitted once to
blocks measured by `bertworks.compression.measuring` (`make bench-cost`, which prints them and how far
off they are). Only how the blocks compare matters to the choice of widths: a machine that is twice as
fast in everything gets the same widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from bertworks.compression.measuring import measured_widths
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject, rising

THREADS = 2  # that the costs are of

Work = dict[str, float]
"""Units of work a token, by the name of the cost in `Costs`."""


@dataclass(frozen=True)
class Costs:
    """Nanoseconds a unit of work.

    Attributes:
        product: A multiply-add of an int8 matrix product.
        score: A multiply-add of queries with keys, and of chances with values.
        softmax: An attention score of one head.
        column: A column of the heads' queries, keys, values or contexts, scaled and rounded.
        neuron: A feed-forward neuron: GELU, scaled and rounded.
        block: A number of the residual stream, rounded and scaled for a block that has units.
        rest: A number of the residual stream, summed and normalized.
        embedding: A number of the embeddings, looked up, summed and normalized.
        head: A multiply-add of the head.
    """

    product: float
    score: float
    softmax: float
    column: float
    neuron: float
    block: float
    rest: float
    embedding: float
    head: float


# From `make bench-cost`, benchmarks/results/cost.json: an AMD EPYC with AVX2, two threads, CPU time.
# With both head sizes that were measured, scores cost as their softmax does: it bears their time too.
MEASURED = Costs(
    product=0.008897, score=0.0, softmax=3.848, column=0.7086, neuron=1.79, block=0.2606, rest=0.4806,
    embedding=1.696, head=0.0319,
)  # fmt: skip


def modelled(subject: Subject, shapes: Sequence[Shape], costs: Costs = MEASURED) -> LatencyTable:
    """The latency table of an encoder by the cost model.

    Args:
        subject: The full sizes of a layer, and the head.
        shapes: Batch shapes, from `representative_shapes`.
        costs: Nanoseconds a unit of work.
    """

    def milliseconds(work: Mapping[int, Work]) -> float:
        return sum(shape.share * time_of(work[shape.length], costs) for shape in shapes)

    lengths = [shape.length for shape in shapes]

    def times(last: bool) -> LayerTimes:
        attention = {
            heads: milliseconds({n: attention_work(subject, heads, n, last) for n in lengths})
            for heads in measured_widths(subject.num_heads)
        }
        feed_forward = {
            neurons: milliseconds(
                {n: feed_forward_work(subject, neurons, n, last) for n in lengths}
            )
            for neurons in measured_widths(subject.intermediate_size)
        }
        return LayerTimes(rising(attention), rising(feed_forward))

    sequence = subject.head == "sequence"
    return LatencyTable(
        inner=times(last=False),
        last=times(last=sequence),
        fixed=round(milliseconds({n: fixed_work(subject, n) for n in lengths}), 6),
        spread=0.0,
        rounds=0,
        threads=THREADS,
        subject=subject,
        shapes=tuple(shapes),
    )


def time_of(work: Work, costs: Costs) -> float:
    """Milliseconds per 1,000 tokens, which is microseconds a token."""
    return sum(units * getattr(costs, name) for name, units in work.items()) / 1000


def attention_work(subject: Subject, heads: int, length: int, last: bool) -> Work:
    """What an attention block does a token.

    Args:
        subject: Sizes.
        heads: Its heads.
        length: Tokens a row.
        last: Whether only the first token's answer is computed, though all keys and values.
    """
    share = 1.0 / length if last else 1.0
    if not heads:
        return {"rest": subject.hidden_size * share}
    columns = heads * subject.head_size
    return {
        "product": subject.hidden_size * columns * (2 + 2 * share),
        "score": 2 * length * columns * share,
        "softmax": heads * length * share,
        "column": columns * (2 + 2 * share),
        "block": subject.hidden_size * (1 + share),
        "rest": subject.hidden_size * share,
    }


def feed_forward_work(subject: Subject, neurons: int, length: int, last: bool) -> Work:
    """What a feed-forward block does a token; the arguments are those of `attention_work`."""
    share = 1.0 / length if last else 1.0
    if not neurons:
        return {"rest": subject.hidden_size * share}
    return {
        "product": 2 * subject.hidden_size * neurons * share,
        "neuron": neurons * share,
        "block": 2 * subject.hidden_size * share,
        "rest": subject.hidden_size * share,
    }


def fixed_work(subject: Subject, length: int) -> Work:
    """What the embeddings and the head do a token."""
    rows = 1.0 / length if subject.head == "sequence" else 0.0
    return {
        "embedding": subject.hidden_size,
        "head": subject.hidden_size**2 * rows,
    }


def names() -> list[str]:
    """The costs' names, in their order."""
    return [field.name for field in fields(Costs)]
