"""KFP wrapper of the compare step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def compare(
    section: str,
    examples: dsl.Input[dsl.Artifact],
    base: dsl.Input[dsl.Artifact],
    comparison: dsl.Output[dsl.Artifact],
    merged: dsl.Output[dsl.Artifact],
    history: dsl.Output[dsl.Artifact],
    initial: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> str:
    """Says "changed" or "unchanged", and prepares what a challenger is made from."""
    from bertworks.storage.artifacts import open_artifact
    from components.launch import launch

    launch(
        "compare",
        "compare",
        section,
        inputs={"examples": examples, "base": base},
        outputs={
            "comparison": comparison,
            "merged": merged,
            "history": history,
            "initial": initial,
        },
        metrics=scores,
        view=view,
    )
    changed = open_artifact(comparison.path, "comparison").metadata["changed"]
    return "changed" if changed else "unchanged"
