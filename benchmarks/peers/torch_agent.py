"""The peer: the uncompressed fine-tuned model in transformers and torch, fp32, all cores."""

from typing import Any

import torch

from benchmarks.peers.classifying import Classifier, Ways, in_batches
from benchmarks.peers.hugging_face import Fine


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """Ways to answer many texts and one."""
    fine = Fine(job["model"])

    def predict(texts: list[str]) -> list[str]:
        with torch.inference_mode():
            return fine.labels(fine.model(**fine.encode(texts, "pt")).logits)

    return in_batches(predict), {"": predict}


if __name__ == "__main__":
    Classifier(load).serve()
