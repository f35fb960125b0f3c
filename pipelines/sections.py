"""Each step's own part of the spec, as JSON.

A step receives only what it needs, so that its cache survives a change elsewhere in the spec. What the
spec does not say but the result depends on (the content of local files, the code) goes in as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import bertworks
from bertworks.sources.fingerprints import UNSEEN
from bertworks.spec import AgentSpec
from bertworks.spec_base import Section
from bertworks.spec_file import SpecFile
from bertworks.tasks import form_of
from pipelines.deploying import deploy_section

REPOSITORY = Path(__file__).resolve().parent.parent


def sections(
    loaded: SpecFile,
    *,
    store: str,
    fingerprints: Mapping[str, str],
    code: bool,
    baseline: str = "none",
) -> dict[str, str]:
    """The JSON section of every step.

    Args:
        loaded: The spec, as read.
        store: URI or path of the model store.
        fingerprints: Of each source's content, from `bertworks.sources`: new data breaks the cache.
        baseline: The statistics that `validate.baseline: auto` stands for.
        code: The steps run here and now: also put in a fingerprint of the code (on a cluster the
            image's tag does), and look into the store (on a cluster only pods can).
    """
    spec = loaded.spec
    task = _plain(spec.task)
    checks = _plain(spec.validate_)
    if checks["baseline"] == "auto":
        checks["baseline"] = baseline
    elif checks["baseline"] != "none" and code:
        checks["baseline"] = str(loaded.folder / checks["baseline"])
    champion = _champion(store, spec) if spec.gates.beat_champion and code else None
    settings: dict[str, dict[str, Any]] = {
        "ingest": {
            "task": task,
            "data": _plain(spec.data),
            "corpus": _plain(spec.corpus),
            "base": _plain(spec.base),
            # Only a run on this machine can read files beside the spec.
            **({"spec_folder": str(loaded.folder)} if code else {"spec_folder": "."}),
            "fingerprints": dict(sorted(fingerprints.items())),
        },
        "validate": {"task": task, "validate": checks},
        "transform": {"task": task, "transform": _plain(spec.transform), "base": _plain(spec.base)},
        "pretrain": {"task": task, "pretrain": _plain(spec.pretrain), "base": _plain(spec.base)},
        "finetune": {"task": task, "metric": spec.metric, "finetune": _plain(spec.finetune)},
        # Slices cost a third of a minute of TFMA: they are taken of what will serve.
        "evaluate": {
            "task": task,
            "metric": spec.metric,
            "evaluate": {**_plain(spec.evaluate), "slices": []},
        },
        "evaluate-bundle": {
            "task": task,
            "metric": spec.metric,
            "evaluate": _plain(spec.evaluate),
        },
        "prune": {"task": task, "metric": spec.metric, "prune": _plain(spec.compress.prune)},
        "quantize": {
            "task": task,
            "metric": spec.metric,
            "quantize": _plain(spec.compress.quantize),
            "gates": spec.gates.model_dump(
                mode="json", include={"minimum", "max_drop", "max_latency_ms", "max_size_mb"}
            ),
            "serve": spec.serve.model_dump(mode="json", exclude={"deploy"}),
            "columns": _columns(spec),
        },
        "gate": {
            "name": spec.name,
            "task": task,
            "metric": spec.metric,
            "gates": _plain(spec.gates),
            "store": store,
            "champion": champion,
        },
        "register": {"name": spec.name, "store": store},
        "deploy": deploy_section(spec, store),
    }
    settings |= _retraining(loaded, store, settings, code)
    return {
        step: _json(
            {
                "bertworks": bertworks.__version__,
                **({"code": _code_fingerprint(step)} if code else {}),
                "settings": section,
            }
        )
        for step, section in settings.items()
    }


def _columns(spec: AgentSpec) -> dict[str, list[str]]:
    """What the sources call the columns that an agent is asked with: `predict` looks for them."""
    named = [source.columns for source in spec.data.sources]
    return {
        role: list(dict.fromkeys(str(getattr(columns, role)) for columns in named))
        for role in form_of(spec.task).roles
    }


def _retraining(
    loaded: SpecFile, store: str, settings: Mapping[str, dict[str, Any]], code: bool
) -> dict[str, dict[str, Any]]:
    """The sections of a retraining's own steps, and of those that do otherwise there."""
    spec, own = loaded.spec, {"name": loaded.spec.name, "store": store}
    checks = dict(settings["validate"]["validate"])
    if spec.validate_.baseline == "auto":
        # What moved since the champion is for compare to say, and a new label is no anomaly.
        checks["baseline"] = "none"
    recipe = _recipe(spec)
    rare = spec.validate_.checks
    return {
        "compare": {
            **own,
            "task": _plain(spec.task),
            "base": _plain(spec.base),
            "retrain": spec.retrain.model_dump(mode="json", exclude={"webhook"}),
            "recipe": recipe,
            "min_label_rows": 1 if rare.rare_labels == "ignore" else rare.min_label_rows,
        },
        "validate-retrain": {**settings["validate"], "validate": checks},
        "gate-retrain": {
            **settings["gate"],
            "champion": None,
            "retrain": True,
            "min_new_label_recall": spec.retrain.min_new_label_recall,
        },
        "register-retrain": {**own, "retrain": True, "recipe": recipe},
        "notify": {**own, "webhook": spec.retrain.webhook is not None},
    }


def _recipe(spec: AgentSpec) -> str:
    """Tells ways to make a challenger apart: what failed to beat the champion may with another one."""
    fields = {"task", "base", "transform", "pretrain", "finetune", "compress", "gates"}
    made = spec.model_dump(mode="json", include=fields)
    made["clean"] = spec.data.clean.model_dump(mode="json")
    made["retrain"] = spec.retrain.model_dump(include={"warm_start", "rehearsal", "seed"})
    return hashlib.sha256(_json([bertworks.__version__, made]).encode()).hexdigest()[:16]


def _json(value: Any) -> str:
    """JSON in which nothing looks like a placeholder of KFP or Argo: both fill in {{…}} in texts."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text.replace("{{", r"{\u007b")  # in JSON two braces can only stand inside a string


def uncached(spec: AgentSpec, sections: Mapping[str, str]) -> set[str]:
    """The tasks whose cached answer could be wrong on a cluster: what they read is not in the key."""
    settings = {step: json.loads(section)["settings"] for step, section in sections.items()}
    found = {"register"}
    if UNSEEN in settings["ingest"]["fingerprints"].values():
        found.add("ingest")
    if settings["validate"]["validate"]["baseline"] not in ("auto", "none"):
        found.add("validate")
    if spec.gates.beat_champion:
        found.add("gate")
    return found


def _plain(section: Section) -> dict[str, Any]:
    return section.model_dump(mode="json", by_alias=True)


def _champion(store: str, spec: AgentSpec) -> str | None:
    """The present champion's version: a gate that compares with it must not reuse an old answer."""
    from bertworks.store import Store

    champion = Store(store).champion(spec.name)
    return None if champion is None else champion.digest


def _code_fingerprint(step: str) -> str:
    steps = REPOSITORY / "components"
    total = hashlib.sha256()
    for place in (
        REPOSITORY / "bertworks",
        steps / step.partition("-")[0],  # of evaluate-bundle, gate-retrain
        steps / "launch.py",
        steps / "shown.py",
        REPOSITORY / "requirements/runtime.txt",
    ):
        total.update(_hash_of(place).encode())
    return total.hexdigest()[:32]


@cache
def _hash_of(place: Path) -> str:
    """The hash of a folder's Python files, or of one file; of nothing where it was not installed."""
    if not place.is_dir():
        return hashlib.sha256(place.read_bytes()).hexdigest() if place.exists() else ""
    folder, total = place, hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        total.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
