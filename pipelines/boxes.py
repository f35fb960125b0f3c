"""The table of boxes: each place in the DAGs that make and remake an agent, one line of records each.

    ingest -> [compare] -> validate -> transform -> [pretrain] -> [tune] -> [choose] -> finetune
                                                                                        |      |
       [prune] <------------------------------------------------------------------------+   evaluate
          |                                                                                    |
       quantize -> evaluate-bundle -> gate <---------------------------------------------------+
                                       |
                                    register -> [deploy]            however it ends: [notify]

The training of an agent has all but compare and notify. A retraining has these as well: what follows
compare runs only where it says "changed", and deploy only where register says "promoted".

All else derives from this table, by `pipelines.dag`: the Kubeflow pipelines, each step's section, the
local runner, the pods' settings, the caches' rules and the report's picture. A new step is a folder in
components/, a section of the spec, and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertworks.data.sources.fingerprints import UNSEEN
from bertworks.retraining.webhook import URL
from pipelines import sections as of
from pipelines.box import Box, Output, Secret

if TYPE_CHECKING:
    from pipelines.dag import AnyDag, Dag


def never(dag: AnyDag) -> bool:
    """For what reads or changes what others change, or tells what happened in this very run."""
    return False


def retrains(dag: AnyDag) -> bool:
    """In a retraining only."""
    return dag.kind == "retrain"


def of_pods(dag: Dag) -> int:
    """The pods that a search is spread over; on this machine its step sees to all parts."""
    return dag.spec.tune.workers if dag.spec.tune.enabled and not dag.site.foreseen else 1


def _ingest_cached(dag: Dag) -> bool:
    return not retrains(dag) and UNSEEN not in dag.site.fingerprints.values()


def _validate_cached(dag: Dag) -> bool:
    return dag.site.foreseen or dag.spec.validate_.baseline in ("auto", "none")


def _gate_cached(dag: Dag) -> bool:
    return not retrains(dag) and (dag.site.foreseen or not dag.spec.gates.beat_champion)


def _webhook(dag: Dag) -> list[Secret]:
    hook = dag.spec.retrain.webhook
    return [Secret(URL, hook.secret, hook.key)] if hook else []


READ, BASE = Output("ingest", "examples"), Output("ingest", "base")
ROWS = (Output("compare", "merged"), READ)
HISTORY = (Output("compare", "history"), READ)
CORPUS = (Output("ingest", "corpus"),)
START = (Output("compare", "initial"), BASE)
TOKENS = (Output("transform", "tokens"),)
ENCODER = (Output("pretrain", "model"), *START)
SEARCHED = (Output("collect", "tuned"), Output("tune", "tuned"))
TEACHER = (Output("finetune", "model"),)
MODEL = (Output("prune", "pruned"), *TEACHER)
BUNDLE = (Output("quantize", "bundle"),)
MODEL_METRICS = (Output("evaluate", "metrics"),)
BUNDLE_METRICS = (Output("evaluate-bundle", "metrics"),)
DECISION = (Output("gate", "decision"),)

TABLE = (
    Box(
        name="ingest",
        section=of.ingest,
        cached=_ingest_cached,
        seconds=3.0,
    ),
    Box(
        name="compare",
        section=of.compare,
        takes={"examples": (READ,), "base": (BASE,)},
        there=retrains,
        cached=never,
        goes_on={"retrain": "changed"},
        known_as={"merged": "examples"},
    ),
    Box(
        name="validate",
        section=of.validate,
        takes={"examples": ROWS, "base": START},
        cached=_validate_cached,
        requests=("500m", "3Gi"),
        seconds=6.0,
    ),
    Box(
        name="transform",
        section=of.parts("task", "transform", "base"),
        takes={"examples": ROWS, "corpus": CORPUS, "base": START},
        after=("validate",),
        requests=("500m", "3Gi"),
        ahead=("components.transform.pipeline",),
        seconds=7.0,
    ),
    Box(
        name="pretrain",
        section=of.parts("task", "pretrain", "base"),
        takes={"tokens": TOKENS, "base": START},
        there=lambda dag: dag.spec.pretrain.enabled,
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.training.objectives.mlm",),
        known_as={"model": "pretrained"},
        seconds=15.0,
        varies=True,
    ),
    Box(
        name="tune",
        section=of.tune,
        takes={"tokens": TOKENS, "initial": ENCODER},
        there=lambda dag: dag.spec.tune.enabled,
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.training.search.fine_tuning",),
        workers=of_pods,
        seconds=15.0,
        varies=True,
    ),
    Box(
        name="collect",
        section=of.parts("tune"),
        takes={"parts": (Output("tune", "tuned"),)},
        there=lambda dag: of_pods(dag) > 1,
        requests=("250m", "1Gi"),
        known_as={"tuned": "collected"},
    ),
    Box(
        name="choose",
        section=of.choose,
        takes={"tuned": SEARCHED, "tokens": TOKENS},
        there=lambda dag: dag.spec.tune.enabled and dag.spec.tune.finalists > 1,
        requests=("1", "4Gi"),
        seconds=4.0,
        varies=True,
        ahead=("bertworks.compression.finalists",),
    ),
    Box(
        name="finetune",
        section=of.timed(of.parts("task", "metric", "finetune")),
        # What tune found is a model that is trained already: finetune takes it over.
        takes={"tokens": TOKENS, "initial": (Output("choose", "chosen"), *SEARCHED, *ENCODER)},
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.training.objectives.finetuning",),
        seconds=1.5,
        varies=True,
    ),
    Box(
        name="evaluate",
        section=of.evaluate_model,
        takes={"agent": TEACHER, "examples": ROWS, "tokens": TOKENS},
        requests=("500m", "3Gi"),
        ahead=("bertworks.models.model",),
        known_as={"metrics": "model_metrics"},
        seconds=3.0,
    ),
    Box(
        name="prune",
        section=of.timed(of.parts("task", "metric", prune="compress.prune")),
        takes={"model": TEACHER, "tokens": TOKENS},
        there=lambda dag: dag.spec.compress.prune.enabled,
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.compression.pruning.prune",),
        row=1,
        seconds=20.0,
        varies=True,
    ),
    Box(
        name="quantize",
        section=of.timed(of.quantize),
        takes={"model": MODEL, "tokens": TOKENS, "examples": ROWS},
        requests=("1", "3Gi"),
        ahead=("bertworks.models.model",),
        row=1,
        seconds=6.0,
        varies=True,
    ),
    Box(
        name="evaluate-bundle",
        runs="evaluate",
        section=of.parts("task", "metric", "evaluate"),
        takes={"agent": BUNDLE, "examples": ROWS, "tokens": TOKENS},
        requests=("500m", "3Gi"),
        ahead=("bertworks.models.model",),
        known_as={"metrics": "bundle_metrics"},
        seconds=6.0,
    ),
    Box(
        name="gate",
        section=of.gate,
        takes={
            "bundle": BUNDLE,
            "bundle_metrics": BUNDLE_METRICS,
            "model_metrics": MODEL_METRICS,
            "examples": ROWS,
        },
        cached=_gate_cached,
        requests=("250m", "1Gi"),
        refuses=True,
    ),
    Box(
        name="register",
        section=of.register,
        takes={
            "bundle": BUNDLE,
            "decision": DECISION,
            "metrics": BUNDLE_METRICS,
            "model": TEACHER,
            "examples": HISTORY,
        },
        cached=never,
        requests=("100m", "512Mi"),
        goes_on={"retrain": "promoted"},
    ),
    Box(
        name="deploy",
        section=of.deploy,
        takes={"registered": (Output("register", "registered"),)},
        there=lambda dag: dag.site.deploys and dag.spec.serve.deploy.enabled,
        cached=never,
        requests=("100m", "512Mi"),
    ),
    Box(
        name="notify",
        section=of.notify,
        there=retrains,
        cached=never,
        requests=("100m", "256Mi"),
        closes=True,
        secrets=_webhook,
    ),
)
