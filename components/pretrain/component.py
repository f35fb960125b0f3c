"""KFP wrapper of the pretrain step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def pretrain(
    section: str,
    tokens: dsl.Input[dsl.Artifact],
    base: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Masked-language-model training on the corpus."""
    from components.launch import launch

    launch(
        "pretrain",
        "pretrain",
        section,
        inputs={"tokens": tokens, "base": base},
        outputs={"model": model},
        metrics=scores,
        view=view,
    )
