"""KFP wrapper of the compare_dialogue step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def compare_dialogue(
    section: str,
    comparison: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> str:
    """Says "changed" or "unchanged"."""
    from bertworks.storage.artifacts import open_artifact
    from components.launch import launch

    launch(
        "compare-dialogue",
        "compare_dialogue",
        section,
        inputs={},
        outputs={"comparison": comparison},
        metrics=scores,
        view=view,
    )
    changed = open_artifact(comparison.path, "comparison").metadata["changed"]
    return "changed" if changed else "unchanged"
