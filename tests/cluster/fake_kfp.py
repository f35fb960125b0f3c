"""A stand-in for KFP 2.17: an HTTP server on the loopback that keeps state and refuses wrong requests.

    with FakeKfp() as kfp:
        connection = connect(kfp.url)

Every request is compared with kfp_server_api: an unknown path, query parameter or field, a wrong type
or enum value is answered with 400, and noted in `kfp.refused` (a test may end with
`assert not kfp.refused`). Answers have the form of the real server's, odd ones included: empty lists
are left out, a run without an end has `finished_at` 1970, a running task ends in the year 1,
`pod_name` and `executor_detail` of tasks are never set (the attempts of a step are the child tasks of
its "executor"), and no task has an error.

What tests may do:

- look: `kfp.requests` (list of Request), `kfp.pipelines`, `kfp.versions`, `kfp.experiments`,
  `kfp.runs`, `kfp.recurring_runs` (id -> JSON dict as the API shows it);
- set up: `FakeKfp(multi_user=True)`, `token="secret"` (else 401), `dex=("user", "password")` with
  `proxy=True` for oauth2-proxy's sign-in page, `prefix="/pipeline"`, `v1_only=True`, `page="<html>"`
  (any page instead of an API), `tls=(certificate, key)`, `cancel_at_once=False`;
- move a run on: `kfp.play(run_id, {"ingest": "SUCCEEDED", "gate": "FAILED"}, state="FAILED")`;
  states of steps are those of the API, "CACHED", "OMITTED" and "DRIVER FAILED"; `attempts={"finetune":
  2}` adds failed tries; without steps and with `state="FAILED"` it is the root's driver that failed;
- spawn a scheduled run: `kfp.fire(recurring_run_id)`;
- break things: `kfp.fault("GET", "/runs/", status=500)` answers so once (`times=2` for more),
  `drop=True` closes the connection without an answer, `after=True` does so after the work was done,
  `slow=1.5` waits so many seconds;
- logs: `kfp.logs[pod_name] = "text"` is what the UI's /k8s/pod/logs answers.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import yaml
from kfp_rules import check, routes

ROUTES = routes()
NEVER = "1970-01-01T00:00:00Z"
YEAR_ONE = "0001-01-01T00:00:00Z"
FILTER_KEYS = {
    "pipelines": {"id", "pipeline_id", "name", "display_name", "created_at", "description",
                  "namespace"},
    "versions": {"id", "pipeline_version_id", "name", "display_name", "created_at", "status",
                 "description"},
    "experiments": {"id", "experiment_id", "name", "display_name", "created_at", "namespace",
                    "storage_state", "last_run_created_at"},
    "runs": {"id", "run_id", "name", "display_name", "created_at", "description", "scheduled_at",
             "storage_state", "status", "namespace", "experiment_id", "finished_at", "state",
             "recurring_run_id"},
    "recurring_runs": {"id", "recurring_run_id", "name", "display_name", "created_at", "updated_at",
                       "namespace", "experiment_id", "status"},
}  # fmt: skip
OPERATIONS = {"EQUALS": 1, "NOT_EQUALS": 2, "IN": 8, "IS_SUBSTRING": 9}


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    call: str = ""


class Refusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str, *, upload: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.upload = status, message, upload


@dataclass
class Fault:
    """What happens to the next matching requests."""

    method: str
    path: str
    times: int = 1
    status: int = 500
    drop: bool = False
    after: bool = False
    slow: float = 0.0


def now(seconds: float = 0) -> str:
    """A time as the API writes it, `seconds` from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class FakeKfp:
    """The server; see the module's description."""

    multi_user: bool = False
    token: str | None = None
    dex: tuple[str, str] | None = None
    proxy: bool = False
    prefix: str = ""
    v1_only: bool = False
    page: str | None = None
    tls: tuple[str, str] | None = None
    cancel_at_once: bool = True
    requests: list[Request] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring_runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._faults: list[Fault] = []
        self._clock = 0
        if not self.multi_user:
            self._add_experiment("Default")

    def __enter__(self) -> FakeKfp:
        fake = self

        class Handler(_Handler):
            kfp = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address to give to --host."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}{self.prefix}"

    def calls(self, name: str) -> list[Request]:
        """The requests of one call, e.g. "run_service_create_run"."""
        return [request for request in self.requests if request.call == name]

    def fault(self, method: str, path: str, **what: Any) -> None:
        """Lets the next requests whose path contains `path` fail; see Fault."""
        self._faults.append(Fault(method, path, **what))

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any."""
        with self.lock:
            for fault in self._faults:
                if fault.method == method and fault.path in path and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    # What a test does to runs

    def play(
        self,
        run_id: str,
        steps: dict[str, str],
        state: str | None = None,
        attempts: dict[str, int] | None = None,
        counted: bool = False,
    ) -> None:
        """Puts a run into a state; the tasks look as Argo's nodes look through the API.

        Args:
            counted: The controller has a retry rule for all templates: Argo counts the attempts of
                groups, too.
        """
        run = self.runs[run_id]
        workflow = run["workflow"] = run.get("workflow") or f"{run_id[:8]}-wf"
        tasks = [_task(run_id, workflow, "SUCCEEDED", [])]
        began = "SUCCEEDED" if steps else "FAILED" if state == "FAILED" else "RUNNING"
        tasks += [_task(run_id, "root-driver", began, [])]
        tasks += [_task(run_id, "root", "SUCCEEDED", [])] if steps else []
        for number, (step, wanted) in enumerate(steps.items()):
            began = number * 60 - 3600
            tries = (attempts or {}).get(step, 0)
            tasks += _step(run_id, workflow, step, wanted, began, tries, counted)
        run["run_details"] = {"task_details": tasks}
        ended = {"SUCCEEDED", "FAILED", "CANCELED"}
        self.set_state(run_id, state or run["state"])
        if run["state"] in ended:
            run["finished_at"] = now()

    def set_state(self, run_id: str, state: str) -> None:
        """A run's new state, with its history."""
        run = self.runs[run_id]
        if run["state"] != state:
            run["state"] = state
            run["state_history"].append({"update_time": now(), "state": state})

    def fire(self, recurring_run_id: str) -> str:
        """What the scheduler does when it is time; returns the new run's id."""
        job = self.recurring_runs[recurring_run_id]
        body = {
            "display_name": f"{job['display_name']}-{self._clock}",
            "experiment_id": job["experiment_id"],
            "recurring_run_id": recurring_run_id,
            "pipeline_version_reference": job["pipeline_version_reference"],
        }
        return str(self.run_service_create_run(Request("POST", "", {}, {}, body))["run_id"])

    # The calls: named as in kfp_server_api, given the request and the ids of the path

    def healthz_service_get_healthz(self, request: Request) -> Any:
        return {"multi_user": self.multi_user, "pipeline_store": "database"}

    def pipeline_service_create_pipeline(self, request: Request) -> Any:
        body = request.body
        name = body.get("name") or body.get("display_name")
        if not name:
            raise Refusal(400, "name is required")
        namespace = self._space(body.get("namespace"))
        if any((p["name"], p.get("namespace", "")) == (name, namespace) for p in
               self.pipelines.values()):  # fmt: skip
            raise Refusal(409, f"The name {name} already exist. Please specify a new name.")
        return self._keep(
            self.pipelines,
            "pipeline_id",
            {
                "name": name,
                "display_name": body.get("display_name") or name,
                "description": body.get("description", ""),
                "namespace": namespace,
            },
        )

    def pipeline_service_get_pipeline(self, request: Request, pipeline_id: str) -> Any:
        return self._get(self.pipelines, "Pipeline", pipeline_id)

    def pipeline_service_get_pipeline_by_name(self, request: Request, name: str) -> Any:
        wanted = self._space(request.query.get("namespace"))
        for pipeline in self.pipelines.values():
            if (pipeline["name"], pipeline.get("namespace", "")) == (name, wanted):
                return pipeline
        raise Refusal(404, f"Pipeline {name} not found.")

    def pipeline_service_list_pipelines(self, request: Request) -> Any:
        namespace = self._space(request.query.get("namespace"))
        found = [p for p in self.pipelines.values() if p.get("namespace", "") == namespace]
        return self._listing(request, "pipelines", found)

    def pipeline_service_delete_pipeline(self, request: Request, pipeline_id: str) -> Any:
        self._get(self.pipelines, "Pipeline", pipeline_id)
        if any(v["pipeline_id"] == pipeline_id for v in self.versions.values()):
            if request.query.get("cascade") != "true":
                raise Refusal(400, f"Pipeline {pipeline_id} still has versions.")
            self.versions = {
                k: v for k, v in self.versions.items() if v["pipeline_id"] != pipeline_id
            }
        return self.pipelines.pop(pipeline_id) and {}

    def upload_pipeline(self, request: Request) -> Any:
        name = request.query.get("name") or request.query.get("display_name") or request.body[0]
        text = _pipeline_file(request.body)
        made = self.pipeline_service_create_pipeline(
            Request("POST", "", {}, {}, {**request.query, "name": name})
        )
        self._add_version(made["pipeline_id"], name, request.query.get("description", ""), text)
        return made

    def upload_pipeline_version(self, request: Request) -> Any:
        text = _pipeline_file(request.body)
        pipeline_id = request.query.get("pipelineid", "")
        name = request.query.get("name") or request.query.get("display_name") or request.body[0]
        if pipeline_id not in self.pipelines or len(name) > 127:
            raise Refusal(400, "Failed to create a pipeline version", upload=True)
        if any((v["pipeline_id"], v["name"]) == (pipeline_id, name) for v in
               self.versions.values()):  # fmt: skip
            raise Refusal(409, "Failed to create a pipeline version", upload=True)
        return self._add_version(pipeline_id, name, request.query.get("description", ""), text)

    def pipeline_service_list_pipeline_versions(self, request: Request, pipeline_id: str) -> Any:
        found = [v for v in self.versions.values() if v["pipeline_id"] == pipeline_id]
        answer = self._listing(request, "versions", found)
        if "versions" in answer:
            answer["pipeline_versions"] = answer.pop("versions")
        return answer

    def pipeline_service_get_pipeline_version(
        self, request: Request, pipeline_id: str, version_id: str
    ) -> Any:
        return self._get(self.versions, "PipelineVersion", version_id)

    def pipeline_service_delete_pipeline_version(
        self, request: Request, pipeline_id: str, version_id: str
    ) -> Any:
        self._get(self.versions, "PipelineVersion", version_id)
        return self.versions.pop(version_id) and {}

    def experiment_service_create_experiment(self, request: Request) -> Any:
        name = request.body.get("display_name")
        if not name:
            raise Refusal(400, "Experiment name is empty.")
        namespace = self._space(request.body.get("namespace"))
        if any((e["display_name"], e.get("namespace", "")) == (name, namespace) for e in
               self.experiments.values()):  # fmt: skip
            raise Refusal(409, f"The name {name} already exists. Please specify a new name.")
        return self._add_experiment(name, namespace, request.body.get("description", ""))

    def experiment_service_get_experiment(self, request: Request, experiment_id: str) -> Any:
        return self._get(self.experiments, "Experiment", experiment_id)

    def experiment_service_list_experiments(self, request: Request) -> Any:
        namespace = self._space(request.query.get("namespace"))
        found = [e for e in self.experiments.values() if e.get("namespace", "") == namespace]
        return self._listing(request, "experiments", found)

    def run_service_create_run(self, request: Request) -> Any:
        body = request.body
        self._check_runnable(body, "run")
        state = {"update_time": now(), "state": "PENDING"}
        return self._keep(
            self.runs,
            "run_id",
            {
                "finished_at": NEVER,
                "scheduled_at": now(),
                "service_account": "pipeline-runner",
                **{key: value for key, value in body.items() if value not in (None, "")},
                "experiment_id": body.get("experiment_id") or next(iter(self.experiments)),
                "storage_state": "AVAILABLE",
                "state": "PENDING",
                "state_history": [state],
            },
        )

    def run_service_get_run(self, request: Request, run_id: str) -> Any:
        run = self._get(self.runs, "Run", run_id)
        if run["state"] == "CANCELING" and self.cancel_at_once:
            self.set_state(run_id, "CANCELED")
            run["finished_at"] = now()
        return {key: value for key, value in run.items() if key != "workflow"}

    def run_service_list_runs(self, request: Request) -> Any:
        experiment = request.query.get("experiment_id")
        if experiment:
            self._get(self.experiments, "Experiment", experiment)
            found = [r for r in self.runs.values() if r["experiment_id"] == experiment]
        else:
            namespace = self._space(request.query.get("namespace"))
            inside = {
                e["experiment_id"] for e in self.experiments.values()
                if e.get("namespace", "") == namespace
            }  # fmt: skip
            found = [r for r in self.runs.values() if r["experiment_id"] in inside]
        answer = self._listing(request, "runs", found)
        for run in answer.get("runs", []):
            run.pop("workflow", None)
        return answer

    def run_service_terminate_run(self, request: Request, run_id: str) -> Any:
        run = self._get(self.runs, "Run", run_id)
        if run["state"] not in ("PENDING", "RUNNING", "PAUSED"):
            raise Refusal(400, f"Failed to terminate a run {run_id}. Row not found")
        run["state"] = "CANCELING"  # as in the real server, the history does not say so
        return {}

    def run_service_retry_run(self, request: Request, run_id: str) -> Any:
        run = self._get(self.runs, "Run", run_id)
        if run["state"] not in ("FAILED", "CANCELED"):
            raise Refusal(400, "Only failed or canceled runs can be retried")
        self.set_state(run_id, "RUNNING")
        run["finished_at"] = NEVER
        return {}

    def run_service_archive_run(self, request: Request, run_id: str) -> Any:
        self._get(self.runs, "Run", run_id)["storage_state"] = "ARCHIVED"
        return {}

    def run_service_unarchive_run(self, request: Request, run_id: str) -> Any:
        self._get(self.runs, "Run", run_id)["storage_state"] = "AVAILABLE"
        return {}

    def run_service_delete_run(self, request: Request, run_id: str) -> Any:
        self._get(self.runs, "Run", run_id)
        return self.runs.pop(run_id) and {}

    def recurring_run_service_create_recurring_run(self, request: Request) -> Any:
        body = request.body
        self._check_runnable(body, "recurring run")
        if not 1 <= int(body.get("max_concurrency") or 0) <= 10:
            raise Refusal(400, "Max concurrency must be at least 1 and at most 10.")
        cron = body.get("trigger", {}).get("cron_schedule", {}).get("cron")
        if cron is not None and (problem := cron_problem(cron)):
            raise Refusal(400, f"Schedule cron is not a supported format. Error: {problem}")
        enabled = body.get("mode") == "ENABLE"
        return self._keep(
            self.recurring_runs,
            "recurring_run_id",
            {
                **body,
                "experiment_id": body.get("experiment_id") or next(iter(self.experiments)),
                "max_concurrency": str(body["max_concurrency"]),
                "no_catchup": bool(body.get("no_catchup")),
                "mode": "ENABLE" if enabled else "DISABLE",
                "status": "ENABLED" if enabled else "DISABLED",
                "updated_at": now(),
            },
        )

    def recurring_run_service_get_recurring_run(self, request: Request, job: str) -> Any:
        return self._get(self.recurring_runs, "Job", job)

    def recurring_run_service_list_recurring_runs(self, request: Request) -> Any:
        found = list(self.recurring_runs.values())
        if experiment := request.query.get("experiment_id"):
            found = [r for r in found if r["experiment_id"] == experiment]
        answer = self._listing(request, "recurring_runs", found)
        if "recurring_runs" in answer:
            answer["recurringRuns"] = answer.pop("recurring_runs")
        return answer

    def recurring_run_service_enable_recurring_run(self, request: Request, job: str) -> Any:
        self._get(self.recurring_runs, "Job", job).update(mode="ENABLE", status="ENABLED")
        return {}

    def recurring_run_service_disable_recurring_run(self, request: Request, job: str) -> Any:
        self._get(self.recurring_runs, "Job", job).update(mode="DISABLE", status="DISABLED")
        return {}

    def recurring_run_service_delete_recurring_run(self, request: Request, job: str) -> Any:
        self._get(self.recurring_runs, "Job", job)
        return self.recurring_runs.pop(job) and {}

    # State and rules

    def _space(self, given: str | None) -> str:
        """Single-user servers put all into one namespace without a name."""
        if not self.multi_user:
            return ""
        if not given:
            raise Refusal(400, "Namespace cannot be empty in multi-user mode")
        return given

    def _get(self, among: dict[str, dict[str, Any]], what: str, key: str) -> dict[str, Any]:
        if key not in among:
            raise Refusal(404, f"{what} {key} not found.")
        return among[key]

    def _keep(self, among: dict[str, dict[str, Any]], key: str, body: dict[str, Any]) -> Any:
        self._clock += 1
        number = str(uuid.uuid4())
        # Each thing is a second younger than the one before, so that sorting has a meaning.
        made = {key: number, "created_at": now(self._clock - 86400), **body}
        among[number] = {name: value for name, value in made.items() if value != ""}
        return among[number]

    def _add_experiment(self, name: str, namespace: str = "", description: str = "") -> Any:
        return self._keep(
            self.experiments,
            "experiment_id",
            {
                "display_name": name,
                "namespace": namespace,
                "description": description,
                "storage_state": "AVAILABLE",
                "last_run_created_at": NEVER,
            },
        )

    def _add_version(self, pipeline_id: str, name: str, description: str, text: str) -> Any:
        made = self._keep(
            self.versions,
            "pipeline_version_id",
            {
                "pipeline_id": pipeline_id,
                "name": name,
                "display_name": name,
                "description": description,
                "pipeline_spec": _as_struct(text),
            },
        )
        self.files[made["pipeline_version_id"]] = text
        return made

    def _check_runnable(self, body: dict[str, Any], what: str) -> None:
        if not body.get("display_name"):
            raise Refusal(400, f"The {what} name is empty. Please specify a valid name")
        reference = body.get("pipeline_version_reference")
        if bool(reference) == bool(body.get("pipeline_spec")):
            raise Refusal(400, "Exactly one of pipeline_version_reference and pipeline_spec")
        if reference:
            self._get(self.pipelines, "Pipeline", reference.get("pipeline_id", ""))
            if version := reference.get("pipeline_version_id"):
                self._get(self.versions, "PipelineVersion", version)
        else:
            problem = spec_problem(body["pipeline_spec"])
            if problem:
                raise Refusal(400, f"Invalid pipeline spec: {problem}")
        if experiment := body.get("experiment_id"):
            self._get(self.experiments, "Experiment", experiment)
        elif self.multi_user:
            raise Refusal(400, f"A {what} cannot have an empty namespace in multi-user mode")
        if body.get("plugins_output"):
            raise Refusal(400, "plugins_output must not be set by the client")

    def _listing(self, request: Request, kind: str, found: list[dict[str, Any]]) -> Any:
        """Filters, sorts and pages as the server does; a token goes with its filter and order."""
        query = request.query
        size = int(query.get("page_size") or 0) or 20
        if size < 0:
            raise Refusal(400, "The page size should be greater than 0.")
        key = {name: query.get(name, "") for name in ("filter", "sort_by")}
        start = 0
        if token := query.get("page_token"):
            try:
                known = json.loads(base64.b64decode(token, validate=True))
            except ValueError:
                raise Refusal(400, "Invalid package token.") from None
            given = {name: value for name, value in key.items() if value}
            if given and {name: known[name] for name in given} != given:
                raise Refusal(
                    400, "page token does not match the supplied sort by and/or filtering"
                )
            key = {name: known[name] for name in key}
            start = known["start"]
        predicates = self._predicates(_filter_names(key["filter"]), kind)
        found = [one for one in found if all(holds(one) for holds in predicates)]
        field_, _, order = (key["sort_by"] or "created_at").partition(" ")
        if field_ not in FILTER_KEYS[kind] or order not in ("", "asc", "desc"):
            raise Refusal(400, f"Invalid sort_by: {key['sort_by']}")
        found.sort(key=lambda one: str(one.get(field_, "")), reverse=order == "desc")
        page = found[start : start + min(size, 200)]
        answer: dict[str, Any] = {"total_size": len(found)} if found else {}
        if page:
            answer[kind] = [dict(one) for one in page]
        if start + len(page) < len(found):
            token = json.dumps({**key, "start": start + len(page)})
            answer["next_page_token"] = base64.b64encode(token.encode()).decode()
        return answer

    def _predicates(self, text: str, kind: str) -> list[Callable[[dict[str, Any]], bool]]:
        """The tests that a filter makes; a filter that the server would not take is refused."""
        try:
            filter_ = json.loads(text) if text else {}
            problems = check(filter_, "V2beta1Filter", "filter")
        except (ValueError, AttributeError):
            problems = [f"failed to parse valid filter from {text!r}"]
        if problems:
            raise Refusal(400, "; ".join(problems))
        return [_predicate(one, kind) for one in filter_.get("predicates", [])]


def _filter_names(text: str) -> str:
    """A filter as protobuf's JSON reads it: numbers of enums and camel case are fine as well."""
    for name, number in OPERATIONS.items():
        text = re.sub(rf'("operation":\s*){number}\b', rf'\1"{name}"', text)
    return re.sub(
        '"(string|int|long|timestamp)V(alues?)":', lambda found: f'"{found[1]}_v{found[2]}":', text
    )


def _predicate(given: dict[str, Any], kind: str) -> Callable[[dict[str, Any]], bool]:
    operation, key = given.get("operation"), given.get("key")
    if key not in FILTER_KEYS[kind] or operation not in OPERATIONS:
        raise Refusal(400, f"no support for filter {given}")
    wanted = given.get("string_value", "")
    several = given.get("string_values", {}).get("values", [])

    def holds(one: dict[str, Any]) -> bool:
        value = str(one.get(key, ""))
        return {
            "EQUALS": value == wanted,
            "NOT_EQUALS": value != wanted,
            "IN": value in several,
            "IS_SUBSTRING": str(wanted).lower() in value.lower(),
        }[operation]

    return holds


def cron_problem(text: str) -> str:
    """Why robfig/cron v1, which KFP uses, would not take this as meant; empty: it does.

    Six fields, seconds first. (Five are taken too, as if the last were left out: never what is
    meant, so they are refused here.)
    """
    if text.startswith("@"):
        return (
            "" if re.fullmatch(r"@(every \S+|hourly|daily|weekly|monthly|yearly)", text) else text
        )
    fields = text.split()
    if len(fields) != 6:
        return f"Expected exactly 6 fields, found {len(fields)}: {text}"
    limits = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    names = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
    for field_, (low, high) in zip(fields, limits, strict=True):
        for part in field_.split(","):
            match = re.fullmatch(rf"(\*|\?|(\d+|{names})(-(\d+|{names}))?)(/\d+)?", part.lower())
            if match is None:
                return f"Failed to parse {part!r}"
            ends = [int(end) for end in (match[2], match[4]) if end and end.isdigit()]
            if any(not low <= end <= high for end in ends) or ends != sorted(ends):
                return f"{part!r} is out of {low}-{high}"
    return ""


def spec_problem(document: Any) -> str:
    """Why a document is no pipeline; empty: it is one."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    if isinstance(document, dict) and "pipeline_spec" in document:
        document = document["pipeline_spec"]
    try:
        spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    except (json_format.ParseError, AttributeError, TypeError) as error:
        return str(error)
    return "" if spec.pipeline_info.name and spec.root.dag.tasks else "no tasks"


def _pipeline_file(body: Any) -> str:
    """The text of an uploaded pipeline file."""
    filename, content = body
    if not filename.endswith((".yaml", ".yml")):
        raise Refusal(400, "Failed to read a pipeline spec file", upload=True)
    text = content.decode("utf-8")
    documents = _documents(text)
    if problem := spec_problem(documents[0]):
        raise Refusal(400, f"Failed to create a pipeline version: {problem}", upload=True)
    if len(documents) > 1 and "platforms" not in documents[1]:
        raise Refusal(400, "the second document is no platform spec", upload=True)
    return text


def _documents(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


def _as_struct(text: str) -> dict[str, Any]:
    """A pipeline file as the API shows it: with a platform spec, both stand beside each other."""
    documents = _documents(text)
    if len(documents) == 1:
        return dict(documents[0])
    return {"pipeline_spec": documents[0], "platform_spec": documents[1]}


def node_id(workflow: str, name: str) -> str:
    """Argo's id of a node: the workflow's name and the FNV-1a hash of the node's name."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{workflow}-{value}"


def _task(run_id: str, name: str, state: str, children: list[str], **more: Any) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "task_id": str(uuid.uuid4()),
        "display_name": name,
        "create_time": now(-3600),
        "start_time": now(-3600),
        "end_time": now(-60) if state in ("SUCCEEDED", "FAILED", "SKIPPED") else YEAR_ONE,
        "state": state,
        **({"child_tasks": [{"pod_name": child} for child in children]} if children else {}),
        **more,
    }


def _step(
    run_id: str, workflow: str, step: str, state: str, began: float, tries: int, counted: bool
) -> Iterator[dict[str, Any]]:
    """The nodes of one step: its driver, its DAG, and the executor in it."""
    path = f"{workflow}(0).root(0).{step}(0)" if counted else f"{workflow}.root.{step}"
    if state == "PENDING":
        yield _task(run_id, f"{step}-driver", "PENDING", [])
        return
    if state == "DRIVER FAILED":
        yield _task(run_id, f"{step}-driver", "FAILED", [])
        return
    if state == "OMITTED":  # what came after a failure; Argo keeps such nodes through a retry
        yield _task(run_id, f"{step}-driver", "SKIPPED", [])
        yield _task(run_id, step, "SKIPPED", [])
        return
    times = {"start_time": now(began), "end_time": now(began + 40)}
    yield _task(run_id, f"{step}-driver", "SUCCEEDED", [], **times)
    inner = {"CACHED": "SKIPPED"}.get(state, state)
    outer = {"CACHED": "SUCCEEDED"}.get(state, state)
    if state == "CACHED":
        times["end_time"] = times["start_time"]
    if state == "RUNNING":
        times["end_time"] = YEAR_ONE
    executor = f"{path}.executor"
    yield _task(run_id, step, outer, [node_id(workflow, path if counted else executor)], **times)
    if counted:
        yield _task(run_id, f"{step}(0)", outer, [node_id(workflow, executor)], **times)
    # Every attempt, the last one too, is a child of the executor; where nothing retries it has none.
    made = range(tries + 1) if tries or counted else range(0)
    children = [node_id(workflow, f"{executor}({number})") for number in made]
    if state in ("CACHED", "SKIPPED"):
        children = []
    yield _task(run_id, "executor", inner, children, **times)
    for number, _ in enumerate(children):
        outcome = inner if number == tries else "FAILED"
        yield _task(run_id, f"executor({number})", outcome, [], **times)


class _Handler(BaseHTTPRequestHandler):
    """HTTP around FakeKfp: faults, logins, routes, JSON."""

    kfp: FakeKfp
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        request = Request(self.command, parts.path, query, dict(self.headers.items()))
        self.kfp.requests.append(request)
        fault = self.kfp.take_fault(self.command, parts.path)
        if fault is not None and fault.slow:
            time.sleep(fault.slow)
        elif fault is not None and not fault.after:
            if fault.drop:
                self.close_connection = True
                self.connection.close()
                return
            self._json(fault.status, {"error": "injected", "code": 13, "message": "injected"})
            return
        try:
            if self._special(request, raw):
                return
            with self.kfp.lock:
                answer = self._call(request, raw)
        except Refusal as error:
            if error.status == 400:
                self.kfp.refused.append(f"{request.method} {request.path}: {error.message}")
            self._json(error.status, _error_body(error))
            return
        if fault is not None and fault.after:
            self.close_connection = True
            self.connection.close()
            return
        self._json(200, answer)

    def _special(self, request: Request, raw: bytes) -> bool:
        """Logins and pages; whether the request was answered."""
        kfp, path = self.kfp, request.path
        if kfp.dex and self._dex(request, raw):
            return True
        if kfp.page is not None:
            self._page(kfp.page)
            return True
        if kfp.token and self.headers.get("authorization") != f"Bearer {kfp.token}":
            raise Refusal(401, "User identity is empty in the request header.")
        if path.endswith("/apis/v1beta1/healthz"):
            self._json(200, {"commit_sha": "0", "tag_name": "1.8.22" if kfp.v1_only else "2.17.0"})
            return True
        if kfp.prefix and not path.startswith(f"{kfp.prefix}/"):
            self._page("<html><title>Kubeflow Central Dashboard</title></html>")
            return True
        if kfp.v1_only:
            raise Refusal(404, "Not Found")
        if path == f"{kfp.prefix}/k8s/pod/logs":
            name = request.query.get("podname", "")
            if not {"podname", "podnamespace"} <= set(request.query):
                raise Refusal(400, "podname argument is required")
            if name not in kfp.logs:
                raise Refusal(500, f"Could not get main container logs: pods {name} not found")
            self._send(200, kfp.logs[name].encode(), "text/plain")
            return True
        if path in (kfp.prefix, f"{kfp.prefix}/"):
            self._page("<html><title>Kubeflow Pipelines</title></html>")
            return True
        return False

    def _call(self, request: Request, raw: bytes) -> Any:
        path = request.path.removeprefix(self.kfp.prefix)
        for route in ROUTES:
            match = route.pattern.match(path)
            if match and route.method == request.method:
                break
        else:
            raise Refusal(404, "Not Found")
        request.call = route.name
        if unknown := set(request.query) - route.query:
            raise Refusal(400, f"unknown query parameters {sorted(unknown)}")
        if not request.query.get("page_size", "0").lstrip("-").isdigit():
            raise Refusal(400, "page_size is no number")
        if route.form:
            request.body = _multipart(self.headers, raw, route.form)
        elif route.body:
            if "json" not in (self.headers.get("Content-Type") or ""):
                raise Refusal(400, "the body must be JSON")
            try:
                request.body = json.loads(raw)
            except ValueError:
                raise Refusal(400, "the body is not JSON") from None
            if problems := check(request.body, route.body):
                raise Refusal(400, "; ".join(problems))
        handler: Callable[..., Any] | None = getattr(self.kfp, route.name, None)
        if handler is None:
            raise Refusal(501, f"{route.name} is not part of the stand-in")
        return handler(request, *match.groups())

    # Kubeflow's login: Dex behind the auth service, or behind oauth2-proxy

    def _dex(self, request: Request, raw: bytes) -> bool:
        kfp, path = self.kfp, request.path
        assert kfp.dex is not None
        if (self.headers.get("Cookie") or "").removeprefix("session=") in kfp.sessions:
            return False
        if path == "/dex/auth":
            self._page("<html><title>dex</title><a href='/dex/auth/local?state=s'>Email</a></html>")
        elif path == "/dex/auth/local":
            self._redirect("/dex/auth/local/login?back=&state=s")
        elif path == "/dex/auth/local/login" and request.method == "GET":
            self._page(_form(""))
        elif path == "/dex/auth/local/login":
            given = parse_qs(raw.decode())
            if (given.get("login", [""])[0], given.get("password", [""])[0]) != kfp.dex:
                self._page(_form("Invalid Email Address and password."))
            else:
                self._redirect("/dex/approval?req=r")
        elif path == "/dex/approval":
            if request.method == "GET":
                self._page("<html><form method='post'><button>Grant Access</button></form></html>")
            else:
                self._redirect("/oauth2/callback?code=c")
        elif path == "/oauth2/callback":
            session = uuid.uuid4().hex
            kfp.sessions.add(session)
            self._redirect(f"{kfp.prefix}/", f"session={session}; Path=/; HttpOnly")
        elif path == "/oauth2/start" or not kfp.proxy:
            self._redirect(f"/dex/auth?{urlencode({'client_id': 'kubeflow', 'state': 's'})}")
        else:
            self._send(403, b"<html><title>Sign In</title></html>", "text/html")
        return True

    def _redirect(self, location: str, cookie: str | None = None) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()

    def _page(self, text: str) -> None:
        self._send(200, text.encode(), "text/html; charset=utf-8")

    def _json(self, status: int, answer: Any) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        # A client that was told to be impatient may be gone.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self._send_all(status, content, kind)

    def _send_all(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _form(problem: str) -> str:
    action = "/dex/auth/local/login?back=&amp;state=s"
    return f"<html><title>dex</title>{problem}<form method='post' action='{action}'></form></html>"


def _error_body(error: Refusal) -> dict[str, Any]:
    if error.upload:
        return {"error_message": error.message, "error_details": error.message}
    code = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6}.get(error.status, 13)
    return {"error": error.message, "code": code, "message": error.message, "details": []}


def _multipart(headers: Any, raw: bytes, names: frozenset[str]) -> tuple[str, bytes]:
    """(file name, content) of the one file in a form."""
    kind = headers.get("Content-Type") or ""
    if not kind.startswith("multipart/form-data"):
        raise Refusal(400, "Failed to read pipeline from file", upload=True)
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name in names and part.get_filename():
            return str(part.get_filename()), part.get_payload(decode=True)  # type: ignore[return-value]
    raise Refusal(400, "Failed to read pipeline from file", upload=True)
