"""Training's achieved FLOP/s against this machine's best matrix product: `make bench-efficiency`.

The operations of a training step are counted from the sizes of the model and the texts of each batch:
matrix products alone, forward and backward, and real tokens alone, so padding, dropout, norms,
softmax, GELU, the optimizer and preparing batches are all loss. The best product is the fastest of
TensorFlow's and torch's, over squares and the model's own shapes, in the same type and the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.arguments import arguments_of
from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import OWN_PYTHON, Side, peer_python
from benchmarks.training_runs import find_run, say
from bertworks.models.config import EncoderConfig

KINDS = {"bf16": "bfloat16", "fp32": "float32"}
TRAININGS = {"fine-tuning": "finetune", "pretraining": "pretrain"}
SQUARES = (512, 1024, 2048, 4096)
LARGE_SQUARE = 8192  # a GPU is not filled by less; a CPU would take minutes
BACKWARD = 2  # a product's gradients are two products of the same size
GOAL = 0.5
DEFAULTS = {"rounds": 5, "finetune_steps": 20, "pretrain_steps": 3, "batch_size": 32}


def main() -> None:
    """Measures and saves."""
    options = _options()
    run = find_run(options.root, options.run)
    raw = json.loads((run.places["base"] / "config.json").read_text("utf-8"))
    config = EncoderConfig.from_huggingface(raw)
    steps = {"fine-tuning": options.finetune_steps, "pretraining": options.pretrain_steps}
    best: dict[str, list[tuple[float, str]]] = {kind: [] for kind in KINDS}
    answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        engines = [
            Side("TensorFlow", OWN_PYTHON, "benchmarks/own_products.py"),
            Side("torch", peer_python(), "benchmarks/peers/torch_products.py"),
        ]
        trainings = {
            (training, kind): run.own_side(
                f"{training}, {kind}",
                section,
                precision=precision,
                seed=options.seed,
                batch_size=options.batch_size,
            )
            for training, section in TRAININGS.items()
            for kind, precision in KINDS.items()
        }
        for side in (*engines, *trainings.values()):
            stack.enter_context(side)
        gpus = engines[0].ask({"kind": "float32", "shapes": [], "repeats": 1})["gpus"]
        for (training, _), side in trainings.items():
            side.ask({"steps": steps[training]})  # builds the graphs
        for number in range(options.rounds):
            for kind, precision in KINDS.items():
                shapes = shapes_of(config, [LARGE_SQUARE] if gpus else [])
                request = {"kind": precision, "shapes": shapes, "repeats": 3}
                found = {side.name: side.ask(request) for side in engines}
                best[kind].append(_best(found, shapes))
                for training in TRAININGS:
                    answer = trainings[training, kind].ask({"steps": steps[training]})
                    answers.setdefault((training, kind), []).append(answer)
                say(f"round {number + 1}, {kind}: best {best[kind][-1]}")
    size = options.batch_size
    outputs = len(json.loads((run.places["tokens"] / "info.json").read_text("utf-8"))["labels"])
    note = ", ".join(gpus) if gpus else "CPU: this machine has no GPU that TensorFlow sees"
    Result(
        name="efficiency-gpu" if gpus else "efficiency",
        title="Training efficiency: achieved over the best matrix product",
        command=f"make bench-efficiency{arguments_of(options, DEFAULTS)}",
        data=f"the sentiment example's batches of {size} rows and of {size} x 128 tokens (run {run.id})",
        rows=[
            row_of(*which, found, best[which[1]], config, outputs, note)
            for which, found in answers.items()
        ],
        seed=options.seed,
    ).save(*([options.out] if options.out else []))


def row_of(
    training: str,
    kind: str,
    answers: list[dict[str, Any]],
    best: list[tuple[float, str]],
    config: EncoderConfig,
    outputs: int,
    note: str,
) -> Row:
    """Achieved over possible, in GFLOP/s; the share with padding counted is in `quality`.

    Args:
        training: "fine-tuning" or "pretraining".
        kind: "bf16" or "fp32".
        answers: What our side answered in each round.
        best: Each round's best product: its FLOP/s, and which it was.
        config: The encoder's sizes.
        outputs: Labels of the classifier.
        note: The device.
    """
    real = [operations(config, a, outputs, padding=False) / a["seconds"] for a in answers]
    computed = [operations(config, a, outputs, padding=True) / a["seconds"] for a in answers]
    possible = [rate for rate, _ in best]
    names = sorted({name for _, name in best})
    return compare(
        f"{training}, {kind}",
        "best matrix product",
        "GFLOP/s",
        [value / 1e9 for value in real],
        [value / 1e9 for value in possible],
        higher_is_better=True,
        goal=GOAL,
        quality={
            "share with padding counted": statistics.median(computed) / statistics.median(possible),
            "tokens/s": statistics.median(a["tokens"] / a["seconds"] for a in answers),
        },
        note=f"best product: {', '.join(names)}; {note}",
    )


def operations(
    config: EncoderConfig, counts: dict[str, Any], outputs: int, *, padding: bool
) -> float:
    """Floating-point operations of the matrix products of a training step, forward and backward.

    Args:
        config: The encoder's sizes.
        counts: What the batches held, see `benchmarks.own_training.counted`.
        outputs: Labels of the classifier; where tokens are predicted, there is no classifier.
        padding: Whether padding counts: then as much as the machine computes, else as much as the
            texts need.
    """
    tokens = counts["places"] if padding else counts["tokens"]
    squares = counts["place_squares"] if padding else counts["squares"]
    hidden = config.hidden_size
    forward = 0.0
    for heads, neurons in zip(config.num_heads, config.intermediate_sizes, strict=True):
        width = heads * config.head_size
        forward += 2 * tokens * hidden * (4 * width + 2 * neurons)  # q, k, v, output; feed-forward
        forward += 2 * squares * 2 * width  # scores, and the values they weigh
    if counts["predicted"]:
        forward += 2 * counts["predicted"] * hidden * (hidden + config.vocab_size)
    else:
        forward += 2 * counts["rows"] * hidden * (hidden + outputs)
    return (1 + BACKWARD) * forward


def shapes_of(
    config: EncoderConfig, more_squares: Sequence[int] = (), rows: int = 4096
) -> list[tuple[int, int, int]]:
    """(rows, inner, columns) of the products to try: squares, and the model's own."""
    hidden, neurons = config.hidden_size, max(config.intermediate_sizes)
    own = [(hidden, 3 * hidden), (hidden, hidden), (hidden, neurons), (neurons, hidden)]
    return [
        *((size, size, size) for size in (*SQUARES, *more_squares)),
        *((rows, *pair) for pair in own),
        (rows * 15 // 100, hidden, config.vocab_size),
    ]


def _best(found: dict[str, Any], shapes: list[tuple[int, int, int]]) -> tuple[float, str]:
    """The fastest product of a round: its FLOP/s, its engine and its shape."""
    return max(
        (rate, f"{engine} {'x'.join(map(str, shape))}")
        for engine, answer in found.items()
        for rate, shape in zip(answer["rates"], shapes, strict=True)
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="latest", help="whose rows and checkpoint (latest)")
    parser.add_argument("--root", help="the folder of runs (.bertworks)")
    for name, default in DEFAULTS.items():  # steps are those of a round
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"({default})"
        )
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, help="another folder for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
