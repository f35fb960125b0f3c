"""KFP wrapper of the learn_policy step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import LEARNING


@dsl.component(base_image=LEARNING, install_kfp_package=False)
def learn_policy(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    learned: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Learns the dialogue's policy with simulated users."""
    from components.launch import launch

    launch(
        "learn-policy",
        "learn_policy",
        section,
        inputs={"dialogue": dialogue},
        outputs={"learned": learned},
        metrics=scores,
        view=view,
    )
