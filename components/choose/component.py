"""KFP wrapper of the choose step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def choose(
    section: str,
    tuned: dsl.Input[dsl.Artifact],
    tokens: dsl.Input[dsl.Artifact],
    chosen: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Compresses the best models of a search; the one that is best then goes on."""
    from components.launch import launch

    launch(
        "choose",
        "choose",
        section,
        inputs={"tuned": tuned, "tokens": tokens},
        outputs={"chosen": chosen},
        metrics=scores,
        view=view,
    )
