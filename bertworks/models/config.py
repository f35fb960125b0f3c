"""The encoder's sizes, and their translation from and to Hugging Face's config.json.

What BERT has no field for stands in a "bertworks" block: widths of pruned layers, embeddings of another
width than the layers (ELECTRA's), relative positions (MPNet's).
Imports nothing heavy: exporting the ONNX graph and serving use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bertworks.errors import ArtifactError

HeadKind = Literal["encoder", "sequence", "token", "vector", "mlm"]
Pooling = Literal["mean", "first"]

ARCHITECTURES: dict[HeadKind, str] = {
    "encoder": "BertModel",
    "sequence": "BertForSequenceClassification",
    "token": "BertForTokenClassification",
    "vector": "BertModel",
    "mlm": "BertForMaskedLM",
}


POOLING = "sentence_pooling"
"""Key of config.json: how the vector of a whole row is made; stock models leave it unread."""

LARGEST = 100_000
LARGEST_BY_NAME = {"num_hidden_layers": 200, "vocab_size": 10_000_000}
"""Beyond these a file is damaged, or made to fill the memory."""


@dataclass(frozen=True)
class EncoderConfig:
    """The sizes of a BERT encoder whose layers may differ in width.

    Attributes:
        vocab_size: Rows of the word embeddings.
        hidden_size: Width of the residual stream.
        num_heads: Attention heads of each layer; a pruned layer may have none.
        head_size: Width of every head.
        intermediate_sizes: Feed-forward neurons of each layer; a pruned layer may have none.
        max_positions: Rows of the position embeddings: the longest sequence.
        type_vocab_size: Rows of the token-type embeddings.
        layer_norm_eps: Added to the variance in layer norms.
        dropout: Drop probability of hidden states while training.
        attention_dropout: Drop probability of attention weights while training.
        embedding_size: Width of the embeddings; where it is another than `hidden_size`, a projection
            leads from one to the other. 0: `hidden_size`.
        relative_positions: Whether attention scores have a bias by the distance of two tokens.
        pad_id: The padding token's id, which stock models want to know.
    """

    vocab_size: int
    hidden_size: int
    num_heads: tuple[int, ...]
    head_size: int
    intermediate_sizes: tuple[int, ...]
    max_positions: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    embedding_size: int = 0
    relative_positions: bool = False
    pad_id: int = 0

    def __post_init__(self) -> None:
        if not self.embedding_size:
            object.__setattr__(self, "embedding_size", self.hidden_size)
        if len(self.num_heads) != len(self.intermediate_sizes):
            raise ValueError(
                "`num_heads` and `intermediate_sizes` need one entry a layer each. Received: "
                f"{len(self.num_heads)} and {len(self.intermediate_sizes)} entries"
            )
        if not all(0 <= width <= LARGEST for width in (*self.num_heads, *self.intermediate_sizes)):
            raise ValueError(
                f"widths of layers must be 0 to {LARGEST:,}. "
                f"Received: num_heads={self.num_heads}, intermediate_sizes={self.intermediate_sizes}"
            )
        if not 1e-20 < self.layer_norm_eps < 1:
            raise ValueError(f"`layer_norm_eps` must be small. Received: {self.layer_norm_eps}")
        for name in ("dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 0 to 1. Received: {getattr(self, name)}")
        if self.head_size < 1 or self.hidden_size % self.head_size:
            raise ValueError(
                "`head_size` must divide `hidden_size`. "
                f"Received: head_size={self.head_size}, hidden_size={self.hidden_size}"
            )

    @property
    def num_layers(self) -> int:
        """Number of transformer layers."""
        return len(self.num_heads)

    @property
    def uniform_heads(self) -> int:
        """Heads of a layer that was not pruned."""
        return self.hidden_size // self.head_size

    @property
    def projects(self) -> bool:
        """Whether a projection leads from the embeddings to the layers."""
        return self.embedding_size != self.hidden_size

    @property
    def is_pruned(self) -> bool:
        """Whether stock BERT, with one width for all layers, cannot describe these sizes."""
        return (
            any(heads != self.uniform_heads for heads in self.num_heads)
            or len(set(self.intermediate_sizes)) > 1
            or 0 in self.intermediate_sizes
        )

    @classmethod
    def from_huggingface(cls, raw: Mapping[str, Any]) -> EncoderConfig:
        """Reads config.json, with the "bertworks" block of a pruned model where there is one.

        Raises:
            ArtifactError: A field is missing, or the model is not a BERT that this encoder computes.
        """
        _refuse_other_models(raw)
        try:
            layers = _size(raw, "num_hidden_layers")
            heads = _size(raw, "num_attention_heads")
            hidden = _size(raw, "hidden_size")
            widths = raw.get("bertworks") or {}
            if hidden % heads:
                raise ValueError(
                    "`num_attention_heads` must divide `hidden_size`. "
                    f"Received: num_attention_heads={heads}, hidden_size={hidden}"
                )
            return cls(
                vocab_size=_size(raw, "vocab_size"),
                hidden_size=hidden,
                num_heads=tuple(map(int, widths.get("num_heads") or [heads] * layers)),
                head_size=int(widths.get("head_size") or hidden // heads),
                intermediate_sizes=tuple(
                    map(
                        int,
                        widths.get("intermediate_sizes")
                        or [_size(raw, "intermediate_size")] * layers,
                    )
                ),
                max_positions=_size(raw, "max_position_embeddings", 512),
                type_vocab_size=_size(raw, "type_vocab_size", 2),
                layer_norm_eps=float(raw.get("layer_norm_eps", 1e-12)),
                dropout=float(raw.get("hidden_dropout_prob", 0.1)),
                attention_dropout=float(raw.get("attention_probs_dropout_prob", 0.1)),
                embedding_size=_size(widths, "embedding_size", hidden),
                relative_positions=bool(widths.get("relative_positions")),
                pad_id=_pad(raw),
            )
        except KeyError as error:
            raise ArtifactError(
                f"config.json has no {error.args[0]!r}.", "Give the model's complete config.json."
            ) from None
        except (TypeError, ValueError) as error:
            raise ArtifactError(
                f"config.json holds sizes that do not fit: {error}.", "Correct config.json."
            ) from None

    def to_huggingface(self) -> dict[str, object]:
        """The fields of config.json that describe the encoder.

        A pruned encoder keeps the widths it was cut from in the stock fields, as stock BERT has one
        width for all layers, and carries its own widths in the "bertworks" block.
        """
        raw: dict[str, object] = {
            "model_type": "bert",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.uniform_heads,
            "intermediate_size": max((1, *self.intermediate_sizes)),
            "hidden_act": "gelu",
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.attention_dropout,
            "max_position_embeddings": self.max_positions,
            "type_vocab_size": self.type_vocab_size,
            "layer_norm_eps": self.layer_norm_eps,
            "initializer_range": 0.02,
            "pad_token_id": self.pad_id,
        }
        own: dict[str, object] = {}
        if self.is_pruned:
            own |= {
                "num_heads": list(self.num_heads),
                "intermediate_sizes": list(self.intermediate_sizes),
                "head_size": self.head_size,
            }
        if self.projects:
            own["embedding_size"] = self.embedding_size
        if self.relative_positions:
            own["relative_positions"] = True
        return {**raw, "bertworks": own} if own else raw


@dataclass(frozen=True)
class Head:
    """What sits on top of the encoder.

    Attributes:
        kind: "encoder" (nothing), "sequence" (pooler and classifier over the first token), "token"
            (classifier over every token), "vector" (one of length 1 for the whole row) or "mlm"
            (vocabulary logits).
        labels: Names of the outputs, in order.
        problem_type: Hugging Face's name of the loss for a sequence head:
            "single_label_classification", "multi_label_classification" or "regression".
        pooling: Of a "vector" head: whether it is the mean of the tokens' states or the first one's.
    """

    kind: HeadKind
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    pooling: Pooling | None = None

    @property
    def outputs(self) -> int:
        """Number of outputs of the classifier."""
        return len(self.labels)

    @classmethod
    def from_huggingface(cls, raw: Mapping[str, Any]) -> Head:
        """Reads the head from config.json: its architecture, labels and problem type."""
        named = (raw.get("architectures") or ["BertModel"])[0]
        kinds: list[HeadKind] = [kind for kind, name in ARCHITECTURES.items() if name == named]
        kind = kinds[0] if kinds else "encoder"
        pooling = raw.get(POOLING)
        if kind == "encoder" and pooling in ("mean", "first"):
            return cls("vector", pooling=pooling)
        if kind not in ("sequence", "token"):
            return cls(kind)
        names = raw.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        labels = tuple(str(names[key]) for key in sorted(names, key=int))
        return cls(kind, labels, raw.get("problem_type"))

    def to_huggingface(self) -> dict[str, object]:
        """The fields of config.json that describe the head."""
        raw: dict[str, object] = {"architectures": [ARCHITECTURES[self.kind]]}
        if self.labels:
            raw["id2label"] = {str(index): name for index, name in enumerate(self.labels)}
            raw["label2id"] = {name: index for index, name in enumerate(self.labels)}
        if self.problem_type:
            raw["problem_type"] = self.problem_type
        if self.pooling:
            raw[POOLING] = self.pooling
        return raw


def _size(raw: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A count of config.json, within what an encoder may have."""
    value = raw[name] if default is None else raw.get(name, default)
    most = LARGEST_BY_NAME.get(name, LARGEST)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(
            f"`{name}` must be a whole number of 1 to {most:,}. Received: {value!r:.40}"
        )
    return value


def _pad(raw: Mapping[str, Any]) -> int:
    """The padding token's id; BERT's where it is not told."""
    value = raw.get("pad_token_id")
    return value if isinstance(value, int) and value > 0 else 0


def _refuse_other_models(raw: Mapping[str, Any]) -> None:
    """Names what this encoder does not compute, rather than computing something else."""
    rules: dict[str, set[Any]] = {
        "model_type": {"bert"},
        "hidden_act": {"gelu"},
        "position_embedding_type": {"absolute"},
        "is_decoder": {False},
    }
    for field, allowed in rules.items():
        if field in raw and raw[field] not in allowed:
            raise ArtifactError(
                f"config.json: `{field}` must be {sorted(map(str, allowed))[0]}. "
                f"Received: {raw[field]!r}",
                "Choose a base that computes as BERT does.",
            )
