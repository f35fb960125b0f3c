"""KFP wrapper of the transform step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def transform(
    section: str,
    examples: dsl.Input[dsl.Artifact],
    corpus: dsl.Input[dsl.Artifact],
    base: dsl.Input[dsl.Artifact],
    tokens: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Tokenizes on Beam and runs the tf.Transform analyzers."""
    from components.launch import launch

    launch(
        "transform",
        "transform",
        section,
        inputs={"examples": examples, "corpus": corpus, "base": base},
        outputs={"tokens": tokens},
        metrics=scores,
        view=view,
    )
