"""bertworks' side where only speed is compared: rows of any task, as a user would give them."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.classifying import Classifier, Ways
from bertworks.runtime.agent import Agent


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """One way: `predict` cuts many rows into batches itself."""
    agent = Agent.load(job["model"])

    def predict(rows: list[Any]) -> list[str]:
        return [str(answer) for answer in agent.predict(rows)]

    return {"as it comes": predict}, {"as it comes": predict}


if __name__ == "__main__":
    Classifier(load).serve()
