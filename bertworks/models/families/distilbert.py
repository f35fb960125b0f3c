"""DistilBERT: BERT's layers under other names; no token types and no pooler."""

from __future__ import annotations

from bertworks.models.families.family import Family

_LAYER = r"transformer\.layer\.(\d+)"
_PARTS = {
    r"attention\.q_lin": "attention.self.query",
    r"attention\.k_lin": "attention.self.key",
    r"attention\.v_lin": "attention.self.value",
    r"attention\.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    r"ffn\.lin1": "intermediate.dense",
    r"ffn\.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}

FAMILY = Family(
    model_type="distilbert",
    prefix="distilbert",
    names=(
        (r"embeddings\.(.+)", r"bert.embeddings.\1"),
        *(
            (rf"{_LAYER}\.{part}\.(weight|bias)", rf"bert.encoder.layer.\1.{bert}.\2")
            for part, bert in _PARTS.items()
        ),
        (r"vocab_transform\.(weight|bias)", r"cls.predictions.transform.dense.\1"),
        (r"vocab_layer_norm\.(weight|bias)", r"cls.predictions.transform.LayerNorm.\1"),
        (r"vocab_projector\.bias", "cls.predictions.bias"),
    ),
    fields={
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    fixed={"layer_norm_eps": 1e-12, "type_vocab_size": 2},
)
