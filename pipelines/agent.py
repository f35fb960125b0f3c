"""The DAG that makes an agent, read like the diagram on the wall.

ingest -> validate -> transform -> [pretrain] -> finetune -> evaluate
                                                    |
                                                 [prune] -> quantize -> evaluate-bundle
                                                                           |
                                                                         gate -> register
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from bertworks.spec import AgentSpec
from components.evaluate.component import evaluate
from components.finetune.component import finetune
from components.gate.component import gate
from components.ingest.component import ingest
from components.pretrain.component import pretrain
from components.prune.component import prune
from components.quantize.component import quantize
from components.register.component import register
from components.transform.component import transform
from components.validate.component import validate
from pipelines.resources import apply_resources


def task_names(spec: AgentSpec) -> list[str]:
    """The boxes of the DAG, in the order in which they run; what is switched off is left out."""
    return [
        "ingest",
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


def build(spec: AgentSpec, sections: Mapping[str, str], *, cluster: bool = True) -> Any:
    """The KFP pipeline of a spec.

    Args:
        spec: The agent spec.
        sections: Each step's part of it as JSON, from `pipelines.sections`.
        cluster: Whether tasks get their pods' settings; a run on this machine has no use for them.
    """

    @dsl.pipeline(name=spec.name, description=spec.description or None)
    def agent() -> None:
        rows = ingest(section=sections["ingest"])
        checked = validate(
            section=sections["validate"],
            examples=rows.outputs["examples"],
            base=rows.outputs["base"],
        )
        tokens = transform(
            section=sections["transform"],
            examples=rows.outputs["examples"],
            corpus=rows.outputs["corpus"],
            base=rows.outputs["base"],
        ).after(checked)
        tasks = [rows, checked, tokens]
        initial = rows.outputs["base"]
        if spec.pretrain.enabled:
            pretrained = pretrain(
                section=sections["pretrain"],
                tokens=tokens.outputs["tokens"],
                base=rows.outputs["base"],
            )
            initial = pretrained.outputs["model"]
            tasks.append(pretrained)
        teacher = finetune(
            section=sections["finetune"], tokens=tokens.outputs["tokens"], initial=initial
        )
        scored = evaluate(
            task="evaluate",
            section=sections["evaluate"],
            agent=teacher.outputs["model"],
            examples=rows.outputs["examples"],
            tokens=tokens.outputs["tokens"],
        )
        tasks += [teacher, scored]
        model = teacher.outputs["model"]
        if spec.compress.prune.enabled:
            small = prune(section=sections["prune"], model=model, tokens=tokens.outputs["tokens"])
            model = small.outputs["pruned"]
            tasks.append(small)
        packed = quantize(
            section=sections["quantize"], model=model, tokens=tokens.outputs["tokens"]
        )
        rescored = evaluate(
            task="evaluate-bundle",
            section=sections["evaluate-bundle"],
            agent=packed.outputs["bundle"],
            examples=rows.outputs["examples"],
            tokens=tokens.outputs["tokens"],
        ).set_display_name("evaluate-bundle")
        allowed = gate(
            section=sections["gate"],
            bundle=packed.outputs["bundle"],
            bundle_metrics=rescored.outputs["metrics"],
            model_metrics=scored.outputs["metrics"],
        )
        registered = register(
            section=sections["register"],
            bundle=packed.outputs["bundle"],
            decision=allowed.outputs["decision"],
            metrics=rescored.outputs["metrics"],
        )
        # Its work is on the store, which others change: a cached answer would promote nothing.
        registered.set_caching_options(False)
        tasks += [packed, rescored, allowed, registered]
        for task, name in zip(tasks, task_names(spec), strict=True):
            if cluster:
                apply_resources(task, name, spec, sections)

    return agent
