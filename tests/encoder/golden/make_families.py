"""What transformers computes with a small random model of each family: weights, config and outputs.

Run with the peers' Python from the repository's root:
    .venv-peers/bin/python tests/encoder/golden/make_families.py tests/encoder/golden/families.npz 7
"""

import json
import sys

import numpy as np
import torch
import transformers

SIZES = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 12, "max_position_embeddings": 24}  # fmt: skip
WITH_PAD = {**SIZES, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
MPNET = {name: value for name, value in WITH_PAD.items() if name != "type_vocab_size"}
MODELS = {
    "roberta": ("RobertaModel", WITH_PAD),
    "roberta-masked": ("RobertaForMaskedLM", {**WITH_PAD, "pad_token_id": 3}),
    "xlm-roberta": ("XLMRobertaModel", WITH_PAD),
    "distilbert": ("DistilBertModel", {
        "vocab_size": 30, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 12,
        "max_position_embeddings": 24,
    }),
    "distilbert-masked": ("DistilBertForMaskedLM", {
        "vocab_size": 30, "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 12,
        "max_position_embeddings": 24,
    }),
    "electra": ("ElectraModel", {**SIZES, "embedding_size": 8}),
    "electra-narrow": ("ElectraForMaskedLM", {**SIZES, "embedding_size": 4}),
    "mpnet": ("MPNetModel", {**MPNET, "max_position_embeddings": 202}),
    "mpnet-masked": ("MPNetForMaskedLM", {**MPNET, "num_hidden_layers": 1}),
}  # fmt: skip


def made(name, seed):
    """One model's weights, config.json and outputs by key."""
    kind, options = MODELS[name]
    torch.manual_seed(seed)
    cls = getattr(transformers, kind)
    model = cls(cls.config_class(**options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    longest = 200 if name == "mpnet" else 14
    random = np.random.default_rng(seed)
    # No token is the padding's, by which RoBERTa counts its positions.
    ids = random.integers(4, 30, (3, longest))
    mask = np.ones((3, longest), np.int64)
    mask[1, 5:] = 0
    ids[1, 5:] = model.config.pad_token_id
    types = random.integers(0, 2, ids.shape) * mask
    given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if "electra" in name:
        given["token_type_ids"] = torch.tensor(types)
    with torch.no_grad():
        found = model(**given, output_hidden_states=True)
    config = {**model.config.to_dict(), "architectures": [kind]}
    arrays = {f"weights/{key}": value.numpy() for key, value in model.state_dict().items()}
    arrays |= {f"hidden/{place}": state.numpy() for place, state in enumerate(found.hidden_states)}
    arrays |= {"input_ids": ids, "mask": mask, "type_ids": types}
    if "logits" in found:
        arrays["logits"] = found.logits.numpy()
    return {"config": np.array(json.dumps(config, default=str)), **arrays}


if __name__ == "__main__":
    target, seed = sys.argv[1], int(sys.argv[2])
    arrays = {f"{name}/{key}": value for name in MODELS for key, value in made(name, seed).items()}
    np.savez_compressed(target, **arrays)
