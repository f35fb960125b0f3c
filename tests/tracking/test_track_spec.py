"""`track` in a spec: an address without secrets, and what pods are given of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from bertworks.spec import Track
from bertworks.spec import file as spec_file
from bertworks.tracking.report import flat
from pipelines.compile import compile_agent

PIPELINES = Path(__file__).parents[1] / "pipelines/golden/every-resource.yaml"


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "https://mlflow.example.com/team"])
def test_an_address_is_taken(uri: str) -> None:
    assert Track(mlflow=uri).mlflow == uri


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://me:hunter2@mlflow.example.com", "MLFLOW_TRACKING_USERNAME"),
        ("https://mlflow.example.com/?token=hunter2hunter2", "MLFLOW_TRACKING_TOKEN"),
        ("sqlite:///mlflow.db", "mlflow server --backend-store-uri"),
        ("mlruns", "http:// or https://"),
        ("http://", "http:// or https://"),
        ("http://host:notaport", "http:// or https://"),
    ],
)
def test_what_is_no_address_or_holds_a_secret_is_refused(uri: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Track(mlflow=uri)
    assert said in str(refused.value.errors()[0]["msg"])
    assert "hunter2" not in str(refused.value.errors()[0]["msg"])


def test_pods_are_told_the_server_by_environment_and_keep_their_caches(tmp_path: Path) -> None:
    def compiled(*changes: str) -> dict[str, dict[str, object]]:
        out = tmp_path / "pipeline.yaml"
        compile_agent(spec_file.load(PIPELINES, list(changes)), out)
        pipeline = next(yaml.safe_load_all(out.read_text("utf-8")))
        tasks = pipeline["root"]["dag"]["tasks"]
        executors = pipeline["deploymentSpec"]["executors"]
        return {
            name: {
                "env": {
                    one["name"]: one["value"]
                    for one in executors[f"exec-{task['componentRef']['name'][5:]}"][
                        "container"
                    ].get("env", [])
                },
                "section": task["inputs"]["parameters"]["section"],
            }
            for name, task in tasks.items()
        }

    plain = compiled()
    told = compiled("track.mlflow=http://mlflow:5000", "track.experiment=agents")
    assert [one["section"] for one in told.values()] == [one["section"] for one in plain.values()]
    for name, task in told.items():
        more = dict(task["env"].items() - plain[name]["env"].items())  # type: ignore[attr-defined]
        assert more == {
            "BERTWORKS_MLFLOW": "http://mlflow:5000",
            "BERTWORKS_MLFLOW_EXPERIMENT": "agents",
            "BERTWORKS_AGENT": spec_file.load(PIPELINES).spec.name,
        }


def test_a_spec_becomes_names_with_dots() -> None:
    spec = {"task": {"type": "tagging", "pair": False}, "data": {"sources": [{"uri": "a.csv"}]},
            "base": {"layers": None, "sha256": ""}, "odd: name?": 1.5}  # fmt: skip
    assert flat(spec) == {
        "task.type": "tagging", "task.pair": "false", "data.sources": '[{"uri": "a.csv"}]',
        "base.sha256": "", "odd_ name_": "1.5",
    }  # fmt: skip
