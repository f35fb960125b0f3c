"""Tiny random bases of other families than BERT's, as their own checkpoints are written."""

import json
import re

import numpy as np
import tokenizers

from bertworks.models.config import EncoderConfig
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.weights import write_tensors

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32, "max_position_embeddings": 66, "hidden_act": "gelu",
         "layer_norm_eps": 1e-5, "pad_token_id": 1}  # fmt: skip
MARKS = ["<s>", "<pad>", "</s>", "<unk>"]


def roberta(folder, texts):
    """RoBERTa with a vocabulary of bytes and of the texts' commonest pairs of them."""
    made = tokenizers.ByteLevelBPETokenizer()
    # Words stand after spaces, as they are read.
    spaced = [" ".join(["", *re.findall(r"\w+|[^\w\s]", text)]) for text in texts]
    made.train_from_iterator(spaced, vocab_size=500, special_tokens=[*MARKS, "<mask>"])
    backend = made._tokenizer
    backend.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    weights = _weights(backend.get_vocab_size())
    named = {name.replace("bert.", "roberta."): array for name, array in weights.items()}
    types = "roberta.embeddings.token_type_embeddings.weight"
    named[types] = named[types][:1]
    _write(folder, "roberta", named, backend, {"type_vocab_size": 1})


def xlm_roberta(folder, texts):
    """XLM-R with the vocabulary alone, as SentencePiece trained it."""
    from tests.helpers.tokenizer_kinds import made, sentencepiece_model

    backend = made("unigram").backend_tokenizer
    weights = _weights(backend.get_vocab_size())
    named = {name.replace("bert.", "roberta."): array for name, array in weights.items()}
    types = "roberta.embeddings.token_type_embeddings.weight"
    named[types] = named[types][:1]
    _write(folder, "xlm-roberta", named, backend, {"type_vocab_size": 1})
    (folder / "tokenizer.json").unlink()
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model())


def mpnet(folder, texts):
    """MPNet with the texts' words."""
    from transformers import MPNetTokenizer

    words = sorted({word.lower() for text in texts for word in re.findall(r"\w+|[^\w\s]", text)})
    entries = [*MARKS, "[UNK]", *words, "<mask>"]
    made = MPNetTokenizer(vocab={entry: place for place, entry in enumerate(entries)})
    weights = _weights(len(entries))
    del weights["bert.embeddings.token_type_embeddings.weight"]
    parts = {"self.query": "attn.q", "self.key": "attn.k", "self.value": "attn.v",
             "output.dense": "attn.o", "output.LayerNorm": "LayerNorm"}  # fmt: skip
    named = {}
    for name, array in weights.items():
        short = name.removeprefix("bert.")
        for bert, own in parts.items():
            short = short.replace(f"attention.{bert}.", f"attention.{own}.")
        named[short] = array
    shape = (32, SIZES["num_attention_heads"])
    biases = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    named["encoder.relative_attention_bias.weight"] = biases
    _write(folder, "mpnet", named, made.backend_tokenizer, {"relative_attention_num_buckets": 32})


def _weights(vocabulary):
    config = EncoderConfig(vocabulary, 16, (2, 2), 8, (32, 32), max_positions=66)
    fresh = initialize(encoder_shapes(config), seed=1)
    # Louder than BERT starts: a model this small learns from it in a few steps.
    return {name: 10 * x if x.ndim == 2 else x for name, x in fresh.items()}


def without_tokenizer_file(folder):
    """Leaves what checkpoints had before there was tokenizer.json."""
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    (folder / "tokenizer.json").unlink()
    backend.model.save(str(folder))


def _write(folder, model_type, weights, backend, own):
    folder.mkdir()
    config = {**SIZES, "model_type": model_type, "vocab_size": backend.get_vocab_size(), **own}
    (folder / "config.json").write_text(json.dumps(config))
    backend.save(str(folder / "tokenizer.json"))
    write_tensors(folder / "model.safetensors", weights)
