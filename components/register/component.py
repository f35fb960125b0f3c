"""KFP wrapper of the register step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    section: str,
    bundle: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    metrics: dsl.Input[dsl.Artifact],
    registered: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Adds the bundle to the model store and makes it the champion."""
    from components.launch import launch

    launch(
        "register",
        "register",
        section,
        inputs={"bundle": bundle, "decision": decision, "metrics": metrics},
        outputs={"registered": registered},
        metrics=scores,
        view=view,
    )
