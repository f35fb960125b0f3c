"""With KServe: an InferenceService, and the Deployment that KServe makes of it."""

import copy

import pytest
from fake_kubernetes import Refused
from rollout_cluster import CRASHING

from bertworks.errors import EnvironmentFault
from components.deploy import deployment, manifests, present


def kserve(fake, one):
    """What KServe's controller makes of an InferenceService with a custom predictor."""
    if one["kind"] != "InferenceService":
        return
    predictor = copy.deepcopy(one["spec"]["predictor"])
    for key in ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"):
        predictor.pop(key)
    strategy, labels = predictor.pop("deploymentStrategy"), predictor.pop("labels")
    name = f"{one['metadata']['name']}-predictor"
    space = one["metadata"]["namespace"]
    labels |= {"app": f"isvc.{name}"}
    made = {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": space,
            "labels": {**labels, "serving.kserve.io/inferenceservice": one["metadata"]["name"]},
            "annotations": dict(one["metadata"]["annotations"]),
            "ownerReferences": [{"apiVersion": one["apiVersion"], "kind": one["kind"],
                                 "name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}],
        },
        "spec": {
            "selector": {"matchLabels": {"app": labels["app"]}}, "strategy": strategy,
            "template": {"metadata": {"labels": labels}, "spec": predictor},
        },
    }  # fmt: skip
    service = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"selector": {"app": labels["app"]},
                 "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    fake.add(made, service)
    for controller in fake.controllers:
        if controller is not kserve:
            controller(fake, fake.get("Deployment", name, space))
    url = f"http://{name}.{space}.svc.cluster.local"
    now = fake.get("InferenceService", one["metadata"]["name"], space)
    fake.update("InferenceService", now["metadata"]["name"], space,
                status={"address": {"url": url}})  # fmt: skip


@pytest.fixture
def with_kserve(fake):
    fake.serve("kserve")
    fake.controllers.append(kserve)
    return fake


def webhook(fake, known):
    """KServe's validation: fields of the standard mode, and no change of the mode's name."""

    def refuse(request):
        fake._permission(request)
        one = request.body
        if request.method != "PATCH" or not one or one.get("kind") != "InferenceService":
            return
        mode = one["metadata"]["annotations"]["serving.kserve.io/deploymentMode"]
        meta = one["metadata"]
        present = fake.get("InferenceService", meta["name"], meta["namespace"])
        before = ((present or {}).get("status") or {}).get("deploymentMode", mode)
        said = f"update rejected: deploymentMode cannot be changed from '{before}' to '{mode}'"
        if before == mode:
            said = "customizing deploymentStrategy is only supported for raw deployment mode"
        if before != mode or mode != known:
            webhook = "inferenceservice.kserve-webhook-server.validator"
            raise Refused(
                403, "Forbidden", f'admission webhook "{webhook}" denied the request: {said}'
            )

    return refuse


@pytest.mark.parametrize("known", ["Standard", "RawDeployment"])
def test_kserve_is_told_the_mode_by_the_name_that_it_knows(cluster, with_kserve, serving, known):
    with_kserve.refuse = webhook(with_kserve, known)
    roll(cluster, serving(1), "kserve")
    one = with_kserve.get("InferenceService", "bertworks-mood", "runs")
    assert one["metadata"]["annotations"][deployment.MODE] == known
    with_kserve.update(
        "InferenceService", "bertworks-mood", "runs", status={"deploymentMode": known}
    )
    assert roll(cluster, serving(2), "kserve").ready == 2


def test_what_else_kserves_webhook_refuses_is_told(cluster, with_kserve, serving):
    tries = []

    def refuse(request):
        if request.method == "PATCH":
            tries.append(request)
            raise Refused(403, "Forbidden", "admission webhook denied the request: no such image")

    with_kserve.refuse = refuse
    with pytest.raises(EnvironmentFault, match="no such image"):
        roll(cluster, serving(1), "kserve")
    assert len(tries) == 1


def roll(cluster, serving, kind, **how):
    settings = {"poll": 0.01, "seconds": 0.3, "patience": 0.1, "say": lambda line: None, **how}
    return deployment.deploy(cluster, serving, kind, **settings)


def test_where_there_is_kserve_it_is_used(cluster, with_kserve, serving):
    kind = present.choose_kind(cluster, "mood", "auto")
    assert kind == "kserve"
    done = roll(cluster, serving(1), kind)
    assert (done.ready, with_kserve.serving()) == (2, {1})
    assert done.url == "http://bertworks-mood-predictor.runs.svc.cluster.local"
    assert with_kserve.asked[0][0] == "bertworks-mood-predictor"
    kinds = [kind for _, kind, _ in with_kserve.changes()]
    assert kinds == ["InferenceService", "PodDisruptionBudget"]
    with_kserve.behave[2] = CRASHING
    with pytest.raises(EnvironmentFault, match="mood/1 serves again"):
        roll(cluster, serving(2), kind)
    assert with_kserve.serving() == {1}
    assert present.find(cluster, "mood").kind == "kserve"


def test_without_kserve_plain_objects_are_used_or_it_is_asked_for(cluster, fake):
    assert present.choose_kind(cluster, "mood", "auto") == "deployment"
    assert present.choose_kind(cluster, "mood", "deployment") == "deployment"
    with pytest.raises(EnvironmentFault, match="has no KServe"):
        present.choose_kind(cluster, "mood", "kserve")


def test_what_serves_already_keeps_its_kind(cluster, with_kserve, serving):
    roll(cluster, serving(1), "deployment", wait=False)
    assert present.choose_kind(cluster, "mood", "auto") == "deployment"
    assert present.choose_kind(cluster, "mood", "deployment") == "deployment"
    with pytest.raises(EnvironmentFault, match="is served by a Deployment") as caught:
        present.choose_kind(cluster, "mood", "kserve")
    assert "kubectl delete -n runs deployment" in caught.value.fix


def test_a_rollout_that_kserve_has_not_begun_is_not_taken_for_done(cluster, with_kserve, serving):
    """With the version before still serving, InferenceService and Deployment both say ready."""
    roll(cluster, serving(1), "kserve", wait=False)
    with_kserve.controllers.remove(kserve)
    with pytest.raises(EnvironmentFault, match="did not become ready"):
        roll(cluster, serving(2), "kserve")


def test_what_kserve_says_against_it_is_shown(cluster, with_kserve, serving):
    from components.deploy import rollout

    with_kserve.controllers.remove(kserve)
    roll(cluster, serving(1), "kserve", wait=False)
    message = "admission webhook denied the request: image not allowed"
    with_kserve.update(
        "InferenceService", "bertworks-mood", "runs",
        status={"conditions": [{"type": "PredictorReady", "status": "False",
                                "reason": "ReconcileFailed", "message": message}]},
    )  # fmt: skip
    now = rollout.look(cluster, "mood", "kserve", "none")
    assert [one.text for one in now.problems] == [f"KServe: ReconcileFailed {message}"]
    assert manifests.service_name("mood", "kserve") == "bertworks-mood-predictor"
