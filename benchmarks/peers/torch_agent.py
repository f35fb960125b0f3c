"""The peer: the uncompressed fine-tuned model in transformers and torch, fp32, all cores.

Runs in the peers' environment. Reads commands as JSON lines from stdin, answers as JSON lines:
`{"rows": FILE}` loads the rows, `"throughput"` predicts all of them, `"latency"` the first 200 singly.
"""

import json
import sys
import time
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedTokenizerFast,
)

BATCH = 32


def main(folder: Path) -> None:
    """Serves measurements of the model in `folder` until stdin ends."""
    agent = json.loads((folder / "agent.json").read_text("utf-8"))
    tagging = agent["task"]["type"] == "tagging"
    kind = AutoModelForTokenClassification if tagging else AutoModelForSequenceClassification
    model = kind.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]"
    )
    rows: list = []

    def predict(batch: list) -> torch.Tensor:
        if isinstance(batch[0], dict):
            texts = {"text": [r["a"] for r in batch], "text_pair": [r["b"] for r in batch]}
        else:
            texts = {"text": batch}
        encoded = tokenizer(
            **texts,
            padding=True,
            truncation=True,
            max_length=agent["max_length"],
            is_split_into_words=tagging,
            return_tensors="pt",
        )
        with torch.inference_mode():
            return model(**encoded).logits

    for line in sys.stdin:
        command = json.loads(line)
        began = time.perf_counter()
        if isinstance(command, dict):
            rows = json.loads(Path(command["rows"]).read_text("utf-8"))
            # Sorted by length, as a user who cares for speed would do: little padding is computed.
            rows.sort(key=lambda row: len(str(row)))
            predict(rows[:BATCH])
            answer = {"ready": len(rows)}
        elif command == "throughput":
            for start in range(0, len(rows), BATCH):
                predict(rows[start : start + BATCH])
            answer = {"seconds": time.perf_counter() - began}
        else:
            times = []
            for row in rows[:: max(1, len(rows) // 200)][:200]:
                start_one = time.perf_counter()
                predict([row])
                times.append(time.perf_counter() - start_one)
            answer = {"latency": times}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
