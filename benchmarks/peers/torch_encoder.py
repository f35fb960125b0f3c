"""The peer where only speed is compared: an encoder in transformers and torch, fp32, all cores.

Its head is not trained: that does not change what it computes, only what comes out.
"""

from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedTokenizerFast,
)

from benchmarks.peers.classifying import Classifier, Ways, in_batches


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """Ways to answer many rows and one.

    The job has `model` (a folder in Hugging Face's layout), `kind` ("text", "pair" or "words"),
    `outputs` and `max_length`.
    """
    words = job["kind"] == "words"
    family = AutoModelForTokenClassification if words else AutoModelForSequenceClassification
    model = family.from_pretrained(job["model"], num_labels=max(1, job["outputs"])).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=f"{job['model']}/tokenizer.json", pad_token="[PAD]"
    )

    def predict(rows: list[Any]) -> list[str]:
        texts = list(zip(*rows, strict=True)) if job["kind"] == "pair" else [rows]
        encoded = tokenizer(
            *map(list, texts),
            is_split_into_words=words,
            padding=True,
            truncation=True,
            max_length=job["max_length"],
            return_token_type_ids=job["kind"] == "pair",
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = model(**encoded).logits
        answers = logits.argmax(-1) if logits.shape[-1] > 1 else logits.squeeze(-1)
        return [str(answer) for answer in answers.tolist()]

    return in_batches(predict), {"": predict}


if __name__ == "__main__":
    Classifier(load).serve()
