"""The agent spec: one declaration of what an agent is for, what it is made from and what it may cost.

Every field has a default that works, a unit where it has one, and a description: `bertworks spec
schema` prints them as JSON schema. Reading a spec from a file, with line numbers in the errors, is in
`file.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bertworks.secrets import masked, secret_in
from bertworks.spec import presets
from bertworks.spec.base import Base
from bertworks.spec.checks import Validate
from bertworks.spec.cluster import Resources, Schedule, Serve
from bertworks.spec.compress import Compress
from bertworks.spec.confidence import Confidence
from bertworks.spec.data import Corpus, Data
from bertworks.spec.judging import Evaluate, Gates, Retrain
from bertworks.spec.presets import Preset
from bertworks.spec.section import Section
from bertworks.spec.task import Task, metrics_of, task_metric
from bertworks.spec.track import Track
from bertworks.spec.training import Finetune, Pretrain, Transform
from bertworks.spec.tuning import Tune


class AgentSpec(Section):
    """One agent, declared.

    Made from a YAML file by `bertworks.spec.file`, or here; a section may be given as a mapping:

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
    preset: Preset | None = Field(None, description=presets.TOLD)
    seed: int | None = Field(
        None,
        ge=0,
        description="Of all that draws at random and changes the agent: training, search, pruning, "
        "calibration. A section's own `seed` stands above it.",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="All that a run on this machine may take. When time runs out, what is left is "
        "shortened: trials, epochs of distillation, candidates, rounds of measurement; never the "
        "gates. None: any. On a cluster it bounds the search alone.",
    )
    task: Task = Field(default_factory=Task)
    data: Data
    corpus: Corpus = Field(default_factory=Corpus)
    base: Base = Field(default_factory=Base)
    validate_: Validate = Field(default_factory=Validate, alias="validate")
    transform: Transform = Field(default_factory=Transform)
    pretrain: Pretrain = Field(default_factory=Pretrain)
    finetune: Finetune = Field(default_factory=Finetune)
    tune: Tune = Field(default_factory=Tune)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    compress: Compress = Field(default_factory=Compress)
    confidence: Confidence = Field(default_factory=Confidence)
    gates: Gates = Field(default_factory=Gates)
    serve: Serve = Field(default_factory=Serve)
    resources: Resources = Field(default_factory=Resources)
    schedule: Schedule = Field(default_factory=Schedule)
    retrain: Retrain = Field(default_factory=Retrain)
    track: Track = Field(default_factory=Track)

    @model_validator(mode="before")
    @classmethod
    def _preset_is_below(cls, content: Any) -> Any:
        return presets.below(content) if isinstance(content, Mapping) else content

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
    def _documents_are_matched(cls, data: Data, info: ValidationInfo) -> Data:
        task = info.data.get("task")
        if task is not None and data.documents and task.kind.section != "matching":
            raise ValueError(
                "`sources[].documents` goes with task.type: matching; leave it out. "
                f"Received: task.type={task.type}"
            )
        return data

    @field_validator("data")
    @classmethod
    def _columns_differ(cls, data: Data, info: ValidationInfo) -> Data:
        """A text that is its own label is learned at once, and is worth nothing."""
        task = info.data.get("task")
        if task is None:
            return data
        forms = {
            "pair": ["text_a", "text_b", "label"],
            "words": ["tokens", "tags"],
            "turn": ["tokens", "tags", "label"],
            "turn_in_context": ["tokens", "context", "tags", "label"],
        }
        columns = forms.get(task.form, ["text", task.kind.column])
        for source in data.sources:
            read = columns[:-1] if source.columns.one_hot else columns
            named = [getattr(source.columns, field) for field in read]
            if twice := [name for name in named if named.count(name) > 1]:
                fields = " and ".join(
                    f"`{field}`"
                    for field, name in zip(read, named, strict=True)
                    if name == twice[0]
                )
                raise ValueError(
                    f"`columns`: {fields} must be columns that differ. Received: {twice[0]!r} for each"
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
        if isinstance(part, Base):
            uris = [part.uri, *([part.tokenizer.uri] if part.tokenizer else [])]
        else:
            uris = [one.uri for one in part.sources]
        for uri in uris:
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
        for name in presets.values(plain):  # a default may stand above the preset's value
            section, _, key = name.rpartition(".")
            here = plain
            for part in section.split("."):
                here = here.setdefault(part, {})
            here[key] = attrgetter(name)(self)
        plain = presets.without(plain)
        if self.base.name is not None:
            for key in Base.addresses(self.base.name):
                plain["base"].pop(key, None)
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

    @field_validator("tune")
    @classmethod
    def _search_fits_the_task(cls, value: Tune, info: ValidationInfo) -> Tune:
        task, smoothing = info.data.get("task"), value.space.label_smoothing
        if task is None or smoothing is None or not smoothing.said:
            return value
        if "label_smoothing" not in task.kind.settings:
            raise ValueError(
                f"`space.label_smoothing` does not go with task.type: {task.type}; leave it out or set "
                "it to null."
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

    @field_validator("confidence")
    @classmethod
    def _confidence_fits_the_task(cls, value: Confidence, info: ValidationInfo) -> Confidence:
        task, data = info.data.get("task"), info.data.get("data")
        if task is None or data is None:
            return value
        can = task.kind.confidence - ({"out_of_scope"} if task.pair else set())
        for name in ("abstain", "out_of_scope", "conformal"):
            if getattr(value, name) is not None and name not in can:
                raise ValueError(f"`{name}` does not go with {_shown(task)}; leave it out.")
        if data.outside and "out_of_scope" not in can:
            raise ValueError(
                f"data.sources[].out_of_scope does not go with {_shown(task)}; leave such sources out. "
                f"Received: {masked(data.outside[0].uri)}"
            )
        return value

    @field_validator("gates")
    @classmethod
    def _gates_are_of_what_is_asked(cls, gates: Gates, info: ValidationInfo) -> Gates:
        task, data, asked = (info.data.get(name) for name in ("task", "data", "confidence"))
        if task is None or data is None or asked is None:
            return gates
        needed = {
            "min_coverage": (asked.abstain, "confidence.abstain"),
            "max_calibration_error": (
                task.kind.confidence,
                "a task whose answers have probabilities",
            ),
            "min_out_of_scope_recall": (data.outside, "a source with out_of_scope: true"),
        }
        for name, (there, what) in needed.items():
            if getattr(gates, name) is not None and not there:
                raise ValueError(f"`{name}` needs {what}; or leave it out.")
        return gates

    @field_validator("gates")
    @classmethod
    def _gates_can_be_met(cls, gates: Gates, info: ValidationInfo) -> Gates:
        task = info.data.get("task")
        metric = gates.metric or (task_metric(task) if task is not None else "")
        if task is not None and metric in task.kind.at_most_one:
            _check_at_most_one("minimum", gates.minimum, metric)
            _check_at_most_one("max_drop", gates.max_drop, metric)
        return gates

    @field_validator("compress")
    @classmethod
    def _drop_is_a_drop(cls, compress: Compress, info: ValidationInfo) -> Compress:
        task = info.data.get("task")
        if task is not None and set(metrics_of(task)) <= set(task.kind.at_most_one):
            _check_at_most_one("quantize.max_drop", compress.quantize.max_drop, task_metric(task))
        return compress

    @field_validator("gates")
    @classmethod
    def _floor_is_there_to_beat(cls, gates: Gates, info: ValidationInfo) -> Gates:
        evaluate = info.data.get("evaluate")
        if evaluate is not None and gates.beat_floor and not evaluate.floor:
            raise ValueError("`beat_floor` needs evaluate.floor: true; or set beat_floor: false.")
        return gates

    @model_validator(mode="after")
    def _minutes_to_share(self) -> AgentSpec:
        if self.tune.enabled and self.tune.minutes == "auto" and self.minutes is None:
            raise ValueError(
                "`tune.minutes: auto` takes its part of the run's `minutes`, which are not given: give "
                "`minutes`, or a number of minutes for the search alone."
            )
        return self

    @model_validator(mode="after")
    def _other_bases_start_alike(self) -> AgentSpec:
        if self.tune.enabled and self.tune.space.base:
            what = "base.uri: scratch" if self.base.uri == "scratch" else "pretrain.enabled: true"
            if self.base.uri == "scratch" or self.pretrain.enabled:
                raise ValueError(
                    f"`tune.space.base` does not go with {what}: the others are not made so."
                )
        return self

    @model_validator(mode="after")
    def _scratch_needs_pretraining_text(self) -> AgentSpec:
        if self.base.uri == "scratch" and not (
            self.corpus.sources or self.corpus.include_training_text
        ):
            raise ValueError("`base: scratch` needs text: give corpus.sources.")
        return self


def _check_at_most_one(name: str, value: float | None, metric: str) -> None:
    if value is not None and value > 1:
        raise ValueError(
            f"`{name}` must be at most 1, as {metric} is; for {value:g} % write {value / 100:g}. "
            f"Received: {value:g}"
        )


def _shown(task: Task) -> str:
    """A task as a spec asks for it."""
    more = [name for name in ("multi_label", "pair") if getattr(task, name)]
    return ", ".join([f"task.type: {task.type}", *(f"{name}: true" for name in more)])
