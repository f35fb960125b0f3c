"""KFP wrapper of the finetune step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finetune(
    section: str,
    tokens: dsl.Input[dsl.Artifact],
    initial: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Trains the encoder and a head on the labelled rows."""
    from components.launch import launch

    launch(
        "finetune",
        "finetune",
        section,
        inputs={"tokens": tokens, "initial": initial},
        outputs={"model": model},
        metrics=scores,
        view=view,
    )
