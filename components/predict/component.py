"""KFP wrapper of the predict step: hands its section on, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def predict(
    section: str,
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Answers the rows of a file with a version of the model store."""
    from components.launch import launch

    launch("predict", "predict", section, inputs={}, outputs={}, metrics=scores, view=view)
