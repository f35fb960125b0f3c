"""Masked-language-model pretraining against transformers' run_mlm example: `make bench-pretrain`.

All sides start from the same checkpoint (its masked-language-model head is fresh, tied to the word
embeddings) and take the same texts of a run, about 4,096 real tokens a step, 15 % of them masked anew
each time. They train in turn, a few steps each. A useful token is a real one: padding does not count.
The clock counts whole steps with the making of their batches; tokenization is done ahead by all. After
the last round every side's loss is measured on the same masked tokens of held-out texts.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.harness.results import Result, Row, compare
from benchmarks.harness.sides import Side, peer_python
from benchmarks.training_runs import Course, Trained, advance, find_run, say
from bertworks.spec import Pretrain
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.text.batching import pad_batch
from bertworks.training.objectives.corpus import Marks, read_texts

OWN = {"bertworks bf16": "bfloat16", "bertworks fp32": "float32"}
LIKE_LENGTH = "batches of like length"
LINES, BLOCKS = ("--form", "lines"), ("--form", "blocks")
PEERS = {
    "run_mlm line by line, fp32": LINES,
    "run_mlm line by line, bf16": (*LINES, "--bf16"),
    f"run_mlm line by line, bf16, {LIKE_LENGTH}": (*LINES, "--bf16", "--grouped"),
    "run_mlm grouped, fp32": BLOCKS,
    "run_mlm grouped, bf16": (*BLOCKS, "--bf16"),
}
GOALS = {"lines": 3.0, "blocks": 1.5}
PROBE_TEXTS = 64
PROBE_SHARE = 0.15


def main() -> None:
    """Measures and saves."""
    options = _options()
    run = find_run(options.root, options.run)
    tokens = open_artifact(run.places["tokens"], "tokens")
    steps = options.warm + options.rounds * options.steps
    chosen = {"steps": max(200, 2 * steps), "seed": options.seed}
    settings = Pretrain.model_validate({**run.spec["pretrain"], **chosen})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        texts, probe = Path(folder) / "texts.npz", Path(folder) / "probe.npz"
        write_texts(texts, probe, tokens, settings)
        sides = [stack.enter_context(side) for side in _sides(run, settings, texts, probe)]
        courses = {side.name: Course() for side in sides}
        for number in range(options.rounds + 1):
            for side in sides if number % 2 == 0 else reversed(sides):
                course = courses[side.name]
                advance(side, course, options.steps if number else options.warm)
                say(f"round {number}, {side.name}: {course.tokens[-1] / course.seconds[-1]:.0f}")
        for side in sides:
            courses[side.name].values.append(side.ask({"evaluate": True})["value"])
    require_equal_work(courses)
    Result(
        name="pretrain",
        title="Masked-language-model pretraining",
        command="make bench-pretrain",
        data=f"the corpus of the sentiment example (run {run.id}), about 4,096 real tokens a step",
        rows=rows_of(courses),
        seed=options.seed,
    ).save(*([options.out] if options.out else []))


def rows_of(courses: dict[str, Course]) -> list[Row]:
    """Our default, bfloat16, against each way of run_mlm; then float32 against its float32."""
    default, exact = OWN
    rows = [_row(courses, default, name, GOALS[form]) for name, (_, form, *_) in PEERS.items()]
    return rows + [_row(courses, exact, name, None) for name in PEERS if name.endswith("fp32")]


def _row(courses: dict[str, Course], own: str, name: str, goal: float | None) -> Row:
    mine, other = courses[own], courses[name]
    return compare(
        f"useful tokens a second, {own.split()[-1]}",
        name,
        "tokens/s",
        mine.rates,
        other.rates,
        higher_is_better=True,
        goal=goal,
        quality={
            "held-out loss": mine.values[0],
            "peer held-out loss": other.values[0],
            "tokens": sum(mine.tokens),
            "peer tokens": sum(other.tokens),
        },
    )


def write_texts(texts: Path, probe: Path, tokens: Artifact, settings: Pretrain) -> None:
    """Writes what we train on for the peers, and masked held-out texts to measure all sides on.

    Args:
        texts: For `values` and `offsets`: token ids of the texts, without marks.
        probe: For `input_ids` and `mask`, (texts, width), where [MASK] hides 15 % of the tokens;
            `masked`, their flat places; `targets`, what stood there.
        tokens: The run's tokens artifact.
        settings: Say which texts are held out, and the seed.
    """
    marks = Marks.of(tokens)
    trained, held_out = read_texts(tokens, settings.held_out)
    np.savez(texts, values=trained.input_ids.values, offsets=trained.input_ids.offsets)
    longest = settings.sequence_length - 2
    chosen = [held_out.input_ids[row][:longest] for row in range(len(held_out.input_ids))]
    padded = pad_batch([[marks.cls, *ids, marks.sep] for ids in chosen[:PROBE_TEXTS]], marks.pad)
    mask = (padded != marks.pad).astype(np.int32)
    plain = np.flatnonzero(~np.isin(padded, (marks.pad, marks.cls, marks.sep)))
    count = max(1, round(PROBE_SHARE * len(plain)))
    places = np.sort(np.random.default_rng(settings.seed).choice(plain, count, replace=False))
    targets = padded.reshape(-1)[places].astype(np.int32)
    padded.reshape(-1)[places] = marks.mask
    np.savez(probe, input_ids=padded, mask=mask, masked=places.astype(np.int32), targets=targets)


def _sides(run: Trained, settings: Pretrain, texts: Path, probe: Path) -> list[Side]:
    script = "benchmarks/peers/trainer_mlm.py"
    per_step = settings.batch_size * settings.sequence_length
    assert settings.steps is not None
    common = (
        *("--probe", probe, "--tokens", per_step, "--length", settings.sequence_length),
        *("--learning-rate", settings.learning_rate, "--steps", settings.steps),
        *("--warmup", round(settings.warmup * settings.steps), "--seed", settings.seed),
    )
    planned = {"steps": settings.steps, "seed": settings.seed}
    own = [
        run.own_side(name, "pretrain", "--probe", probe, **planned, precision=precision)
        for name, precision in OWN.items()
    ]
    base = run.places["base"]
    peers = [
        Side(name, peer_python(), script, texts, base, *common, *more)
        for name, more in PEERS.items()
    ]
    return own + peers


def require_equal_work(courses: dict[str, Course]) -> None:
    """Refuses sides whose steps held more than a tenth fewer or more tokens than the others'.

    Batches of like length are left out: they begin with the longest texts.
    """
    totals = {
        name: sum(course.tokens) for name, course in courses.items() if LIKE_LENGTH not in name
    }
    if max(totals.values()) > 1.1 * min(totals.values()):
        raise SystemExit(f"error: the sides did not get as many tokens: {totals}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="latest", help="whose corpus and checkpoint (latest)")
    parser.add_argument("--root", help="the folder of runs (.bertworks)")
    parser.add_argument("--rounds", type=int, default=4, help="timed turns of each side (4)")
    parser.add_argument("--steps", type=int, default=2, help="of a turn (2)")
    parser.add_argument("--warm", type=int, default=1, help="steps before the first turn (1)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, help="another folder for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
