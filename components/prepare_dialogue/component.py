"""KFP wrapper of the prepare_dialogue step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_dialogue(
    section: str,
    dialogue: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Reads the knowledge base, and makes of it what needs no learning."""
    from components.launch import launch

    launch(
        "prepare-dialogue",
        "prepare_dialogue",
        section,
        inputs={},
        outputs={"dialogue": dialogue},
        metrics=scores,
        view=view,
    )
