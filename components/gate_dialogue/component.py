"""KFP wrapper of the gate_dialogue step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_dialogue(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    judged: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Lets the dialogue pass, or refuses it with the reasons."""
    from components.launch import launch

    launch(
        "gate-dialogue",
        "gate_dialogue",
        section,
        inputs={"dialogue": dialogue, "judged": judged},
        outputs={"decision": decision},
        metrics=scores,
        view=view,
    )
