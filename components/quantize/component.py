"""KFP wrapper of the quantize step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def quantize(
    section: str,
    model: dsl.Input[dsl.Artifact],
    tokens: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    bundle: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Builds int8 candidates, measures them, keeps the fastest good one."""
    from components.launch import launch

    launch(
        "quantize",
        "quantize",
        section,
        inputs={"model": model, "tokens": tokens, "examples": examples},
        outputs={"bundle": bundle},
        metrics=scores,
        view=view,
    )
