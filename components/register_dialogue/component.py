"""KFP wrapper of the register_dialogue step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_dialogue(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    judged: dsl.Input[dsl.Artifact],
    comparison: dsl.Input[dsl.Artifact],
    registered: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Adds the dialogue to the model store, as its champion."""
    from components.launch import launch

    launch(
        "register-dialogue",
        "register_dialogue",
        section,
        inputs={
            "dialogue": dialogue,
            "decision": decision,
            "judged": judged,
            "comparison": comparison,
        },
        outputs={"registered": registered},
        metrics=scores,
        view=view,
    )
