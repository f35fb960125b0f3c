"""KFP wrapper of the register step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    section: str,
    bundle: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    metrics: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    registered: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> str:
    """Adds the bundle to the model store; says "promoted", "kept" or "refused"."""
    from bertworks.storage.artifacts import open_artifact
    from components.launch import launch

    launch(
        "register",
        "register",
        section,
        inputs={
            "bundle": bundle,
            "decision": decision,
            "metrics": metrics,
            "model": model,
            "examples": examples,
        },
        outputs={"registered": registered},
        metrics=scores,
        view=view,
    )
    return str(open_artifact(registered.path, "registered").metadata["outcome"])
