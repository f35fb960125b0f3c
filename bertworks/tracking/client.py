"""MLflow's REST API (mlflow.org/docs/latest/rest-api.html), as far as a run's record needs it.

MLflow's own client would bring forty packages into every pod's image, and other versions of some that
are pinned here; these are six requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from bertworks.errors import BertworksError
from bertworks.retries import retrying
from bertworks.secrets import masked

if TYPE_CHECKING:
    import requests

URI = "MLFLOW_TRACKING_URI"
RUN = "MLFLOW_RUN_ID"
EXPERIMENT = "MLFLOW_EXPERIMENT_ID"
PARENT = "mlflow.parentRunId"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

SECONDS = (5.0, 30.0)  # for a connection, for an answer
_WAITS = (0.5, 2.0)  # before a busy server is asked again
_METRICS, _PARAMS, _TAGS = 900, 100, 100  # that one request may hold
_KEY, _PARAM_VALUE, _TAG_VALUE = 250, 6000, 5000  # characters at most
_ARTIFACTS = "mlflow-artifacts:"


class TrackingFault(BertworksError):
    """The server was not reached, or did not take what it was given. It never fails a run."""


@dataclass(frozen=True)
class Metric:
    """A value of a metric.

    Attributes:
        key: Its name.
        value: A finite number.
        step: Optimizer steps done, or epochs.
        time: In seconds since 1970.
    """

    key: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class TrackedRun:
    """A run that the server has.

    Attributes:
        id: The server's name for it.
        experiment: That of its experiment.
        artifacts: Where its files are: `mlflow-artifacts:/...` where the server takes them itself.
    """

    id: str
    experiment: str
    artifacts: str


class Server:
    """A server that is spoken to with what the environment has for it, as MLflow's own client would.

    Args:
        uri: Its address.
        environment: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
            MLFLOW_TRACKING_AUTH=kubernetes (the pod's service account); MLFLOW_TRACKING_INSECURE_TLS,
            MLFLOW_TRACKING_SERVER_CERT_PATH; MLFLOW_WORKSPACE.
    """

    def __init__(self, uri: str, environment: Mapping[str, str] | None = None) -> None:
        import requests

        self.uri = uri.rstrip("/")
        known = os.environ if environment is None else environment
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "bertworks", **_workspace(known)})
        self._session.auth = _authorization(known)
        if known.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("1", "true"):
            self._session.verify = False
        elif certificate := known.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
            self._session.verify = certificate

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made where there is none.

        Raises:
            TrackingFault: See the class.
        """
        for _ in range(2):  # another run may make it in between
            asked = {"experiment_name": name}
            if found := self._get("experiments/get-by-name", asked, missing=True):
                return str(found["experiment"]["experiment_id"])
            made = self._post("experiments/create", {"name": name}, exists=True)
            if made:
                return str(made["experiment_id"])
        raise TrackingFault(f"The MLflow server at {masked(self.uri)} has deleted experiment {name!r}.",
                            "Restore it there, or name another one: track.experiment.")  # fmt: skip

    def begin(
        self, experiment: str, name: str, began: float, tags: Mapping[str, str], parent: str = ""
    ) -> TrackedRun:
        """Begins a run; `parent` is the id of the run that it is nested in."""
        whole = {**tags, "mlflow.runName": name, **({PARENT: parent} if parent else {})}
        asked = {
            "experiment_id": experiment,
            "run_name": name,
            "start_time": round(began * 1000),
            "tags": _pairs(whole, _TAG_VALUE),
        }
        return _tracked(self._post("runs/create", asked)["run"])

    def find(self, experiment: str, tags: Mapping[str, str]) -> TrackedRun | None:
        """The oldest run of an experiment that has these tags; None where there is none."""
        rules = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        asked = {
            "experiment_ids": [experiment],
            "filter": rules,
            "max_results": 1,
            "order_by": ["attributes.start_time ASC"],
        }
        runs = self._post("runs/search", asked).get("runs") or []
        return _tracked(runs[0]) if runs else None

    def run(self, name: str) -> TrackedRun:
        """The run of that id."""
        found = self._get("runs/get", {"run_id": name})
        return _tracked((found or {})["run"])

    def log(
        self,
        run: str,
        *,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Adds to a run; what the server takes in one request is sent in several.

        Args:
            run: Its id.
            metrics: Any number of values.
            params: Name to value; cut at what MLflow keeps.
            tags: Likewise.
        """
        kinds: list[tuple[str, Iterator[Any], int]] = [
            ("metrics", (_plain(one) for one in metrics), _METRICS),
            ("params", iter(_pairs(params or {}, _PARAM_VALUE)), _PARAMS),
            ("tags", iter(_pairs(tags or {}, _TAG_VALUE)), _TAGS),
        ]
        for kind, values, most in kinds:
            while some := list(islice(values, most)):
                self._post("runs/log-batch", {"run_id": run, kind: some})

    def end(self, run: str, status: Status, ended: float) -> None:
        """Says how a run ended, and when (seconds since 1970)."""
        asked = {"run_id": run, "status": status, "end_time": round(ended * 1000)}
        self._post("runs/update", asked)

    def upload(self, run: TrackedRun, files: Mapping[str, Path]) -> bool:
        """Puts files beside a run; False where they belong in a place that the server does not write.

        Args:
            run: The run.
            files: Name to file.
        """
        if not run.artifacts.startswith(_ARTIFACTS):
            return False
        folder = run.artifacts.removeprefix(_ARTIFACTS).lstrip("/")
        for name, file in files.items():
            place = quote(f"{folder}/{name}")
            self._ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{place}", data=file.read_bytes())
        return True

    def _get(
        self, call: str, asked: Mapping[str, str], *, missing: bool = False
    ) -> dict[str, Any] | None:
        found = self._ask("GET", f"/api/2.0/mlflow/{call}", params=asked)
        if missing and found.status_code == 404:
            return None
        return self._read(found)

    def _post(self, call: str, asked: Mapping[str, Any], *, exists: bool = False) -> dict[str, Any]:
        found = self._ask("POST", f"/api/2.0/mlflow/{call}", json=asked)
        if exists and "RESOURCE_ALREADY_EXISTS" in found.text:
            return {}
        return self._read(found)

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        if not answer.ok:
            raise self._fault(f"answered {answer.status_code}: {_reason(answer)}", answer)
        try:
            value = answer.json()
        except ValueError:
            value = answer.text
        if not isinstance(value, dict):
            raise self._fault(f"answered with what is no MLflow answer: {value!r:.80}", answer)
        return value

    def _ask(self, method: str, path: str, **content: Any) -> requests.Response:
        """One request; a server that is busy is asked again, one that is not there is not."""
        import requests

        def send() -> requests.Response:
            answer = self._session.request(method, self.uri + path, timeout=SECONDS, **content)
            if answer.status_code in (429, 502, 503, 504):
                raise _Busy(answer)
            return answer

        try:
            answer = retrying(_WAITS, lambda error: isinstance(error, _Busy))(send)
        except _Busy as busy:
            answer = busy.answer
        except requests.RequestException as error:
            # Its words may hold what the environment gave.
            raise self._fault(f"was not reached ({type(error).__name__})") from None
        if answer.status_code in (401, 403):
            raise TrackingFault(
                f"The MLflow server at {masked(self.uri)} refused the request: {answer.status_code}.",
                "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
                "where the command runs (for pods: resources.default.secrets).",
            )
        if method == "PUT" and not answer.ok:
            raise self._fault(f"did not take a file: {_reason(answer)}", answer)
        return answer

    def _fault(self, what: str, answer: requests.Response | None = None) -> TrackingFault:
        fix = (
            f"Is it there? curl {masked(self.uri)}/health answers OK. Otherwise correct track.mlflow or "
            "leave it out."
            if answer is None
            else "See the server's log."
        )
        return TrackingFault(f"The MLflow server at {masked(self.uri)} {what}.", fix)


class _Busy(Exception):
    """The server says that it has no time now."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__(str(answer.status_code))
        self.answer = answer


def _authorization(known: Mapping[str, str]) -> Callable[[Any], Any] | tuple[str, str] | None:
    """What a request is signed with: a callable, so that no .netrc of the machine replaces a token."""
    if user := known.get("MLFLOW_TRACKING_USERNAME"):
        return user, known.get("MLFLOW_TRACKING_PASSWORD", "")
    token = known.get("MLFLOW_TRACKING_TOKEN", "")
    if _by_service_account(known):
        token = _of_service_account("token") or token
    if not token:
        return None

    def sign(request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return sign


def _workspace(known: Mapping[str, str]) -> dict[str, str]:
    space = known.get("MLFLOW_WORKSPACE", "")
    if not space and _by_service_account(known):
        space = _of_service_account("namespace")
    return {"X-MLFLOW-WORKSPACE": space} if space else {}


def _by_service_account(known: Mapping[str, str]) -> bool:
    return known.get("MLFLOW_TRACKING_AUTH", "").startswith("kubernetes")


def _of_service_account(name: str) -> str:
    file = SERVICE_ACCOUNT / name
    return file.read_text("utf-8").strip() if file.is_file() else ""


def _tracked(run: Mapping[str, Any]) -> TrackedRun:
    info = run["info"]
    return TrackedRun(info["run_id"], info["experiment_id"], info.get("artifact_uri", ""))


def _plain(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key[:_KEY],
        "value": metric.value,
        "timestamp": round(metric.time * 1000),
        "step": metric.step,
    }


def _pairs(named: Mapping[str, str], most: int) -> list[dict[str, str]]:
    return [{"key": key[:_KEY], "value": value[:most]} for key, value in named.items()]


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("message", ""))[:300]
    except (ValueError, AttributeError):
        return answer.reason or ""
