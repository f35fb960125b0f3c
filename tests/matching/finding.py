"""A tiny bundle that finds documents: random weights, a vocabulary of eighteen."""

from __future__ import annotations

import numpy as np

from bertworks.contracts.agent import AGENT
from bertworks.runtime import engines
from bertworks.runtime.adding import vectors_of
from bertworks.runtime.agent import Agent, digest_of_reading
from bertworks.tasks.matching.documents import Document, Documents
from bertworks.tasks.matching.index import Index
from bertworks.text.tokenizer import Tokenizer

TEXTS = ["good film", "bad story .", "so so", "the very good plot"]
DOCUMENTS = [Document(f"d{place}", text, seen=place % 2) for place, text in enumerate(TEXTS)]


def task(**settings):
    """The spec's task."""
    return {"type": "matching", "matching": settings} if settings else {"type": "matching"}


def with_documents(folder, kind="exact", documents=DOCUMENTS, threshold=0.5):
    """Writes the index that a bundle lacks which is being made."""
    info = AGENT.read(folder)
    engine = engines.load(folder, info.engine, 1)
    agent = Agent(info, Tokenizer.load(folder), engine)
    vectors, _ = vectors_of(agent, [one.text for one in documents])
    index = Index.of(Documents.of(documents), vectors, kind)
    own = [[place] for place in range(len(documents))]
    index = index.searched(vectors, vectors, 0.5).with_threshold(vectors, own, threshold)
    from dataclasses import replace

    record = replace(index.record, graph=digest_of_reading(folder, info))
    replace(index, record=record).save(folder)


def approximate(folder):
    """The same with a graph."""
    with_documents(folder, "approximate")


def bundle(versions, seed=0, damage=with_documents):
    """A bundle's folder."""
    return versions.bundle(seed, task(), [], damage=damage)


def units(rows, width, seed=0):
    """Random vectors of length 1."""
    found = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
