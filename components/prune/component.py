"""KFP wrapper of the prune step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prune(
    section: str,
    model: dsl.Input[dsl.Artifact],
    tokens: dsl.Input[dsl.Artifact],
    pruned: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Removes heads and neurons for a measured speed-up, then distils."""
    from components.launch import launch

    launch(
        "prune",
        "prune",
        section,
        inputs={"model": model, "tokens": tokens},
        outputs={"pruned": pruned},
        metrics=scores,
        view=view,
    )
