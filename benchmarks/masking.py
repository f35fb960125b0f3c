"""What the masking of personal data finds in real texts: `python -m benchmarks.masking [--show]`.

The sources of the example specs, as they are: news, reviews, text messages, in English and Chinese. None
was written to be masked, so that most of what is found in them is wrongly found; the text messages do
hold telephone numbers. `--show` prints every finding in its place, for a person to judge.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence

from benchmarks.harness.sides import REPOSITORY
from bertworks.data.sources.fetch import fetch
from bertworks.serving.audit.personal import find
from bertworks.spec import file as specs

SPECS = ("ner", "sentiment-full", "sentiment-zh", "spam", "topics")
AROUND = 40


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line a source: lines, characters, and what was found by kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print every finding in its place")
    options = parser.parse_args(arguments)
    os.environ.setdefault("BERTWORKS_DOWNLOADS", str(REPOSITORY / ".bertworks/downloads"))
    for name in SPECS:
        loaded = specs.load(REPOSITORY / f"examples/{name}.yaml", [])
        for source in loaded.spec.data.sources:
            with fetch(source.uri, source.sha256, REPOSITORY) as files:
                text = files[0].path.read_text("utf-8", errors="replace")
            lines = text.splitlines()
            found = [(line, one) for line in lines for one in find(line)]
            kinds = Counter(one.kind for _, one in found)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "nothing"
            print(f"{source.uri}: {len(lines):,} lines, {len(text):,} characters: {told}")
            if options.show:
                for line, one in found:
                    around = line[max(one.start - AROUND, 0) : one.end + AROUND // 2]
                    print(f"    {one.kind}: {line[one.start : one.end]!r} in {around!r}")


if __name__ == "__main__":
    main()
