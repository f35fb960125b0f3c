"""bertworks' side of the agent benchmark: the bundle, as a user would call it."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.classifying import Classifier, Ways
from bertworks.runtime.agent import Agent


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """One way: `predict` cuts many texts into batches itself."""
    agent = Agent.load(job["model"])

    def predict(texts: list[str]) -> list[str]:
        return [answer["label"] for answer in agent.predict(texts)]

    return {"as it comes": predict}, {"as it comes": predict}


if __name__ == "__main__":
    Classifier(load).serve()
