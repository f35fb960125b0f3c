"""Run by the peers' Python: outputs of transformers for a folder and inputs, as npz.

Usage: transformers_outputs.py FOLDER INPUTS.npz OUTPUTS.npz [FOLDER INPUTS.npz OUTPUTS.npz ...]
"""

import inspect
import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

CLASSES = {  # of other architectures the bare encoder
    "BertForSequenceClassification": transformers.AutoModelForSequenceClassification,
    "BertForTokenClassification": transformers.AutoModelForTokenClassification,
    "BertForMaskedLM": transformers.AutoModelForMaskedLM,
}


def outputs(folder, inputs):
    named = json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    kind = CLASSES.get(named, transformers.AutoModel)
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"], report
    given = {
        "input_ids": torch.tensor(inputs["input_ids"]).long(),
        "attention_mask": torch.tensor(inputs["mask"]).long(),
        "token_type_ids": torch.tensor(inputs["type_ids"]).long(),
    }
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        del given["token_type_ids"]
    with torch.no_grad():
        found = model.eval()(**given, output_hidden_states=True)
    states = {f"hidden_{i}": state.numpy() for i, state in enumerate(found.hidden_states)}
    return states | ({"logits": found.logits.numpy()} if "logits" in found else {})


if __name__ == "__main__":
    for at in range(1, len(sys.argv), 3):
        folder, inputs, target = sys.argv[at : at + 3]
        np.savez(target, **outputs(folder, np.load(inputs)))
