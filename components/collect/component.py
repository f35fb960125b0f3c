"""KFP wrapper of the collect step: maps artifacts to paths, nothing else."""

from typing import List  # noqa: UP035

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def collect(
    section: str,
    parts: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    tuned: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Makes one search of the parts that several pods ran."""
    from components.launch import launch

    launch(
        "collect",
        "collect",
        section,
        inputs={f"part_{number}": part for number, part in enumerate(parts)},
        outputs={"tuned": tuned},
        metrics=scores,
        view=view,
    )
