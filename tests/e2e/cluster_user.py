"""What the end-to-end tests do as a person would: write a spec, call `bertworks`, look at the pods."""

import copy
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertworks.errors import EnvironmentFault
from pipelines.box import KINDS
from pipelines.dag import pipeline_name

REPOSITORY = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
RUN_LINK = re.compile(r"/runs/details/([0-9a-f-]{36})")
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
STEPS = 60.0 * 20  # seconds that a whole tiny run may take; most of it is starting pods


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A mapping with another one laid over it, mappings within it too."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        result[key] = merged(old, value) if both else copy.deepcopy(value)
    return result


def pipelines_of(agent: str) -> set[str]:
    """The names of an agent's pipelines, which its schedules bear too."""
    return {pipeline_name(agent, kind) for kind in KINDS}


class User:
    """One person with a command line and a cluster.

    Args:
        folder: Where specs are written.
        connection: From `pipelines.cluster.kfp.connection.connect`.
        resources: The spec's settings that fit the cluster (`resources`, `serve`).
        suffix: Makes the names of this session's agents its own.
    """

    def __init__(
        self, folder: Path, connection: Any, resources: dict[str, Any], suffix: str
    ) -> None:
        self.folder, self.connection = folder, connection
        self.resources, self.suffix = resources, suffix
        self.agents: set[str] = set()
        self._kube: Any = None

    def agent(self, name: str) -> str:
        """An agent's full name."""
        self.agents.add(full := f"e2e-{name}-{self.suffix}")
        return full

    def spec(self, name: str, **changes: Any) -> Path:
        """Writes the tiny spec of an agent, with changes laid over it."""
        content = merged(yaml.safe_load(TINY.read_text()), self.resources)
        content = merged(content, {**changes, "name": self.agent(name)})
        number = len(list(self.folder.glob("*.yaml")))
        file = self.folder / f"{name}-{number}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return file

    def bertworks(
        self, *arguments: str | Path, code: int | None = 0, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Calls the command line; its exit code must be `code`, unless that is None."""
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
            cwd=REPOSITORY,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        shown = f"bertworks {' '.join(map(str, arguments))}: exit {done.returncode}\n"
        print(shown + done.stdout + done.stderr)
        if code is not None:
            assert done.returncode == code, shown + done.stdout + done.stderr
        return done

    def json(self, *arguments: str | Path) -> Any:
        """What a command prints with --json."""
        return json.loads(self.bertworks(*arguments, "--json").stdout)

    def start(self, spec: Path, *options: str) -> str:
        """Submits a spec and returns the run's id, from the link that is printed."""
        done = self.bertworks("submit", spec, *options)
        return run_id(done.stdout + done.stderr)

    def state(self, run: str) -> str:
        """The run's state, as KFP says it."""
        return str(self.connection.client.get_run(run).state).upper()

    def wait(self, run: str, seconds: float = STEPS) -> str:
        """The state in which a run ends."""
        return until(lambda: ended(self.state(run)), seconds, f"run {run} to end")

    @property
    def core(self) -> Any:
        """Kubernetes' core API; a test that needs it is skipped where there is no kubeconfig."""
        from kubernetes import client

        return client.CoreV1Api(self.kube())

    def kube(self) -> Any:
        """A client of the Kubernetes API."""
        if self._kube is None:
            try:
                self._kube = self.connection.kube()
            except EnvironmentFault as fault:
                pytest.skip(f"KUBECONFIG is needed to look at pods: {fault.message}")
        return self._kube

    def pods(self, run: str, step: str) -> list[Any]:
        """The pods of one step of a run, oldest first."""
        labels = f"pipeline/runid={run},app.kubernetes.io/component={step}"
        found = self.core.list_namespaced_pod(self.connection.namespace, label_selector=labels)
        return sorted(found.items, key=lambda pod: pod.metadata.creation_timestamp)

    def running(self, run: str, step: str, seconds: float = STEPS) -> Any:
        """A step's pod, as soon as it runs."""

        def look() -> Any:
            state = self.state(run)
            assert state not in ENDED, f"run {run} ended ({state}) before {step} ran"
            return next((p for p in self.pods(run, step) if p.status.phase == "Running"), None)

        return until(look, seconds, f"a running pod of {step} in run {run}")

    def log(self, pod: Any) -> str:
        """What a step's container has printed so far; "" before it does."""
        from kubernetes.client import ApiException

        try:
            return str(
                self.core.read_namespaced_pod_log(
                    pod.metadata.name, self.connection.namespace, container="main"
                )
            )
        except ApiException:
            return ""

    def clean_up(self) -> None:
        """Removes what this session's agents left: schedules, runs, pipelines, servers."""
        schedules = {row["name"] for row in self.json("schedule", "list")}
        for agent in sorted(self.agents):
            for name in schedules & pipelines_of(agent):
                self.bertworks("schedule", "delete", name, "--yes", code=None)
            if self._kube is not None:
                self._delete_servers(agent)
            self._delete_pipelines(agent)

    def _delete_servers(self, agent: str) -> None:
        from kubernetes import client

        api, where = self.kube(), self.connection.namespace
        chosen = {"label_selector": f"app.kubernetes.io/instance={agent}"}
        client.AppsV1Api(api).delete_collection_namespaced_deployment(where, **chosen)
        client.AutoscalingV2Api(api).delete_collection_namespaced_horizontal_pod_autoscaler(
            where, **chosen
        )
        client.PolicyV1Api(api).delete_collection_namespaced_pod_disruption_budget(where, **chosen)
        for service in self.core.list_namespaced_service(where, **chosen).items:
            self.core.delete_namespaced_service(service.metadata.name, where)

    def _delete_pipelines(self, agent: str) -> None:
        kfp = self.connection.client
        found = kfp.list_experiments(page_size=100, namespace=self.connection.scope).experiments
        for experiment in found or []:
            if experiment.display_name == agent:
                for run in kfp.list_runs(experiment_id=experiment.experiment_id).runs or []:
                    if str(run.state).upper() not in ENDED:
                        kfp.terminate_run(run.run_id)
                    kfp.delete_run(run.run_id)
                kfp.delete_experiment(experiment.experiment_id)
        for pipeline in kfp.list_pipelines(page_size=100).pipelines or []:
            if pipeline.display_name in pipelines_of(agent):
                versions = kfp.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
                for version in versions or []:
                    kfp.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
                kfp.delete_pipeline(pipeline.pipeline_id)


def run_id(output: str) -> str:
    """The id of the run whose link a command printed."""
    found = RUN_LINK.search(output)
    assert found is not None, f"no link to a run in:\n{output}"
    return found[1]


def ended(state: str) -> str | None:
    """A state, if it is a last one."""
    return state if state in ENDED else None


def until(look: Callable[[], Any], seconds: float, what: str, pause: float = 3.0) -> Any:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)
    return found


def progress_in(log: str, stage: str) -> list[int]:
    """The counts that a step reported of a stage: of "[finetune] fine-tuning: running 120/600 …" 120."""
    return [int(n) for n in re.findall(rf"\] {re.escape(stage)}: \w+ (\d+)/", log)]
