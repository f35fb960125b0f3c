"""KFP wrapper of the deploy step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def deploy(
    section: str,
    registered: dsl.Input[dsl.Artifact],
    deployed: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Rolls the registered version out, or puts the version before back."""
    from components.launch import launch

    launch(
        "deploy",
        "deploy",
        section,
        inputs={"registered": registered},
        outputs={"deployed": deployed},
        metrics=scores,
        view=view,
    )
