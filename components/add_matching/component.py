"""KFP wrapper of the add_matching step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def add_matching(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    matching: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Artifact],
    matched: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Puts the agent that finds documents into the dialogue, and counts what reaches it."""
    from components.launch import launch

    launch(
        "add-matching",
        "add_matching",
        section,
        inputs={"dialogue": dialogue, "matching": matching, "examples": examples},
        outputs={"matched": matched},
        metrics=scores,
        view=view,
    )
