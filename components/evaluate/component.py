"""KFP wrapper of the evaluate step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    task: str,
    section: str,
    agent: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    tokens: dsl.Input[dsl.Artifact],
    metrics: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
    confusion: dsl.Output[dsl.ClassificationMetrics],
) -> None:
    """Scores a model or a bundle on the test split."""
    from components.launch import launch

    launch(
        task,
        "evaluate",
        section,
        inputs={"agent": agent, "examples": examples, "tokens": tokens},
        outputs={"metrics": metrics},
        metrics=scores,
        view=view,
        confusion=confusion,
    )
