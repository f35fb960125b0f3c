"""KFP wrapper of the validate step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    section: str,
    examples: dsl.Input[dsl.Artifact],
    base: dsl.Input[dsl.Artifact],
    statistics: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Computes statistics and a schema, and runs the text-aware checks."""
    from components.launch import launch

    launch(
        "validate",
        "validate",
        section,
        inputs={"examples": examples, "base": base},
        outputs={"statistics": statistics},
        metrics=scores,
        view=view,
    )
