"""The peer of fine-tuning: transformers and torch on the very rows of a run.

Same checkpoint, same split, same batch size, learning rate, warm-up and epochs; torch's bfloat16
autocast and batches grouped by length. Run it in
the peers' environment: `python torch_finetune.py EXAMPLES BASE --epochs 3`.
"""

import argparse
import json
import random
import time
from pathlib import Path

import pyarrow.dataset as ds
import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast


def main() -> None:
    """Fine-tunes and prints the accuracies of every epoch as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    chance = random.Random(options.seed)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(options.base / "tokenizer.json"), pad_token="[PAD]"
    )
    info = json.loads((options.examples / "info.json").read_text("utf-8"))
    labels = {label: index for index, label in enumerate(info["labels"])}
    rows = {
        split: ds.dataset(options.examples / split, format="parquet").to_table().to_pydict()
        for split in ("train", "validation", "test")
    }
    model = BertForSequenceClassification.from_pretrained(options.base, num_labels=len(labels))
    decayed = [p for n, p in model.named_parameters() if "LayerNorm" not in n and "bias" not in n]
    plain = [p for n, p in model.named_parameters() if "LayerNorm" in n or "bias" in n]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)
    count = len(rows["train"]["text"])
    steps = options.epochs * ((count + 31) // 32)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(s / warm, max(0.0, (steps - s) / (steps - warm)))
    )

    def encode(texts: list) -> dict:
        return tokenizer(texts, padding=True, truncation=True, max_length=96, return_tensors="pt")

    def accuracy(split: str) -> float:
        model.eval()
        texts, truth = rows[split]["text"], rows[split]["label"]
        right = 0
        with torch.inference_mode():
            for start in range(0, len(texts), 32):
                found = model(**encode(texts[start : start + 32])).logits.argmax(-1).tolist()
                right += sum(
                    labels[y] == p for y, p in zip(truth[start : start + 32], found, strict=True)
                )
        return right / len(texts)

    trained = 0.0
    for epoch in range(1, options.epochs + 1):
        began = time.perf_counter()
        model.train()
        order = list(range(count))
        chance.shuffle(order)
        pools = [
            sorted(order[start : start + 1600], key=lambda i: len(rows["train"]["text"][i]))
            for start in range(0, count, 1600)
        ]
        batches = [pool[start : start + 32] for pool in pools for start in range(0, len(pool), 32)]
        chance.shuffle(batches)
        for batch in batches:
            encoded = encode([rows["train"]["text"][i] for i in batch])
            truth = torch.tensor([labels[rows["train"]["label"][i]] for i in batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(**encoded, labels=truth).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        trained += time.perf_counter() - began
        found = {split: round(accuracy(split), 4) for split in ("validation", "test")}
        print(json.dumps({"epoch": epoch, "seconds": round(trained, 1), **found}), flush=True)


if __name__ == "__main__":
    main()
