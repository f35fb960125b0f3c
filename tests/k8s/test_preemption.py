"""The retry rule of k8s/components/preemption, on what Argo says of pods that ended."""

import re

import pytest
import yaml
from rendering import K8S

FILE = K8S / "components/preemption/workflow-defaults.yaml"


def _retry() -> dict:
    defaults = yaml.safe_load(yaml.safe_load(FILE.read_text())["data"]["workflowDefaults"])
    return defaults["spec"]["templateDefaults"]["retryStrategy"]


def _says(exit_code: str, status: str, message: str) -> bool:
    """The expression's answer. Its few operators (expr-lang) are put into Python's."""
    text = _retry()["expression"]
    text = re.sub(r"(lastRetry\.\w+)\s+matches\s+('[^']*')", r"found(\2, \1)", text)
    text = text.replace("&&", " and ").replace("||", " or ").replace("!(", " not (")
    text = text.replace("lastRetry.", "")
    known = {"exitCode": exit_code, "status": status, "message": message}
    tools = {"asInt": int, "found": lambda pattern, value: bool(re.search(pattern, value))}
    assert not set(re.findall(r"[a-zA-Z]+(?=\()", re.sub(r"'[^']*'", "", text))) - {
        "asInt", "found", "not", "and", "or",
    }  # fmt: skip
    answer = eval(text, {"__builtins__": {}}, {**known, **tools})
    assert isinstance(answer, bool)
    return answer


@pytest.mark.parametrize(
    "exit_code, status, message",
    [
        ("-1", "Error", "pod deleted"),
        ("-1", "Error", ""),
        ("143", "Failed", "main: Error (exit code 143)"),
        ("137", "Failed", "main: Error (exit code 137)"),
        ("255", "Failed", "main: Error (exit code 255)"),
        ("-1", "Failed", "The node was low on resource: ephemeral-storage."),
        ("-1", "Failed", "Pod was terminated in response to imminent node shutdown."),
        ("-1", "Failed", "Preempted in order to admit critical pod"),
        ("-1", "Failed", "Pod was evicted by the taint manager"),
        ("-1", "Failed", "Pod The node had condition: [DiskPressure]. "),
    ],
)
def test_pods_that_were_taken_away_are_retried(exit_code: str, status: str, message: str) -> None:
    assert _says(exit_code, status, message)


@pytest.mark.parametrize(
    "exit_code, status, message",
    [
        ("1", "Failed", "main: Error (exit code 1)"),
        ("1", "Failed", "main: Error (exit code 1): the pod that evicts rows failed"),
        ("1", "Error", "main: Error (exit code 1)"),
        ("137", "Failed", "main: OOMKilled (exit code 137)"),
        ("143", "Failed", "Pod was active on the node longer than the specified deadline"),
        ("-1", "Failed", "child 'agent-1234' failed"),
        ("-1", "Failed", ""),
    ],
)
def test_steps_that_failed_are_not(exit_code: str, status: str, message: str) -> None:
    assert not _says(exit_code, status, message)


def test_the_rule_is_one_that_argo_evaluates() -> None:
    retry = _retry()
    assert retry["retryPolicy"] == "Always"  # else the expression would be asked of errors only
    assert int(retry["limit"]) == 2
    assert "\n" not in retry["expression"]


def test_doctor_is_content_with_the_rule() -> None:
    from pipelines.cluster.doctor.checks.engine import APPLY_POLICY, retry_strategy, verdict

    _, _, good = verdict(retry_strategy(yaml.safe_load(FILE.read_text())["data"]))
    assert good
    assert str(FILE.relative_to(K8S.parent)) in APPLY_POLICY
