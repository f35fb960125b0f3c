"""The compiled pipeline: the diagram, the settings, and the same bytes each time."""

from pathlib import Path

import pytest
import yaml
from tiny_agent import SPEC

from bertworks import spec_file
from pipelines.compile import compile_agent

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def compiled(tmp_path: Path, text: str) -> dict:
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    (tmp_path / "spec.yaml").write_text(text)
    compile_agent(spec_file.load(tmp_path / "spec.yaml"), tmp_path / "p.yaml", store="/models")
    return next(yaml.safe_load_all((tmp_path / "p.yaml").read_text()))


def test_steps_and_order(tmp_path: Path) -> None:
    tasks = compiled(tmp_path, SPEC)["root"]["dag"]["tasks"]
    assert set(tasks) == {
        "ingest", "validate", "transform", "finetune", "evaluate", "prune", "quantize",
        "evaluate-2", "gate", "register",
    }  # fmt: skip
    assert "validate" in tasks["transform"]["dependentTasks"]


def test_what_changes_the_store_is_never_cached(tmp_path: Path) -> None:
    tasks = compiled(tmp_path, SPEC)["root"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert set(tasks) - cached == {"register"}


def test_switched_off_sections_leave_no_box(tmp_path: Path) -> None:
    text = SPEC.replace("  prune: {", "  prune: {enabled: false, ") + "pretrain: {enabled: true}\n"
    tasks = compiled(tmp_path, text)["root"]["dag"]["tasks"]
    assert "prune" not in tasks
    assert "pretrain" in tasks["finetune"]["dependentTasks"]


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    compiled(tmp_path, SPEC)
    first = (tmp_path / "p.yaml").read_bytes()
    compiled(tmp_path, SPEC)
    assert (tmp_path / "p.yaml").read_bytes() == first


def test_no_step_installs_anything_at_run_time(tmp_path: Path) -> None:
    compiled(tmp_path, SPEC)
    assert "pip install" not in (tmp_path / "p.yaml").read_text()


def test_resources_become_task_settings(tmp_path: Path) -> None:
    text = SPEC + (
        "resources:\n  image: registry/x:1\n  default: {memory: 4Gi}\n"
        "  steps: {finetune: {gpu: 2, cpu: '4', retries: 3, node_selector: {pool: gpu}}}\n"
    )
    compiled(tmp_path, text)
    pipeline, platform = yaml.safe_load_all((tmp_path / "p.yaml").read_text())
    executors = pipeline["deploymentSpec"]["executors"]
    container = executors["exec-finetune"]["container"]
    assert container["image"] == "registry/x:1"
    assert container["resources"]["accelerator"]["resourceCount"] == "2"
    assert container["resources"]["resourceMemoryLimit"] == "4Gi"
    assert container["resources"]["resourceCpuLimit"] == "4"
    assert pipeline["root"]["dag"]["tasks"]["finetune"]["retryPolicy"]["maxRetryCount"] == 3
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert kubernetes["exec-finetune"]["nodeSelector"]["labels"] == {"pool": "gpu"}
    assert "accelerator" not in executors["exec-ingest"]["container"]["resources"]


def test_a_section_changes_only_its_own_step(tmp_path: Path) -> None:
    def arguments(text: str) -> dict[str, str]:
        tasks = compiled(tmp_path, text)["root"]["dag"]["tasks"]
        return {name: str(task["inputs"]) for name, task in tasks.items()}

    before = arguments(SPEC)
    after = arguments(SPEC.replace("learning_rate: 0.003", "learning_rate: 0.002"))
    assert {name for name in before if before[name] != after[name]} == {"finetune"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_examples_compile(tmp_path: Path, example: Path) -> None:
    compile_agent(spec_file.load(example), tmp_path / "p.yaml", store="/models")
    assert len((tmp_path / "p.yaml").read_text()) > 1000
