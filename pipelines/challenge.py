"""The part of the DAG that the training and the retraining of an agent share: from rows to a version.

validate -> transform -> [pretrain] -> finetune -> evaluate
                                          |
                                       [prune] -> quantize -> evaluate-bundle
                                                                 |
                                                               gate -> register
"""

from collections.abc import Mapping
from typing import Any

from bertworks.spec import AgentSpec
from components.evaluate.component import evaluate
from components.finetune.component import finetune
from components.gate.component import gate
from components.pretrain.component import pretrain
from components.prune.component import prune
from components.quantize.component import quantize
from components.register.component import register
from components.transform.component import transform
from components.validate.component import validate


def task_names(spec: AgentSpec) -> list[str]:
    """The boxes, in the order in which they run; what is switched off is left out."""
    return [
        "validate",
        "transform",
        *(["pretrain"] if spec.pretrain.enabled else []),
        "finetune",
        "evaluate",
        *(["prune"] if spec.compress.prune.enabled else []),
        "quantize",
        "evaluate-bundle",
        "gate",
        "register",
    ]


def make_version(
    spec: AgentSpec,
    sections: Mapping[str, str],
    *,
    examples: Any,
    history: Any,
    corpus: Any,
    base: Any,
) -> dict[str, Any]:
    """Adds the tasks to the pipeline that is being built.

    Args:
        spec: The agent spec.
        sections: Each step's part of it as JSON.
        examples: The rows to train on and to measure with.
        history: All rows that are known by now, which are kept with the version.
        corpus: The unlabelled texts.
        base: What to start from.

    Returns:
        Task name to task, in the order of `task_names`.
    """
    checked = validate(section=sections["validate"], examples=examples, base=base)
    transformed = transform(
        section=sections["transform"], examples=examples, corpus=corpus, base=base
    ).after(checked)
    tasks = {"validate": checked, "transform": transformed}
    tokens, initial = transformed.outputs["tokens"], base
    if spec.pretrain.enabled:
        tasks["pretrain"] = pretrain(section=sections["pretrain"], tokens=tokens, base=base)
        initial = tasks["pretrain"].outputs["model"]
    tasks["finetune"] = finetune(section=sections["finetune"], tokens=tokens, initial=initial)
    teacher = model = tasks["finetune"].outputs["model"]
    tasks["evaluate"] = evaluate(
        task="evaluate",
        section=sections["evaluate"],
        agent=teacher,
        examples=examples,
        tokens=tokens,
    )
    if spec.compress.prune.enabled:
        tasks["prune"] = prune(section=sections["prune"], model=teacher, tokens=tokens)
        model = tasks["prune"].outputs["pruned"]
    tasks["quantize"] = quantize(section=sections["quantize"], model=model, tokens=tokens)
    bundle = tasks["quantize"].outputs["bundle"]
    tasks["evaluate-bundle"] = evaluate(
        task="evaluate-bundle",
        section=sections["evaluate-bundle"],
        agent=bundle,
        examples=examples,
        tokens=tokens,
    ).set_display_name("evaluate-bundle")
    tasks["gate"] = gate(
        section=sections["gate"],
        bundle=bundle,
        bundle_metrics=tasks["evaluate-bundle"].outputs["metrics"],
        model_metrics=tasks["evaluate"].outputs["metrics"],
        examples=examples,
    )
    tasks["register"] = register(
        section=sections["register"],
        bundle=bundle,
        decision=tasks["gate"].outputs["decision"],
        metrics=tasks["evaluate-bundle"].outputs["metrics"],
        model=teacher,
        examples=history,
    )
    # Its work is on the store, which others change: a cached answer would promote nothing.
    tasks["register"].set_caching_options(False)
    return tasks
