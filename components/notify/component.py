"""KFP wrapper of the notify step, the exit task: maps status and artifact, nothing else."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def notify(
    section: str,
    status: dsl.PipelineTaskFinalStatus,
    outcome: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    """Records how the run ended, and tells a webhook."""
    import json

    from components.launch import launch

    given = json.loads(section)
    given["settings"]["status"] = {
        "state": status.state,
        "message": status.error_message,
        "run": status.pipeline_job_resource_name,
    }
    launch(
        "notify",
        "notify",
        json.dumps(given, ensure_ascii=False),
        inputs={},
        outputs={"outcome": outcome},
        metrics=scores,
        view=view,
    )
