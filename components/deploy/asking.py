"""Asks the server one question after a rollout: does the right bundle answer?"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from components.deploy.cluster import SECONDS, Cluster, Refused, Unreachable
from components.deploy.manifests import PORT, ROLLOUT, port_name, service_name
from components.deploy.rollout import is_ready
from components.deploy.settings import Kind, Serving

TRIES = 5
QUESTION = {
    "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["warm up"]}],
}
PAIR = {
    "inputs": [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": ["warm up"]}
        for name in ("text_a", "text_b")
    ]
}


class Wrong(Exception):
    """The server answers, but not as it must."""


@dataclass(frozen=True)
class Answer:
    """What came of asking.

    Attributes:
        prediction: The agent's answer; None where it could not be asked.
        skipped: Why it could not be asked; "" when it was.
    """

    prediction: Any
    skipped: str = ""


def ask_once(
    cluster: Cluster, serving: Serving, kind: Kind, rollout: str, *, poll: float = 2.0
) -> Answer:
    """One prediction: from inside the cluster of a new pod, from outside through the API server.

    Args:
        cluster: Where it serves.
        serving: What must answer.
        kind: What runs the pods.
        rollout: The mark of the new pods.
        poll: Seconds between two tries.

    Raises:
        Wrong: Another bundle answers, or the agent answers with an error.
    """
    path = f"v2/models/{serving.name}/infer"
    body: Any = QUESTION
    problem = ""
    for turn in range(TRIES):  # by hand: what is asked changes with what the last answer was
        if turn:
            time.sleep(poll)
        try:
            if cluster.inside:
                said = _of_a_pod(cluster, rollout, path, body, port_name(serving))
            else:
                service = service_name(serving.name, kind)
                said = cluster.ask(service, path, body, port_name(serving))
        except Refused as error:
            problem = error.message
            if error.by_api:
                if error.status in (401, 403, 405):
                    break
            elif body is QUESTION and "text_a" in error.message:
                body = PAIR
            elif turn:
                raise Wrong(f"it answers with an error: {error.message}") from None
            continue
        except Unreachable as error:
            problem = error.message
            continue
        return Answer(_checked(said, serving))
    return Answer(None, problem)


def _of_a_pod(cluster: Cluster, rollout: str, path: str, body: Any, scheme: str = "http") -> Any:
    """Asks a ready pod by its address: the run's account needs no right to the API server's proxy.

    A certificate is not checked: it is for the Service's name; what counts is the digest in the answer.
    """
    pods = [one for one in cluster.select("Pod", f"{ROLLOUT}={rollout}") if is_ready(one)]
    address = next((one["status"]["podIP"] for one in pods if one["status"].get("podIP")), None)
    if address is None:
        raise Unreachable("No pod is ready.", "Wait.")
    host = f"[{address}]" if ":" in address else address
    request = urllib.request.Request(
        f"{scheme}://{host}:{PORT}/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        with direct.open(request, timeout=SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode("utf-8", "replace")
        raise Refused(error.code, f"{error.code}: {text}", "", by_api=False) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"The pod at {address} could not be asked: {error}", "") from None


def _checked(said: Any, serving: Serving) -> Any:
    """The prediction, when it comes from the bundle that was rolled out."""
    version = said.get("model_version")
    digest = (said.get("parameters") or {}).get("digest")
    if serving.follow:  # It serves what the store says at that moment, and has checked that itself.
        right = bool(digest)
    else:
        right = (version, digest) == (str(serving.version), serving.digest)
    if not right:
        raise Wrong(
            f"another bundle answers: version {version}, digest {str(digest)[:12]}…, where "
            f"{serving.version}, {serving.digest[:12]}… was deployed"
        )
    outputs = {one["name"]: one["data"] for one in said.get("outputs") or []}
    first = outputs.get("prediction") or [None]
    return first[0]
