"""KFP wrapper of the gate step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    section: str,
    bundle: dsl.Input[dsl.Artifact],
    bundle_metrics: dsl.Input[dsl.Artifact],
    model_metrics: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Lets the compressed bundle pass, or refuses it with the reasons."""
    from components.launch import launch

    launch(
        "gate",
        "gate",
        section,
        inputs={
            "bundle": bundle,
            "bundle_metrics": bundle_metrics,
            "model_metrics": model_metrics,
            "examples": examples,
        },
        outputs={"decision": decision},
        metrics=scores,
        view=view,
    )
