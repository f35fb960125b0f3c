"""Makes each box's section: its own part of the spec.

A step receives only what it needs, so that its cache survives a change elsewhere in the spec. What the
spec does not say but the result depends on (the content of local files, the champion) goes in as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import bertworks
from bertworks.spec import AgentSpec
from bertworks.spec.section import Section
from bertworks.tasks import form_of
from pipelines.deploying import deploy_section

if TYPE_CHECKING:
    from pipelines.dag import Dag

REFUSED = 0.05
"""The share of in-scope rows that may be taken for out of scope, unless the spec says another."""

Settings = Mapping[str, object]
"""A section as JSON has it: only its step knows what is in it, and looks inside."""


def parts(*names: str, **named: str) -> Callable[[Dag], Settings]:
    """The builder of a section that is made of parts of the spec as they stand.

    Args:
        names: Keys of the spec.
        named: What the step calls a part, and its place in the spec: `prune="compress.prune"`.
    """
    places = {**{name: name for name in names}, **named}

    def build(dag: Dag) -> Settings:
        return {name: plain(attrgetter(place)(dag.spec)) for name, place in places.items()}

    return build


def timed(build: Callable[[Dag], Settings]) -> Callable[[Dag], Settings]:
    """The builder of a section whose step is shortened where the run's minutes are over.

    What it makes in a hurry must not be taken from the cache by a run that has its time. Pods are told
    of no end: on a cluster nothing is shortened.
    """

    def section(dag: Dag) -> Settings:
        minutes = dag.spec.minutes if dag.site.foreseen else None
        return build(dag) if minutes is None else {**build(dag), "minutes": minutes}

    return section


def tune(dag: Dag) -> Settings:
    """The search; on a cluster its part of the run's minutes in figures."""
    section = dict(timed(parts("task", "metric", "finetune", "tune"))(dag))
    if dag.spec.tune.minutes == "auto" and not dag.site.foreseen:
        part = dag.spec.tune.share * (dag.spec.minutes or 0.0)
        section["tune"] = {**plain(dag.spec.tune), "minutes": round(part, 2)}
    asked = dag.spec.gates.model_dump(include={"max_latency_ms", "max_size_mb"}, exclude_none=True)
    if asked:
        prune = dag.spec.compress.prune
        section["limits"] = {**asked, "speedup": prune.speedup if prune.enabled else 1.0}
    return section


def choose(dag: Dag) -> Settings:
    """How finalists are compressed, and what the gates will ask of the agent's size and speed."""
    named = {"prune": "compress.prune", "quantize": "compress.quantize"}
    gates = dag.spec.gates.model_dump(include={"max_latency_ms", "max_size_mb"})
    return {**timed(parts("task", "metric", "tune", **named))(dag), "gates": gates}


def ingest(dag: Dag) -> Settings:
    """Where the rows, the texts and the encoder come from, and what they must be enough for.

    In a retraining the champion's rows are added to them, which the next step does.
    """
    alone, search = dag.kind == "agent", dag.spec.tune
    tells_apart = alone and dag.spec.validate_.checks.single_class == "error"
    return {
        **parts("task", "data", "corpus", "base")(dag),
        "spec_folder": dag.site.folder,
        "fingerprints": dict(sorted(dag.site.fingerprints.items())),
        **({"others": search.space.base} if searches_bases(dag.spec) else {}),
        **({"tells_apart": True} if tells_apart else {}),
        **({"folds": search.folds} if alone and search.enabled and search.folds else {}),
    }


def searches_bases(spec: AgentSpec) -> bool:
    """Whether a search tries other encoders than the base."""
    return spec.tune.enabled and bool(spec.tune.space.base)


def validate(dag: Dag) -> Settings:
    """The checks, and the statistics to compare with."""
    checks = plain(dag.spec.validate_)
    if checks["baseline"] == "auto":
        # In a retraining, what moved since the champion is for compare to say, and a new label is no
        # anomaly.
        checks["baseline"] = "none" if dag.kind == "retrain" else dag.site.baseline
    elif checks["baseline"] != "none":
        checks["baseline"] = dag.site.seen(checks["baseline"])
    return {**parts("task")(dag), "validate": checks}


def evaluate_model(dag: Dag) -> Settings:
    """As of the bundle, without slices: they cost a third of a minute of TFMA, and are taken of what
    will serve."""
    settings = {**plain(dag.spec.evaluate), "slices": []}
    return {**parts("task", "metric")(dag), "evaluate": settings}


def quantize(dag: Dag) -> Settings:
    """What the candidates are, what they will be asked, and what the gates will ask of them."""
    spec = dag.spec
    return {
        **parts("task", "metric", quantize="compress.quantize")(dag),
        "gates": spec.gates.model_dump(
            mode="json", include={"minimum", "max_drop", "max_latency_ms", "max_size_mb"}
        ),
        "confidence": _asked(spec),
        "serve": _served(spec),
        "columns": _columns(spec),
    }


def _served(spec: AgentSpec) -> Settings:
    """How the bundle is served, wherever that is; its card says what the spec does of its use."""
    page = spec.serve.page
    told = page.model_copy(update={"use": page.use or spec.description})
    serve = spec.serve.model_copy(update={"page": told})
    return serve.model_dump(mode="json", exclude={"deploy"})


def _asked(spec: AgentSpec) -> Settings:
    """The confidence section, with the share of in-scope rows that may be refused filled in."""
    asked = spec.confidence
    if asked.out_of_scope is None and spec.data.outside:
        asked = asked.model_copy(update={"out_of_scope": REFUSED})
    return asked.model_dump(mode="json")


def _columns(spec: AgentSpec) -> dict[str, list[str]]:
    """What the sources call the columns that an agent is asked with: `predict` looks for them."""
    named = [source.columns for source in spec.data.sources]
    return {
        role: list(dict.fromkeys(str(getattr(columns, role)) for columns in named))
        for role in form_of(spec.task).roles
    }


def gate(dag: Dag) -> Settings:
    """The rules; a retraining's gate looks for the champion itself."""
    again = dag.kind == "retrain"
    return {
        **_stored(dag),
        **parts("task", "metric", "gates")(dag),
        "champion": None if again else dag.site.champion,
        **(
            {"retrain": True, "min_new_label_recall": dag.spec.retrain.min_new_label_recall}
            if again
            else {}
        ),
    }


def register(dag: Dag) -> Settings:
    """Where versions are kept."""
    again = {"retrain": True, "recipe": recipe(dag.spec)} if dag.kind == "retrain" else {}
    trial = {"trial": True} if dag.spec.serve.tried else {}
    return {**_stored(dag), **again, **trial}


def compare(dag: Dag) -> Settings:
    """What is new enough to learn from, and how a challenger would be made."""
    spec, rare = dag.spec, dag.spec.validate_.checks
    return {
        **_stored(dag),
        **parts("task", "base")(dag),
        "retrain": spec.retrain.model_dump(mode="json", exclude={"webhook"}),
        "recipe": recipe(spec),
        "min_label_rows": 1 if rare.rare_labels == "ignore" else rare.min_label_rows,
    }


def notify(dag: Dag) -> Settings:
    """Where outcomes are kept, and whether somebody is told."""
    return {**_stored(dag), "webhook": dag.spec.retrain.webhook is not None}


def deploy(dag: Dag) -> Settings:
    """How the agent is served on the cluster."""
    return deploy_section(dag.spec, dag.site.store).model_dump(mode="json")


def recipe(spec: AgentSpec) -> str:
    """Tells ways to make a challenger apart: what failed to beat the champion may with another one."""
    fields = {
        "task",
        "base",
        "transform",
        "pretrain",
        "finetune",
        "compress",
        "confidence",
        "gates",
    }
    made = spec.model_dump(mode="json", include=fields)
    made["clean"] = spec.data.clean.model_dump(mode="json")
    if spec.tune.enabled:
        made["tune"] = plain(spec.tune)
    made["retrain"] = spec.retrain.model_dump(include={"warm_start", "rehearsal", "seed"})
    return hashlib.sha256(as_json([bertworks.__version__, made]).encode()).hexdigest()[:16]


def as_json(value: Any) -> str:
    """JSON in which nothing looks like a placeholder of KFP or Argo: both fill in {{…}} in texts."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text.replace("{{", r"{\u007b")  # in JSON two braces can only stand inside a string


def plain(part: Any) -> Any:
    """A part of the spec as JSON has it."""
    return part.model_dump(mode="json", by_alias=True) if isinstance(part, Section) else part


def _stored(dag: Dag) -> Settings:
    return {"name": dag.spec.name, "store": dag.site.store}
