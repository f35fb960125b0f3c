"""A tiny agent: 400 made-up rows, an encoder from scratch that trains in seconds."""

import random
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 1500
"""Seconds after which a whole run counts as hung: half a minute alone, many beside much other work."""

SPEC = """\
name: tiny
task: {type: classification, max_length: 32}
data:
  sources:
    - {uri: rows.csv, license: made up}
  validation: 0.15
  test: 0.15
base:
  uri: scratch
  scratch: {vocab_size: 200, layers: 2, hidden_size: 32, heads: 2, intermediate_size: 64}
validate:
  checks: {near_duplicates: ignore, leakage: ignore}
finetune: {epochs: 3, learning_rate: 0.003, batch_size: 16, precision: float32, checkpoint_steps: 5}
evaluate: {slices: [length], bootstrap: 50}
compress:
  prune: {speedup: 1.3, epochs: 1, learning_rate: 0.001, importance_rows: 64, precision: float32}
  quantize:
    candidates: [onnxruntime-fp32, onnxruntime-int8]
    max_drop: 0.2
    measure_rows: 32
    calibration_rows: 32
gates: {minimum: 0.7, max_drop: 0.3, beat_floor: false}
"""

GOOD = ["lovely", "bright", "warm", "clever", "moving", "fresh"]
BAD = ["dull", "cold", "clumsy", "stale", "hollow", "dreary"]
THINGS = ["plot", "cast", "score", "ending", "dialogue", "pace", "setting", "humour"]


def made_up_rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts whose label can be told from one word in them."""
    chance = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = chance.choice(["positive", "negative"])
        word = chance.choice(GOOD if label == "positive" else BAD)
        one, two = chance.sample(THINGS, 2)
        text = f"the {one} was {word} and number {chance.randrange(1000)} had a {two}"
        rows[text] = label
    return list(rows.items())


def write_rows(file: Path, rows: list[tuple[str, str]]) -> None:
    file.write_text("text,label\n" + "".join(f"{t},{y}\n" for t, y in rows), encoding="utf-8")
