"""How well texts find what belongs to them: `make bench-matching ARGS="faq | stsb | index"`.

    python -m benchmarks.matching faq --seeds 1 2 3 4 5     # examples/faq.yaml, whole runs
    python -m benchmarks.matching faq --run latest          # what `make run SPEC=...` left
    python -m benchmarks.matching stsb --data FOLDER        # with {train,validation,test}.jsonl of STS-B
    python -m benchmarks.matching index --documents 1000000

faq: the bundle, the encoder before training and BM25 on the questions that were held out, as they stand
and paraphrased (`paraphrases`), with the paired bootstrap interval of each difference.
stsb: the bi-encoder is trained on the pairs that people rated 4 and more of 5 (the first text finds the
second); the cosines of the test pairs are then ranked as people did.
index: clustered random vectors; p95 of a query alone, recall of the exact ten best, and both while
documents are added.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.results import Result, Row
from benchmarks.harness.running import run
from benchmarks.paraphrases import Synonyms, paraphrased
from pipelines.local.record import latest
from pipelines.local.root import find_root

FAQ = "examples/faq.yaml"
ASKED = ("as asked", "paraphrased")
SHOWN = ("recall_at_1", "mrr_at_10")
RESAMPLES = 2000


def main() -> None:
    """Runs what the command line asks."""
    options = _options()
    {"faq": faq, "stsb": stsb, "index": index}[options.what](options)


# Frequently asked questions


@dataclass
class Found:
    """One seed's rankings.

    Attributes:
        values: (how asked, who, metric) to value.
        gaps: (how asked, against whom, metric) to the difference's value, low and high.
        questions: How asked to how many questions.
    """

    values: dict[tuple[str, str, str], float]
    gaps: dict[tuple[str, str, str], tuple[float, float, float]]
    questions: dict[str, int]


def faq(options: argparse.Namespace) -> None:
    """The bundles of several seeds against the encoder before training and BM25."""
    found = []
    seeds = [0] if options.run else options.seeds
    for seed in seeds:
        places = (
            finished(options.run)
            if options.run
            else run(options.spec, Path(options.root), [f"seed={seed}", *options.set]).places
        )
        found.append(asked(places, seed))
        told = {" ".join(key): round(value, 4) for key, value in found[-1].values.items()}
        print(json.dumps({"seed": seed, **told}), file=sys.stderr, flush=True)
    rows = []
    for how in ASKED:
        for metric in SHOWN:
            own = [one.values[how, "bundle", metric] for one in found]
            for peer in ("BM25", "untrained encoder"):
                gaps = [one.gaps[how, peer, metric] for one in found]
                above = sum(low > 0 for _, low, _ in gaps)
                least, most = min(low for _, low, _ in gaps), max(high for *_, high in gaps)
                other = statistics.median(one.values[how, peer, metric] for one in found)
                rows.append(
                    Row(
                        f"{metric}, {found[0].questions[how]} questions {how}", peer, metric,
                        statistics.median(own), other, rounds=len(found),
                        note=f"{min(own):.4f} to {max(own):.4f} over the seeds; the difference is above "
                        f"0 with 95 % in {above} of {len(found)}, its intervals reach from {least:+.4f} "
                        f"to {most:+.4f}",
                    )
                )  # fmt: skip
    Result(
        "matching-faq", "Answers to questions that were held out",
        "python -m benchmarks.matching faq" + (f" --run {options.run}" if options.run else ""),
        options.spec, rows, seed=seeds[0],
    ).save()  # fmt: skip


def finished(run_id: str) -> Mapping[str, Path]:
    """The artifacts of a run that `bertworks run` made, by name."""
    record = latest(find_root(None), run_id)
    return {name: Path(place) for name, place in record.artifacts.items()}


def asked(places: Mapping[str, Path], seed: int) -> Found:
    """Asks a run's bundle, the encoder that it started from, and BM25, for the test questions.

    Args:
        places: The run's artifacts.
        seed: Of the paraphrases.
    """
    from bertworks.evaluation.bootstrap import differences
    from bertworks.evaluation.data import read_split
    from bertworks.storage.artifacts import open_artifact

    rows = read_split(open_artifact(places["examples"], "examples"), "test")
    synonyms = Synonyms.fetched()
    agents = {
        "bundle": _agent(places["bundle"], places["tokens"]),
        "untrained encoder": _untrained(places),
    }
    found = Found({}, {}, {})
    texts = {"as asked": rows["text"], "paraphrased": paraphrased(rows["text"], seed, synonyms)}
    for how in ASKED:
        changed = [
            place
            for place, text in enumerate(texts[how])
            if how == "as asked" or text != rows["text"][place]
        ]
        columns = {name: [values[place] for place in changed] for name, values in rows.items()}
        columns["text"] = [texts[how][place] for place in changed]
        found.questions[how] = len(changed)
        measures = {who: _measure(agent, columns) for who, agent in agents.items()}
        measures["BM25"] = _floor(agents["bundle"], columns)
        one = np.ones((1, len(changed)))
        for who, measure in measures.items():
            for metric, value in measure(one).items():
                found.values[how, who, metric] = float(value[0])
        for who in ("BM25", "untrained encoder"):
            gaps = differences(measures["bundle"], measures[who], len(changed), RESAMPLES, 1)
            for metric, gap in gaps.items():
                found.gaps[how, who, metric] = gap.value, gap.low or 0.0, gap.high or 0.0
    return found


def _agent(bundle: Path, tokens: Path) -> Any:
    from bertworks.runtime.loading import load_agent, with_documents
    from bertworks.storage.artifacts import open_artifact

    return with_documents(load_agent(open_artifact(bundle)), open_artifact(tokens, "tokens"))


def _untrained(places: Mapping[str, Path]) -> Any:
    """The base with the run's head and documents, as a float32 graph."""
    from bertworks.contracts.agent import AGENT
    from bertworks.contracts.tokens import TOKENS
    from bertworks.models.weights import load_folder, save_folder
    from bertworks.storage.artifacts import open_artifact, write
    from bertworks.tasks import for_task
    from bertworks.text.tokenizer import Tokenizer

    tokens = open_artifact(places["tokens"], "tokens")
    config, weights, _ = load_folder(places["base"])
    record = AGENT.read(open_artifact(places["model"], "model"))
    head = for_task(TOKENS.read(tokens).task).head()
    with tempfile.TemporaryDirectory() as work:
        place = Path(work) / "model"
        with write(place, kind="model", producer="benchmark") as out:
            save_folder(out, config, weights, head)
            Tokenizer.load(tokens.path).save(out)
            AGENT.write(out, record)
        return _agent(place, tokens.path)


def _measure(agent: Any, columns: Mapping[str, list[Any]]) -> Any:
    from bertworks.evaluation.measures import measure_of
    from bertworks.runtime.loading import predict

    rows = {**columns, "truth": columns["documents"]}
    return measure_of(predict(agent, rows, agent.clean))


def _floor(agent: Any, columns: Mapping[str, list[Any]]) -> Any:
    from bertworks.evaluation.floor import floor_predictions
    from bertworks.evaluation.measures import measure_of

    rows = {**columns, "truth": columns["documents"]}
    return measure_of(floor_predictions(agent.handler, {}, rows, 0))


# STS-B


def stsb(options: argparse.Namespace) -> None:
    """Spearman of the cosines of a bi-encoder that was trained on the pairs rated 4 and more."""
    from scipy.stats import spearmanr

    values: dict[str, list[float]] = {"bundle": [], "untrained encoder": []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as work:
            spec = _stsb_spec(Path(options.data), Path(work), options.base)
            places = run(spec, Path(options.root), [f"seed={seed}", *options.set]).places
            pairs = [json.loads(line) for line in (Path(options.data) / "test.jsonl").open()]
            agents = {
                "bundle": _agent(places["bundle"], places["tokens"]),
                "untrained encoder": _untrained(places),
            }
            for who, agent in agents.items():
                sides = [
                    np.stack(
                        agent.read(agent.encode([_side(one, side) for one in pairs]).ids).logits
                    )
                    for side in (0, 1)
                ]
                cosines = (sides[0] * sides[1]).sum(axis=1)
                values[who].append(float(spearmanr(cosines, [_score(one) for one in pairs])[0]))
        print(
            json.dumps({"seed": seed, **{who: v[-1] for who, v in values.items()}}), file=sys.stderr
        )
    own = values["bundle"]
    Result(
        "matching-stsb", "STS-B English: Spearman of cosines", "python -m benchmarks.matching stsb",
        f"STS-B, pairs rated 4 and more of 5 train, {options.base}; not tuned on it",
        [
            Row(
                "Spearman on test", "", "rank correlation", statistics.median(own), goal=0.86,
                rounds=len(own),
                note=f"{min(own):.4f} to {max(own):.4f}; before training "
                f"{statistics.median(values['untrained encoder']):.4f}",
            )
        ],
        seed=options.seeds[0],
    ).save()  # fmt: skip


def _side(pair: Mapping[str, Any], side: int) -> str:
    names = (("text_a", "text_b"), ("sentence1", "sentence2"))
    return str(next(pair[one[side]] for one in names if one[side] in pair))


def _score(pair: Mapping[str, Any]) -> float:
    return float(next(pair[name] for name in ("score", "label") if name in pair))


def _stsb_spec(data: Path, work: Path, base: str) -> Path:
    """A spec whose rows are the pairs rated 4 and more, the second a document of the first."""
    import yaml

    sources = []
    for split in ("train", "validation", "test"):
        pairs = [json.loads(line) for line in (data / f"{split}.jsonl").open(encoding="utf-8")]
        top = max(map(_score, pairs))
        rows = [
            {"text": _side(one, 0), "document": _side(one, 1)}
            for one in pairs
            if _score(one) >= 0.8 * top
        ]
        (work / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        sources.append({"uri": str(work / f"{split}.jsonl"), "split": split})
    spec = {
        "name": "stsb",
        "task": {"type": "matching", "max_length": 64, "matching": {"pooling": "first"}},
        "data": {"sources": sources},
        "base": {"name": base},
        "validate": {"checks": {"near_duplicates": "ignore", "leakage": "ignore"}},
        "finetune": {"learning_rate": 2e-5, "epochs": 2},
        "compress": {"prune": {"enabled": False}},
        "gates": {"beat_floor": False},
    }
    (work / "spec.yaml").write_text(yaml.safe_dump(spec), "utf-8")
    return work / "spec.yaml"


# The index


def index(options: argparse.Namespace) -> None:
    """Recall and time of an approximate index, alone and while documents are added."""
    from bertworks.tasks.matching.documents import Document, Documents
    from bertworks.tasks.matching.index import BEST, Index

    count, width = options.documents, options.width
    vectors = _clustered(count + options.added + 1000, width, options.seeds[0])
    stored, more, queries = np.split(vectors, [count, count + options.added])
    documents = Documents.of(Document(str(place), f"document {place}") for place in range(count))
    began = time.monotonic()
    made = Index.of(documents, stored, "approximate")
    built = time.monotonic() - began
    half = len(queries) // 2
    made = made.searched(queries[:half], stored, options.recall)
    asked = queries[half:]
    from bertworks.tasks.matching.searching import best

    exact, _ = best(asked, stored, BEST)
    places, alone = _timed(made, asked)
    recall = _recall(exact, places)
    with tempfile.TemporaryDirectory() as work:
        done = threading.Event()
        seconds: list[float] = []

        def adding() -> None:
            since = time.monotonic()
            new = [Document(f"new {place}", "x") for place in range(len(more))]
            made.write_with(Path(work), new, more)
            seconds.append(time.monotonic() - since)
            done.set()

        thread = threading.Thread(target=adding)
        thread.start()
        beside: list[float] = []
        while not done.is_set():
            beside += _timed(made, asked)[1]
        thread.join()
        grown = Index.load(Path(work))
        found = grown.nearest(more[:200], 1)[0][:, 0]
        there = float(np.mean(found == count + np.arange(len(found))))
    record = made.record
    p95 = [float(np.quantile(one, 0.95)) for one in (alone, beside)]
    Result(
        "matching-index", f"An index of {count:,} vectors", "python -m benchmarks.matching index",
        f"{count:,} clustered random vectors of {width} numbers; efSearch {record.search}, built in "
        f"{built:.0f} s; {len(more):,} added in {seconds[0]:.1f} s",
        [
            Row("recall of the exact ten best", "", "share", recall, goal=options.recall,
                note=f"{len(asked)} queries that efSearch was not chosen by"),
            Row("a query alone, p95", "", "ms", p95[0], goal=10.0, at_most=True),
            Row("a query while documents are added, p95", "", "ms", p95[1], goal=10.0, at_most=True,
                note=f"{len(beside):,} queries"),
            Row("added documents that are found first by their own vector", "", "share", there),
        ],
        seed=options.seeds[0],
    ).save()  # fmt: skip


def _clustered(count: int, width: int, seed: int) -> np.ndarray:
    """Vectors of length 1 about 2,000 centres, in about 64 dimensions, as texts' vectors lie."""
    stream = np.random.default_rng(seed)
    spread = stream.standard_normal((64, width)).astype(np.float32)
    centres = stream.standard_normal((2000, 64)).astype(np.float32)
    found = np.empty((count, width), np.float32)
    for begin in range(0, count, 50_000):
        rows = min(50_000, count - begin)
        inner = centres[stream.integers(0, len(centres), rows)]
        inner = inner + 0.7 * stream.standard_normal((rows, 64)).astype(np.float32)
        found[begin : begin + rows] = inner @ spread
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _timed(made: Any, queries: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """What each query finds, one at a time, and its milliseconds."""
    places, times = [], []
    for query in queries:
        began = time.perf_counter()
        found, _ = made.nearest(query[np.newaxis], 10)
        times.append(1000 * (time.perf_counter() - began))
        places.append(found[0])
    return np.stack(places), times


def _recall(exact: np.ndarray, found: np.ndarray) -> float:
    hits = [len({*one} & {*other}) for one, other in zip(exact, found, strict=True)]
    return float(np.sum(hits) / exact.size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("faq", "stsb", "index"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--run", help="faq: this run, by id, or latest, instead of new ones")
    parser.add_argument("--spec", default=FAQ)
    parser.add_argument("--root", default=".bertworks/bench-matching", help="where runs are kept")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE for each run")
    parser.add_argument("--data", help="stsb: the folder of the three files")
    parser.add_argument("--base", default="bge-small-en", help="stsb: the encoder to start from")
    parser.add_argument("--documents", type=int, default=1_000_000, help="index: how many")
    parser.add_argument("--added", type=int, default=1_000, help="index: how many are added")
    parser.add_argument("--width", type=int, default=384, help="index: numbers of a vector")
    parser.add_argument("--recall", type=float, default=0.95, help="index: what to reach")
    return parser.parse_args()


if __name__ == "__main__":
    main()
