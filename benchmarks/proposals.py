"""What is proposed of dialogues in which users want what the agent does not know.

    make bench-proposals ARGS="--agent turns/1"

Users of examples/restaurant/dialogue.yaml ask besides for parking, the internet, a reference number, an
entrance fee, or a kind of car: real questions of MultiWOZ under acts that no agent of the example learns
(convlab 3.0.1). Each is said in a dialogue of its own, to the agent with a trained understanding; what
was not understood is grouped. A group is right as far as its questions are of one act.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dialogue import SPEC
from benchmarks.harness.results import Result, Row
from bertworks.data.sources.fetch import fetch
from bertworks.data.utterances.masked import tidied
from bertworks.data.utterances.setting import load
from bertworks.dialogue import building
from bertworks.dialogue.improving.clustering import clusters
from bertworks.dialogue.improving.failing import failing
from bertworks.dialogue.improving.proposing import proposals
from bertworks.dialogue.knowledge import normal
from bertworks.dialogue.logs import Kept
from bertworks.dialogue.state import State
from bertworks.runtime.agent import Agent
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from pipelines.cli.asking import bundle_of

WISHES = {
    "parking": ("Hotel-Request", "Parking;"),
    "internet": ("Hotel-Request", "Internet;"),
    "reference": ("Hotel-Request", "Ref;"),
    "fee": ("Attraction-Request", "Fee;"),
    "car": ("Taxi-Request", "Car;"),
}
LEAST = 3
SHOWN = 3


def main() -> None:
    """Has the questions asked, and counts what the proposals hold."""
    options = _options()
    spec, folder = load_as(DialogueSpec, options.spec).dialogue, Path(options.spec).resolve().parent
    loaded = Agent.load(bundle_of(options.agent, options.root))
    hearing = building.backed_of(spec, loaded, options.agent)
    agent = building.agent_of(spec, folder, hearing)
    said = questions(folder / str(spec.learn.utterances), options.most)
    kept = []
    for text in said:
        state, traces = State(), []
        for one in ("something cheap in the centre, any food", text, "goodbye"):
            state, trace = agent.turn(state, one)
            traces.append(trace)
        kept.append(Kept(traces))
    found = failing(kept)
    unclear = [one for one in found if one.why == "not understood" and normal(one.text) in said]
    vectors = loaded.vectors([one.text for one in unclear])
    groups = [
        [said[normal(unclear[place].text)] for place in one] for one in clusters(vectors, LEAST)
    ]
    for one in proposals(found, loaded, loaded, least=LEAST):
        if one.kind != "label":
            wishes = Counter(said.get(normal(text), "") for text in one.examples)
            print(f"{one.kind}, {one.dialogues} dialogues: {dict(wishes)}; {one.examples[:SHOWN]}")
    rows = _rows(said, len(unclear), groups)
    Result(
        "proposals",
        "Proposals of what was not understood",
        "make bench-proposals ARGS='--agent AGENT'",
        f"{len(said)} questions for {', '.join(WISHES)}, of MultiWOZ by way of convlab 3.0.1",
        rows,
    ).save()


def questions(setting_file: Path, most: int) -> dict[str, str]:
    """Question, as it is compared, to what it asks for."""
    pinned = load(setting_file).templates
    with fetch(pinned.uri, pinned.sha256, setting_file.parent) as files:
        filed = json.loads(files[0].path.read_text("utf-8"))
    found: dict[str, str] = {}
    for wish, (act, slot) in WISHES.items():
        texts = dict.fromkeys(normal(tidied(one)) for one in filed[act][slot] if "#" not in one)
        for text in [*texts][:most]:
            found.setdefault(text, wish)
    return found


def _rows(said: dict[str, str], unclear: int, groups: Sequence[Sequence[str]]) -> list[Row]:
    grouped = sum(map(len, groups))
    alike = sum(Counter(one).most_common(1)[0][1] for one in groups)
    wishes = {Counter(one).most_common(1)[0][0] for one in groups}
    return [
        Row("questions that were not understood", "", "share", unclear / len(said)),
        Row("of these, in a group", "", "share", grouped / unclear if unclear else 0.0),
        Row(
            "questions of a group that ask for what most of it ask for", "", "share",
            alike / grouped if grouped else 0.0, quality={"groups": len(groups)},
        ),
        Row(
            "wishes that most of a group ask for", "", "", len(wishes),
            quality={"of": len(set(said.values()))},
        ),
    ]  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--agent", required=True, help="A folder, or NAME in the model store.")
    parser.add_argument("--root", help="Where the model store is.")
    parser.add_argument("--most", type=int, default=60, help="Questions for one thing.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
