"""Serving on a cluster: deploy the champion, ask it, deploy from inside a run."""

import json
import re
from datetime import UTC, datetime
from functools import cache

from cluster_user import STEPS, run_id, until
from kubernetes.client.exceptions import ApiException

from bertworks.serving.access import keys

TEXT = "a warm and clever film"
SECRET = "bertworks-keys"


@cache
def _key(user) -> str:
    """A key that the namespace's servers take: their pods have it a while after the secret is there."""
    key, token = keys.make("e2e", datetime.now(UTC))
    content = json.dumps({"format": 1, "keys": [key.to_json()]})
    body = {"metadata": {"name": SECRET}, "stringData": {"keys.json": content}}
    namespace = user.connection.namespace
    known = {one.metadata.name for one in user.core.list_namespaced_secret(namespace).items}
    if SECRET in known:
        user.core.replace_namespaced_secret(SECRET, namespace, body)
    else:
        user.core.create_namespaced_secret(namespace, body)
    return token


def _ask(user, agent: str):
    """What the agent's server answers, asked through the API server."""
    path = f"/api/v1/namespaces/{user.connection.namespace}/services/http:bertworks-{agent}:http"
    answer = user.kube().call_api(
        f"{path}/proxy/v1/models/{agent}:predict",
        "POST",
        body={"instances": [TEXT]},
        header_params={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-API-Key": _key(user),
        },
        auth_settings=["BearerToken"],
        _preload_content=False,
        _return_http_data_only=True,
        _request_timeout=30,
    )
    return json.loads(answer.data)


def test_champion_is_deployed_and_answers(user, first_run) -> None:
    agent = user.agent("main")
    done = user.bertworks("deploy", user.spec("main"), seconds=900)
    assert re.search(rf"^{agent}/\d+ serves in namespace ", done.stdout, re.M), done.stdout

    def asked():
        try:
            return _ask(user, agent)["predictions"]
        except ApiException as error:
            if error.status == 401:  # the pods do not have the secret yet
                return None
            raise

    (answer,) = until(asked, 180, "an answer")
    assert answer["label"] in ("positive", "negative"), answer
    assert "serves" in user.bertworks("deploy", agent, "--status").stdout


def test_pods_of_the_server_have_no_token_and_meet_the_standard(user, first_run) -> None:
    agent = user.agent("main")
    user.bertworks("deploy", user.spec("main"), seconds=900)
    labels = f"app.kubernetes.io/instance={agent},app.kubernetes.io/component=server"
    pods = user.core.list_namespaced_pod(user.connection.namespace, label_selector=labels).items
    assert pods
    for pod in pods:
        assert pod.spec.security_context.run_as_non_root
        mounts = [m.mount_path for c in pod.spec.containers for m in c.volume_mounts]
        assert "/var/run/secrets/kubernetes.io/serviceaccount" not in mounts


def test_a_run_deploys_what_it_registered(user, first_run) -> None:
    """The step's own rights suffice: those of k8s/base, not those of the person."""
    spec = user.spec("main", serve={"deploy": {"enabled": True}})
    done = user.bertworks("submit", spec, "--wait", seconds=STEPS)
    run = run_id(done.stdout + done.stderr)
    states = {step["name"]: step["state"] for step in user.json("runs", "show", run)["steps"]}
    assert states["deploy"] == "succeeded", states
    answer = until(lambda: _ask(user, user.agent("main")).get("predictions"), 60, "an answer")
    assert answer[0]["label"] in ("positive", "negative")
