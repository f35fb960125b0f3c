"""What the peers of the agent benchmark take from transformers: the model, its tokenizer, its labels."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast


class Fine:
    """The uncompressed fine-tuned model of a run.

    Args:
        folder: The model artifact.
        attention: How transformers computes attention.
    """

    def __init__(self, folder: str, attention: str = "sdpa") -> None:
        self.max_length = json.loads((Path(folder) / "agent.json").read_text("utf-8"))["max_length"]
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation=attention
        ).eval()
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]"
        )

    def encode(self, texts: list[str], tensors: str) -> dict[str, Any]:
        """input_ids and attention_mask, padded to the longest text ("pt" or "np")."""
        encoded = self._tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.max_length,
            return_token_type_ids=False,
            return_tensors=tensors,
        )
        return dict(encoded)

    def labels(self, logits: Any) -> list[str]:
        """The label of the greatest logit of each row."""
        names = self.model.config.id2label
        return [names[index] for index in logits.argmax(-1).tolist()]
