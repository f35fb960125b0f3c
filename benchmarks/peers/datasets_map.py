"""The peer: datasets.map with transformers' fast tokenizer, as its documentation shows.

Batched, without padding (that is left to the collator); class_encode_column makes labels numbers.
"""

import argparse
import os
from pathlib import Path


def main() -> None:
    """Writes an Arrow dataset: label, input_ids, token_type_ids, attention_mask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, help="folder with examples/train/*.parquet")
    parser.add_argument("--base", type=Path, help="folder with tokenizer.json")
    parser.add_argument("--max-length", type=int)
    parser.add_argument(
        "--processes", type=int, help="num_proc; 1: none, the tokenizer has threads"
    )
    parser.add_argument("--output", type=Path, help="folder to write to")
    options = parser.parse_args()
    os.environ["HF_HOME"] = str(options.output / "home")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    from datasets import load_dataset
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(options.base / "tokenizer.json"), pad_token="[PAD]"
    )
    dataset = load_dataset(
        "parquet",
        data_files=sorted(map(str, (options.rows / "examples/train").glob("*.parquet"))),
        columns=["text", "label"],
        split="train",
        cache_dir=str(options.output / "cache"),
    )

    def tokenize(batch):
        return tokenizer(batch["text"], truncation=True, max_length=options.max_length)

    dataset = dataset.map(
        tokenize,
        batched=True,
        remove_columns=["text"],
        num_proc=options.processes if options.processes > 1 else None,
    )
    dataset = dataset.class_encode_column("label")
    dataset.save_to_disk(str(options.output / "dataset"))


if __name__ == "__main__":
    main()
