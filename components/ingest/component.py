"""KFP wrapper of the ingest step: maps artifacts to paths, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    section: str,
    examples: dsl.Output[dsl.Artifact],
    corpus: dsl.Output[dsl.Artifact],
    rejected: dsl.Output[dsl.Artifact],
    base: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Reads, cleans, deduplicates and splits rows; fetches the base encoder."""
    from components.launch import launch

    launch(
        "ingest",
        "ingest",
        section,
        inputs={},
        outputs={"examples": examples, "corpus": corpus, "rejected": rejected, "base": base},
        metrics=scores,
        view=view,
    )
