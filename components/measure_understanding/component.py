"""KFP wrapper of the measure_understanding step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def measure_understanding(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    understanding: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    heard: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Puts the trained understanding into the dialogue, and measures how it errs."""
    from components.launch import launch

    launch(
        "measure-understanding",
        "measure_understanding",
        section,
        inputs={"dialogue": dialogue, "understanding": understanding, "examples": examples},
        outputs={"heard": heard},
        metrics=scores,
        view=view,
    )
