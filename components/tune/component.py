"""KFP wrapper of the tune step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune(
    section: str,
    tokens: dsl.Input[dsl.Artifact],
    initial: dsl.Input[dsl.Artifact],
    tuned: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
    shard: str = "",
) -> None:
    """Searches the settings of fine-tuning, and trains the best ones' model."""
    from components.launch import launch

    launch(
        # Of each of several pods the reason of a failure is kept apart.
        f"tune-{shard}" if shard else "tune",
        "tune",
        section,
        inputs={"tokens": tokens, "initial": initial},
        outputs={"tuned": tuned},
        metrics=scores,
        view=view,
        values={"shard": shard},
    )
