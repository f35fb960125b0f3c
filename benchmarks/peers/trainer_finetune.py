"""The peer of fine-tuning: transformers' Trainer on the very rows and the checkpoint of a run.

With `--padding max_length` as in transformers' text-classification example (run_glue: 128 places a
row); with `--padding longest --bf16 --grouped` by its documented fast settings: dynamic padding,
bfloat16 autocast, batches grouped by length.
"""

import argparse
import json
from pathlib import Path

import pyarrow.dataset as ds
import torch
from transformers import (
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    default_data_collator,
)

from benchmarks.peers.paced import CountingTrainer, arguments, serve_training


def rows_of(
    examples: Path, split: str, tokenizer: PreTrainedTokenizerFast, padding: str, length: int
) -> list:
    """A split's rows, tokenized ahead as the example does."""
    labels = json.loads((examples / "info.json").read_text("utf-8"))["labels"]
    table = ds.dataset(examples / split, format="parquet").to_table().to_pydict()
    wide = "max_length" if padding == "max_length" else False
    encoded = tokenizer(table["text"], padding=wide, max_length=length, truncation=True)
    return [
        {**{name: encoded[name][row] for name in encoded}, "labels": labels.index(label)}
        for row, label in enumerate(table["label"])
    ]


def accuracy(
    model: torch.nn.Module, rows: list, collate: DataCollatorWithPadding, bf16: bool
) -> float:
    """Share of rows classified right; in batches of like length, as this time is not measured."""
    model.eval()
    ordered = sorted(rows, key=lambda row: len(row["input_ids"]))
    right = 0
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        for start in range(0, len(ordered), 32):
            batch = collate(ordered[start : start + 32])
            truth = batch.pop("labels")
            right += int((model(**batch).logits.argmax(-1) == truth).sum())
    model.train()
    return right / len(rows)


def main() -> None:
    """Serves one training run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("--padding", choices=["max_length", "longest"], default="longest")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--grouped", action="store_true", help="batches of rows of like length")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(options.base / "tokenizer.json"), pad_token="[PAD]"
    )
    rows = rows_of(options.examples, "train", tokenizer, options.padding, options.max_length)
    validation = rows_of(options.examples, "validation", tokenizer, "longest", options.max_length)
    labels = len({row["labels"] for row in rows})
    torch.manual_seed(options.seed)
    model = BertForSequenceClassification.from_pretrained(options.base, num_labels=labels)
    dynamic = DataCollatorWithPadding(tokenizer)
    trainer = CountingTrainer(
        model=model,
        args=arguments(
            bf16=options.bf16,
            train_sampling_strategy="group_by_length" if options.grouped else "random",
            learning_rate=options.learning_rate,
            per_device_train_batch_size=options.batch_size,
            num_train_epochs=options.epochs,
            dataloader_num_workers=options.workers,
            seed=options.seed,
        ),
        train_dataset=rows,
        data_collator=default_data_collator if options.padding == "max_length" else dynamic,
    )
    serve_training(trainer, lambda: accuracy(model, validation, dynamic, options.bf16))


if __name__ == "__main__":
    main()
