"""The accuracy / speed curve of pruning, against two other ways to a faster student.

For each wanted speed-up three students are made of one fine-tuned model:

- ours: heads and neurons by importance and measured latency, then repaired, as the prune step does;
- FFN magnitude: feed-forward neurons alone, as many in every layer, by the norm of their weights;
- smaller dense: fewer layers, evenly spaced, as DistilBERT starts.

All three are then trained for the same seconds, by the same teacher, loss, batches and learning rate.
Their speed is that of their dynamic int8 graphs in ONNX Runtime, timed in turn on batch shapes that
stand for the task's rows. Each of our points is compared with each peer's curve at the same speed,
interpolated between the peer's points, of which the unpruned model is the first. Where a peer's
curve has ended (it cannot be as fast) there is nothing to compare.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.results import Result, Row
from benchmarks.pruning_agents import Agent, made, newest_run, say
from benchmarks.pruning_students import Student, by_magnitude, ours, shallower
from benchmarks.pruning_training import Classroom, Trained
from bertworks.compression.graph import build_graph
from bertworks.compression.measuring import compare, measure
from bertworks.compression.pruning.latency import LatencyTable, Subject, representative_shapes
from bertworks.compression.pruning.shrink import Model, Narrowing
from bertworks.spec import Prune
from pipelines.local.root import open_root

OURS, MAGNITUDE, DENSE = "bertworks", "FFN magnitude", "smaller dense"
PEERS = {
    MAGNITUDE: "magnitude pruning of FFN alone",
    DENSE: "smaller dense student",
}
# The splits that are held out: those of sentiment are small, so both are taken.
HELD_OUT = {"sentiment": ("validation", "test"), "ner": ("test",)}


@dataclass(frozen=True)
class Point:
    """One student of a curve.

    Attributes:
        method: Which curve it lies on.
        wanted: The speed-up that was asked for.
        trained: The trained student.
        speedup: As measured; 0 until then.
    """

    method: str
    wanted: float
    trained: Trained
    speedup: float = 0.0


def main() -> None:
    """Measures the curves and saves them."""
    options = _options()
    root = open_root(options.root)
    for variable, place in root.environment().items():
        os.environ.setdefault(variable, place)
    rows: list[Row] = []
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    told = []
    for name in options.tasks:
        limit, epochs = getattr(options, f"{name}_rows"), getattr(options, f"{name}_epochs")
        found = newest_run(root, name) if limit is None else None
        model, tokens = found or made(name, root.path / "benchmarks", limit, epochs)
        agent = Agent.load(name, model, tokens, HELD_OUT[name])
        settings = Prune(seed=options.seed)
        classroom = Classroom(agent, settings)
        metric = agent.handler.default_metric
        points = curve_points(agent, classroom, settings, options)
        curves[f"{name}: {metric}"] = curves_of(
            points, classroom.metrics[metric], lambda trained: next(iter(trained.metrics.values()))
        )
        rows += compared(name, metric, points, classroom.metrics, sum(map(len, agent.held_out)))
        told.append(
            f"{name}: {len(agent.train):,} training rows, scored on "
            f"{sum(map(len, agent.held_out)):,} of {' and '.join(HELD_OUT[name])}"
        )
    Result(
        name="pruning",
        title="Pruning: accuracy over speed",
        command="make bench-pruning",
        data=f"{'; '.join(told)}; every student trained for {options.seconds:g} s",
        rows=rows,
        curves=curves,
        axes=("speed-up of the int8 graph", "metric on held-out rows"),
        seed=options.seed,
    ).save()


def curve_points(
    agent: Agent, classroom: Classroom, settings: Prune, options: argparse.Namespace
) -> list[Point]:
    """Makes, trains, scores and times the students of an agent, all methods at every speed."""
    info, full, handler = agent.info, agent.full, agent.handler
    shapes = representative_shapes(info.length_quantiles)
    subject = Subject.of(full.config, handler.head(), handler.task.pair)
    table = measure(subject, shapes, seconds=options.table_seconds)
    narrowing = Narrowing(full, agent.train, handler, table, settings, classroom.pad)
    points: list[Point] = []
    ended: set[str] = set()
    for speedup in sorted(options.speedups):
        students = {
            OURS: ours(narrowing, speedup),
            MAGNITUDE: by_magnitude(full, table, speedup),
            DENSE: shallower(full, table, speedup),
        }
        for method, student in students.items():
            if method in ended:
                continue
            points.append(_point(agent, classroom, method, speedup, student, options.seconds))
            if not student.reached:
                ended.add(method)
    return timed(agent, table, points, options.compare_seconds)


def _point(
    agent: Agent,
    classroom: Classroom,
    method: str,
    speedup: float,
    student: Student,
    seconds: float,
) -> Point:
    trained = classroom.train(student, seconds)
    config = student.model.config
    scores = ", ".join(f"{name} {value:.4f}" for name, value in trained.metrics.items())
    say(
        f"{agent.name} {speedup:g}x {method}: {scores}, as the teacher {trained.agreement:.4f}; "
        f"{trained.seconds:.1f} s, {trained.epochs:.2f} epochs; heads {config.num_heads}, "
        f"neurons {config.intermediate_sizes}"
    )
    return Point(method, speedup, trained)


def timed(agent: Agent, table: LatencyTable, points: list[Point], seconds: float) -> list[Point]:
    """The points with their speed-ups, measured in turn with the unpruned model's graph."""
    task = agent.handler.task

    def graph(model: Model) -> bytes:
        built = build_graph(
            model.config, model.weights, agent.handler.head(), pair=task.pair,
            max_length=agent.info.max_length, form="int8",
        )  # fmt: skip
        return bytes(built.SerializeToString())

    graphs = [graph(agent.full), *(graph(point.trained.model) for point in points)]
    full, *others = compare(
        graphs, table.shapes, pair=task.pair, vocabulary=agent.full.config.vocab_size,
        seconds=seconds, threads=table.threads,
    )  # fmt: skip
    return [
        Point(point.method, point.wanted, point.trained, full / time)
        for point, time in zip(points, others, strict=True)
    ]


def curves_of(
    points: list[Point], teacher: float, value: Callable[[Trained], float]
) -> dict[str, list[tuple[float, float]]]:
    """Each method's (speed-up, value) by rising speed, from the unpruned model's on."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        curve = curves.setdefault(point.method, [(1.0, round(teacher, 5))])
        curve.append((round(point.speedup, 4), round(value(point.trained), 5)))
    return {method: sorted(curve) for method, curve in curves.items()}


def compared(
    name: str, metric: str, points: list[Point], metrics: dict[str, float], count: int
) -> list[Row]:
    """For each peer: how we compare at each of our points, and the least margin as the verdict.

    Args:
        name: The task's.
        metric: What is compared; the share of answers that are the teacher's, a finer measure as
            chance weighs less on it, stands beside.
        points: The measured students.
        metrics: The unpruned model's.
        count: Held-out rows.
    """
    teacher = metrics[metric]
    curves = curves_of(points, teacher, lambda trained: trained.metrics[metric])
    agreeing = curves_of(points, 1.0, lambda trained: trained.agreement)
    rows = []
    for method, peer in PEERS.items():
        margins: list[tuple[float, float]] = []
        for point in (point for point in points if point.method == OURS):
            mine, speed = point.trained.metrics[metric], point.speedup
            quality = {
                f"unpruned {metric}": teacher,
                **{f"own {other}": value for other, value in point.trained.metrics.items()},
                "own as the teacher": point.trained.agreement,
            }
            theirs, alike = (interpolated(curve[method], speed) for curve in (curves, agreeing))
            if theirs is None or alike is None:
                note = f"the peer's curve ends at {curves[method][-1][0]:.2f}x"
            else:
                note = ""
                quality |= {f"peer {metric}": theirs, "peer as the teacher": alike}
                margins.append((mine - theirs, speed))
            what = f"{name}, {speed:.2f}x as fast"
            rows.append(Row(what, peer, metric, mine, theirs, quality=quality, note=note))
        least, at = min(margins, default=(float("nan"), 0.0))
        note = f"at {at:.2f}x; {len(margins)} of our points lie within the peer's curve"
        if metric == "accuracy":
            error = np.sqrt(teacher * (1 - teacher) / count)
            note += f"; the standard error of one accuracy is {error:.4f}"
        rows.append(Row(f"{name}, least margin", peer, metric, least, goal=0.0, note=note))
    return rows


def interpolated(curve: list[tuple[float, float]], speed: float) -> float | None:
    """A curve's value at a speed, on the straight line between neighbours; None past its end."""
    speeds, values = zip(*curve, strict=True)
    return None if speed > speeds[-1] else float(np.interp(speed, speeds, values))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = {"type": int, "default": None, "metavar": "ROWS"}
    parser.add_argument("--tasks", nargs="+", default=["sentiment", "ner"], choices=list(HELD_OUT))
    parser.add_argument("--speedups", nargs="+", type=float, default=[1.5, 2, 3, 4.5, 6])
    parser.add_argument("--seconds", type=float, default=16.0, help="training of every student")
    parser.add_argument(
        "--sentiment-rows", **number,
        help="rows of all splits (data.max_rows); left out: all, and the newest finished run of "
        "examples/sentiment.yaml is taken where there is one",
    )  # fmt: skip
    parser.add_argument("--sentiment-epochs", type=int, default=2, help="where no run is taken")
    parser.add_argument("--ner-rows", **{**number, "default": 4000}, help="training sentences")
    parser.add_argument("--ner-epochs", type=int, default=2, help="of the teacher's fine-tuning")
    parser.add_argument("--table-seconds", type=float, default=10.0, help="timing of single blocks")
    parser.add_argument("--compare-seconds", type=float, default=20.0, help="timing of students")
    parser.add_argument("--root", default=None, help="the run folder; .bertworks unless set")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


if __name__ == "__main__":
    main()
