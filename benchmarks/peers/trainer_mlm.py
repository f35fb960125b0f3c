"""The peer of pretraining: what transformers' run_mlm example does, on the very texts of a run.

`--form lines` is its `--line_by_line`: a text a row, padded by the collator to the longest of the
batch (its default, `--pad_to_max_length` off). `--form blocks` is its default: texts with their marks
joined and cut into blocks. Both mask 15 % anew each time and decode all places. Batches are of 32 rows;
short rows take several of them a step, so that all forms get as many tokens a step.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import (
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
)

from benchmarks.peers.paced import CountingTrainer, arguments, serve_training

SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "mask", "unk")}


def rows_of(
    texts: dict[str, np.ndarray], form: str, length: int, cls: int, sep: int
) -> list[dict[str, list[int]]]:
    """The texts as run_mlm prepares them: `tokenize_function`, and `group_texts` for blocks."""
    ends = texts["offsets"].tolist()
    parts = [texts["values"][a:b].tolist() for a, b in zip(ends, ends[1:], strict=False)]
    if form == "lines":
        rows = [[cls, *ids[: length - 2], sep] for ids in parts]
    else:
        joined = [token for ids in parts for token in (cls, *ids, sep)]
        rows = [joined[at : at + length] for at in range(0, len(joined) - length + 1, length)]
    marks = (cls, sep)
    return [
        {
            "input_ids": row,
            "attention_mask": [1] * len(row),
            "special_tokens_mask": [int(token in marks) for token in row],
        }
        for row in rows
    ]


def probe_loss(model: torch.nn.Module, probe: dict[str, np.ndarray]) -> float:
    """Mean loss over the probe's masked tokens, see `benchmarks.pretrain.write_probe`."""
    model.eval()
    ids, mask, masked, targets = (
        torch.from_numpy(probe[name]).long() for name in ("input_ids", "mask", "masked", "targets")
    )
    with torch.inference_mode():
        hidden = model.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        logits = model.cls(hidden.reshape(-1, hidden.shape[-1])[masked])
        loss = torch.nn.functional.cross_entropy(logits.float(), targets)
    model.train()
    return float(loss)


def main() -> None:
    """Serves one training run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="token ids of the texts, without marks (.npz)")
    parser.add_argument("base", type=Path)
    parser.add_argument("--probe", type=Path, required=True)
    parser.add_argument("--form", choices=["lines", "blocks"], default="blocks")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--grouped", action="store_true", help="batches of rows of like length")
    parser.add_argument("--tokens", type=int, default=4096, help="real tokens a step, about")
    parser.add_argument("--rows", type=int, default=32, help="of a batch, at most")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(options.base / "tokenizer.json"), **SPECIAL
    )
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = rows_of(dict(np.load(options.texts)), options.form, options.length, cls, sep)
    per_step = max(1, round(options.tokens / np.mean([len(row["input_ids"]) for row in rows])))
    per_batch = min(options.rows, per_step)
    torch.manual_seed(options.seed)
    model = BertForMaskedLM.from_pretrained(options.base)
    trainer = CountingTrainer(
        model=model,
        args=arguments(
            bf16=options.bf16,
            train_sampling_strategy="group_by_length" if options.grouped else "random",
            learning_rate=options.learning_rate,
            per_device_train_batch_size=per_batch,
            gradient_accumulation_steps=round(per_step / per_batch),
            max_steps=options.steps,
            warmup_steps=options.warmup,
            dataloader_num_workers=options.workers,
            seed=options.seed,
        ),
        train_dataset=rows,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
    )
    probe = dict(np.load(options.probe))
    serve_training(trainer, lambda: probe_loss(model, probe))


if __name__ == "__main__":
    main()
