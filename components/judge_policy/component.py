"""KFP wrapper of the judge_policy step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def judge_policy(
    section: str,
    dialogue: dsl.Input[dsl.Artifact],
    judged: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Judges the policy before it may talk to anybody."""
    from components.launch import launch

    launch(
        "judge-policy",
        "judge_policy",
        section,
        inputs={"dialogue": dialogue},
        outputs={"judged": judged},
        metrics=scores,
        view=view,
    )
