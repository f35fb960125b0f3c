"""How well explanations find the words that an answer hangs on: `make bench-explanations`.

    make bench-explanations ARGS="--rows 200 --set compress.prune.enabled=false"

The agent of examples/sentiment.yaml is made, or taken from the cache of `--root`. Of test rows the words
are ranked by each way, and left out from the first on; the more the answer's probability falls, the
better the ranking. The figure is the mean fall after 10, 20, 30, 40 and 50 % of the words: the area over
the perturbation curve of Samek et al. 2017. The bundle answers, whatever ranked the words.

Ways: occlusion through the int8 bundle (what the server does), occlusion through the float32 graph,
random orders, and of the float32 model before quantization the norm of the gradient by each word's
embeddings, gradient times input, and integrated gradients (Sundararajan et al. 2017, 20 steps).
Stability: rank correlation of the words' effects between the int8 bundle and the float32 graph.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.results import Result, Row
from benchmarks.harness.running import run

SPEC = "examples/sentiment.yaml"
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
ORDERS = 5
STEPS = 20
LEAST_WORDS = 5
SEED = 42
Ranking = list[np.ndarray]
"""Of each row the effect of each word."""


def main() -> None:
    """Makes the agent, ranks the words by every way, and keeps what came of it."""
    options = _options()
    places = made(Path(options.root), options.set)
    texts = test_texts(places["examples"], options.rows)
    result = measured(places, texts)
    result.command = f'make bench-explanations ARGS="{" ".join(sys.argv[1:])}"'.replace(
        ' ARGS=""', ""
    )
    result.save()


def measured(places: Mapping[str, Path], texts: Sequence[str]) -> Result:
    """All ways on these texts.

    Args:
        places: Artifacts by name: the bundle, and the model that it was made from.
        texts: Test rows.
    """
    from bertworks.runtime.agent import Agent

    bundle, full = Agent.load(places["bundle"]), Agent.from_model(places["model"])
    own, exact = occluded(bundle, texts), occluded(full, texts)
    stream = np.random.default_rng(SEED)
    random = [
        deletion(bundle, texts, [stream.random(len(row)) for row in own]) for _ in range(ORDERS)
    ]
    found = deletion(bundle, texts, own)
    peers: dict[str, float] = {"random order": float(np.mean(random))}
    for name, ranking in by_gradients(places["model"], bundle, texts).items():
        peers[name] = deletion(bundle, texts, ranking)
    peers["occlusion, float32 graph"] = deletion(bundle, texts, exact)
    rows = [_against(name, found, value) for name, value in peers.items()]
    return Result(
        name="explanations",
        title="Which words mattered",
        command="",
        data=f"{len(texts)} test rows of {SPEC}, at least {LEAST_WORDS} words each",
        rows=[*rows, *_stability(own, exact)],
        seed=SEED,
    )


def _against(peer: str, own: float, value: float) -> Row:
    return Row(
        what="fall of the probability, words left out by rank",
        peer=peer,
        unit="",
        own=own,
        peer_value=value,
        ratio=own / value if value > 0 else None,
        goal=1.0 if peer in ("random order", "gradient norm") else None,
    )


def _stability(own: Ranking, exact: Ranking) -> Iterator[Row]:
    ranks = [_spearman(one, other) for one, other in zip(own, exact, strict=True)]
    yield Row("rank correlation of effects, int8 to float32: median row", "", "",
              float(np.median(ranks)), goal=0.8)  # fmt: skip
    yield Row("the same, the worst tenth of the rows", "", "", float(np.quantile(ranks, 0.1)))
    same = [np.argmax(one) == np.argmax(other) for one, other in zip(own, exact, strict=True)]
    yield Row("rows whose first word is the same", "", "", float(np.mean(same)))


def occluded(agent: Any, texts: Sequence[str]) -> Ranking:
    """Each word's effect, as the server finds it; no text has more words than a row has parts."""
    from bertworks.serving.page.occlusion import Wanted, explain

    most = max(len(_words(text)) for text in texts)
    found = explain(agent.predict, texts, Wanted(most=most))
    return [np.array([part.effect for part in one.parts]) for one in found]


def deletion(agent: Any, texts: Sequence[str], ranking: Ranking) -> float:
    """The mean fall of the answered label's probability, words left out from the first in rank on."""
    labels = [one["label"] for one in agent.predict(texts)]
    variants, owners = [], []
    for place, (text, effects) in enumerate(zip(texts, ranking, strict=True)):
        order = np.argsort(-effects, kind="stable")
        for share in SHARES:
            gone = set(order[: max(round(share * len(order)), 1)].tolist())
            variants.append(_without(text, gone))
            owners.append(place)
    before = {place: one["score"] for place, one in enumerate(agent.predict(texts))}
    after = agent.predict(variants)
    falls = [
        before[place] - one["scores"][labels[place]]
        for place, one in zip(owners, after, strict=True)
    ]
    return float(np.mean(falls))


def by_gradients(model: Path, bundle: Any, texts: Sequence[str]) -> dict[str, Ranking]:
    """Rankings by the float32 model's gradients, for the label that the bundle answers."""
    import tokenizers

    from bertworks.models import model as models
    from bertworks.models.weights import load_folder
    from bertworks.tasks import for_task

    config, weights, _ = load_folder(model)
    info = bundle.info
    head = for_task(info.task, info.labels, info.score).head()
    network = models.build(config, head, weights)
    cut = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    cut.no_padding()
    embed = network.embeddings.call
    found: dict[str, Ranking] = {name: [] for name in ("gradient norm", "gradient x input",
                                                       "integrated gradients")}  # fmt: skip
    for text, answer in zip(texts, bundle.predict(texts), strict=True):
        label = info.labels.index(answer["label"])
        pieces = cut.encode(text)
        ids = np.array([pieces.ids[: info.max_length]], np.int32)
        scales = np.array([1.0, *((step + 0.5) / STEPS for step in range(STEPS))], np.float32)
        rows, gradients = _gradients(network, embed, ids, label, scales)
        gradient, path = gradients[:1], gradients[1:].mean(axis=0, keepdims=True)
        places = [_word_of(text, offset) for offset in pieces.offsets[: len(ids[0])]]
        count = len(_words(text))
        for name, value in (
            ("gradient norm", np.linalg.norm(gradient, axis=-1)),
            ("gradient x input", (rows * gradient).sum(axis=-1)),
            ("integrated gradients", (rows * path).sum(axis=-1)),
        ):
            found[name].append(_summed(value.reshape(-1), places, count))
    return found


def _gradients(
    network: Any, embed: Any, ids: np.ndarray, label: int, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A text's embeddings, (1, tokens, width), and a label's gradients by them at scales of them.

    Returns:
        The embeddings, and (scales, tokens, width).
    """
    import tensorflow as tf

    from bertworks.models import ops

    seen: list[Any] = []
    with tf.GradientTape() as tape, ops.compiled(False):

        def call(*given: Any, **named: Any) -> Any:
            rows = embed(*given, **named)
            shape = (len(scales), ids.shape[1], rows.shape[-1])
            rows = tf.reshape(rows, shape) * scales[:, None, None]
            tape.watch(rows)
            seen.append(rows)
            return tf.reshape(rows, (-1, shape[-1]))

        network.embeddings.call = call
        logits = network({"input_ids": tf.constant(np.repeat(ids, len(scales), axis=0))})["logits"]
        score = tf.reduce_sum(logits[:, label])
    (rows,) = seen
    return rows.numpy()[:1], tape.gradient(score, rows).numpy()


def _summed(values: np.ndarray, places: Sequence[int | None], count: int) -> np.ndarray:
    """Of pieces' values the words' sums."""
    total = np.zeros(count)
    for value, place in zip(values, places, strict=True):
        if place is not None:
            total[place] += value
    return total


def _words(text: str) -> list[Any]:
    from bertworks.text import words

    return list(words.split(text))


def _word_of(text: str, offset: tuple[int, int]) -> int | None:
    start, end = offset
    if start == end:
        return None
    inside = (n for n, word in enumerate(_words(text)) if word.start < end and start < word.end)
    return next(inside, None)


def _without(text: str, gone: set[int]) -> str:
    kept, end = [], 0
    for place, word in enumerate(_words(text)):
        if place in gone:
            kept.append(text[end : word.start].rstrip(" "))
            end = word.end
    return "".join([*kept, text[end:]])


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values, kind="stable")) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def test_texts(examples: Path, count: int) -> list[str]:
    """Test rows of enough words, drawn by the seed."""
    from bertworks.evaluation.data import read_split
    from bertworks.storage.artifacts import open_artifact

    rows = read_split(open_artifact(examples, "examples"), "test", ["text"])["text"]
    long = [text for text in rows if len(_words(text)) >= LEAST_WORDS]
    order = np.random.default_rng(SEED).permutation(len(long))[:count]
    return [long[place] for place in order]


def made(root: Path, changes: Sequence[str]) -> dict[str, Path]:
    """The artifacts of the agent's run: examples, the model before quantization, the bundle.

    Raises:
        SystemExit: The run failed otherwise than at its gates.
    """
    places = run(SPEC, root, changes).places
    model = places.get("pruned") or places["model"]
    return {"examples": places["examples"], "bundle": places["bundle"], "model": model}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=".bertworks/explanations", help="folder of the run")
    parser.add_argument("--rows", type=int, default=200, help="test rows to explain")
    parser.add_argument("--set", nargs="+", default=[], help="changes to the spec, name=value")
    return parser.parse_args()


if __name__ == "__main__":
    main()
