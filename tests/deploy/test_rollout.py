"""Rollouts against an API server over loopback: what is applied, waited for, and put back."""

import json

import pytest
from rollout_cluster import CRASHING, NO_IMAGE, UNSCHEDULABLE, waiting

from bertworks.errors import EnvironmentFault
from components.deploy import deployment, manifests, present, rollout
from components.deploy.cluster import Cluster

OBJECTS = ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]


def roll(cluster, serving, said=None, **how):
    lines = [] if said is None else said
    settings = {"poll": 0.01, "seconds": 0.3, "patience": 0.1, "say": lines.append, **how}
    return deployment.deploy(cluster, serving, "deployment", **settings)


def put(cluster, serving):
    """Has it serve, without looking."""
    roll(cluster, serving, wait=False)


def test_a_first_version_is_applied_waited_for_and_asked(cluster, fake, serving):
    said = []
    done = roll(cluster, serving(), said)
    assert fake.changes() == [("PATCH", kind, "bertworks-mood") for kind in OBJECTS]
    managers = {one.query["fieldManager"] for one in fake.requests if one.method == "PATCH"}
    assert managers == {"bertworks"}
    assert (done.ready, done.previous, fake.serving()) == (2, None, {1})
    assert done.url == "http://bertworks-mood.runs.svc.cluster.local"
    assert done.answer.prediction == "good" and done.answer.skipped == ""
    assert fake.asked[0][:2] == ("bertworks-mood", "v2/models/mood/infer")
    assert any("2 of 2 ready" in line for line in said)


def test_a_dry_run_of_every_object_comes_before_the_first_change(cluster, fake, serving):
    roll(cluster, serving())
    dry = [one.query.get("dryRun") == "All" for one in fake.requests if one.method == "PATCH"]
    assert dry == [True] * 4 + [False] * 4


def test_an_update_keeps_what_the_autoscaler_set_and_notes_the_version_before(
    cluster, fake, serving
):
    put(cluster, serving(1))
    fake.replicas = 5
    done = roll(cluster, serving(2))
    assert (done.previous, fake.serving()) == (1, {2})
    live = fake.get("Deployment", "bertworks-mood")
    assert live["spec"]["replicas"] == 5
    noted = json.loads(live["metadata"]["annotations"]["bertworks/storage/history"])
    assert [one["version"] for one in noted] == [1, 2]
    assert live["metadata"]["labels"]["bertworks/version"] == "2"


def test_what_comes_and_goes_is_said_once(cluster, fake, serving, monkeypatch):
    """A server that crashes is by turns ended and waiting."""
    turns = [
        rollout.Progress(2, 2, 0, False, [rollout.Problem(text)])
        for text in ("CrashLoopBackOff", "the server ended (Error, exit code 1)")
    ]
    looks = iter([turns[0], *turns * 4, rollout.Progress(2, 2, 2, True)])  # the first: may we look?
    monkeypatch.setattr(rollout, "look", lambda *_: next(looks))
    said = []
    roll(cluster, serving(), said, seconds=60)
    told = [line.partition(" s  ")[2] for line in said if " s  " in line]
    assert told == [
        "0 of 2 ready; CrashLoopBackOff",
        "0 of 2 ready; the server ended (Error, exit code 1)",
        "2 of 2 ready",
    ]


def test_the_same_again_changes_nothing(cluster, fake, serving):
    put(cluster, serving(1))
    before = fake.get("Deployment", "bertworks-mood")
    done = roll(cluster, serving(1))
    after = fake.get("Deployment", "bertworks-mood")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert done.previous is None


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (CRASHING, "the server ended (Error, exit code 5, 3 restarts)"),
        (NO_IMAGE, "InvalidImageName: couldn't parse image name"),
        (waiting("ImagePullBackOff", "manifest unknown"), "ImagePullBackOff: manifest unknown"),
        (UNSCHEDULABLE, "no node takes the pod: 0/3 nodes are available: 3 Insufficient memory."),
        ("pods is forbidden: exceeded quota", "no pod can be made: pods is forbidden: exceeded"),
        (waiting("ContainerCreating"), "the time was up after 0 s with 0 of 2 ready"),
        (
            waiting("CrashLoopBackOff", ended={"exitCode": 137, "reason": "OOMKilled"}),
            "it needs more memory than `serve.deploy.memory`",
        ),
    ],
)
def test_a_version_that_does_not_become_ready_is_taken_back(cluster, fake, serving, status, why):
    put(cluster, serving(1))
    fake.behave[2] = status
    fake.logs[2] = "error: sentiment version 2 is damaged"
    with pytest.raises(EnvironmentFault) as caught:
        roll(cluster, serving(2))
    assert why in caught.value.message
    assert "mood/1 serves again" in caught.value.message
    assert caught.value.exit_code == 7
    assert fake.serving() == {1}
    live = fake.get("Deployment", "bertworks-mood")
    assert live["metadata"]["labels"]["bertworks/version"] == "1"
    noted = json.loads(live["metadata"]["annotations"]["bertworks/storage/history"])
    assert [one["version"] for one in noted] == [1]


def test_the_last_words_of_a_crashed_server_are_shown(cluster, fake, serving):
    fake.behave[1] = CRASHING
    fake.logs[1] = "error: the bundle is not the one that is to serve"
    with pytest.raises(EnvironmentFault, match="is not the one that is to serve"):
        roll(cluster, serving(1))
    logs = [one for one in fake.requests if one.path.endswith("/log")]
    assert logs[0].query == {"container": "server", "tailLines": "8", "previous": "true"}


def test_a_first_version_that_fails_is_left_to_look_at(cluster, fake, serving):
    fake.behave[1] = NO_IMAGE
    with pytest.raises(EnvironmentFault, match="nothing to go back to") as caught:
        roll(cluster, serving(1))
    assert fake.get("Deployment", "bertworks-mood") is not None
    assert "kubectl describe pods -n runs" in caught.value.fix


def test_a_version_that_never_served_is_nothing_to_go_back_to(cluster, fake, serving):
    put(cluster, serving(1))
    fake.behave[2] = fake.behave[3] = CRASHING
    put(cluster, serving(2))  # Nobody waited, and it never came up.
    with pytest.raises(EnvironmentFault, match="mood/1 serves again"):
        roll(cluster, serving(3))
    assert fake.serving() == {1}


def test_hopeless_and_crashing_pods_end_the_wait_early(cluster, fake, serving):
    fake.behave[1] = CRASHING
    with pytest.raises(EnvironmentFault, match="did not become ready") as caught:
        roll(cluster, serving(1), seconds=60, patience=60)
    assert "the time was up" not in caught.value.message


def test_rollback_goes_to_the_version_before(cluster, fake, serving):
    for number in (1, 2, 3):
        put(cluster, serving(number))
    how = {"poll": 0.01, "seconds": 0.3, "say": lambda line: None}
    assert deployment.roll_back(cluster, "mood", **how).serving == serving(2)
    assert fake.serving() == {2}
    assert deployment.roll_back(cluster, "mood", **how).serving == serving(1)
    with pytest.raises(EnvironmentFault, match="nothing to go back to"):
        deployment.roll_back(cluster, "mood", **how)
    with pytest.raises(EnvironmentFault, match="other is not deployed"):
        deployment.roll_back(cluster, "other", **how)


def test_servers_that_follow_go_back_where_the_store_does(cluster, fake, serving):
    for number in (1, 2):
        put(cluster, serving(number, follow=True))
    with pytest.raises(EnvironmentFault, match="they serve its champion") as caught:
        deployment.roll_back(cluster, "mood", poll=0.01, seconds=0.3)
    assert "bertworks models rollback mood" in caught.value.fix


def test_the_history_is_cut(cluster, fake, serving, monkeypatch):
    monkeypatch.setattr(deployment, "KEPT", 2)
    for number in (1, 2, 3):
        put(cluster, serving(number))
    assert [one.version for one in present.find(cluster, "mood").history] == [2, 3]


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_somebody_elses_object_is_left_alone(cluster, fake, serving, kind):
    port = {"port": 80}
    spec = {"ports": [port]}
    if kind == "Deployment":
        pod = {"metadata": {"labels": {"a": "b", "bertworks/version": "1", "bertworks/rollout": "x"}},
               "spec": {"containers": [{"name": "c", "image": "i"}]}}  # fmt: skip
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod}
    fake.controllers.clear()
    theirs = {
        "apiVersion": "apps/v1" if kind == "Deployment" else "v1", "kind": kind, "spec": spec,
        "metadata": {"name": "bertworks-mood", "namespace": "runs",
                     "labels": {"app.kubernetes.io/managed-by": "Helm"}},
    }  # fmt: skip
    fake.add(theirs)
    with pytest.raises(EnvironmentFault, match="belongs to Helm.*left alone"):
        roll(cluster, serving())
    assert fake.changes() == []


def test_a_field_that_somebody_else_set_is_a_conflict(cluster, fake, serving):
    put(cluster, serving(1))
    field = '.spec.template.spec.containers[name="server"].image'
    fake.others["Deployment", "bertworks-mood"] = {field: "kubectl-edit"}
    before = len(fake.changes())
    with pytest.raises(EnvironmentFault) as caught:
        roll(cluster, serving(2))
    assert "kubectl-edit" in caught.value.message and "server" in caught.value.message
    assert "--force-conflicts --field-manager=bertworks" in caught.value.fix
    assert len(fake.changes()) == before


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("patch", "deployments"),
        ("patch", "poddisruptionbudgets"),
        ("list", "pods"),
        ("get", "deployments"),
    ],
)
def test_a_missing_permission_is_named_before_anything_changes(
    cluster, fake, serving, verb, resource
):
    fake.forbidden = {(verb, resource)}
    with pytest.raises(EnvironmentFault, match=f'cannot {verb} resource "{resource}"') as caught:
        roll(cluster, serving())
    assert "permission" in caught.value.fix
    assert fake.changes() == []


def test_who_may_not_ask_the_server_is_told_so_and_the_version_stays(cluster, fake, serving):
    fake.forbidden = {("create", "services/proxy")}
    done = roll(cluster, serving())
    assert done.answer.prediction is None and "services/proxy" in done.answer.skipped
    assert fake.serving() == {1}


def test_another_bundle_that_answers_is_taken_back(cluster, fake, serving):
    put(cluster, serving(1))
    right = fake.answers

    def wrong(pod, path, body):
        code, said = right(pod, path, body)
        return code, {**said, "parameters": {"digest": "f" * 64}}

    fake.answers = wrong
    with pytest.raises(EnvironmentFault, match="became ready, but another bundle answers"):
        roll(cluster, serving(2))
    assert fake.serving() == {1}


def test_a_server_that_answers_with_errors_is_taken_back(cluster, fake, serving):
    put(cluster, serving(1))
    fake.answers = lambda pod, path, body: (500, {"error": "RuntimeError: broken"})
    with pytest.raises(EnvironmentFault, match="RuntimeError: broken"):
        roll(cluster, serving(2))


def test_pair_agents_are_asked_with_two_texts(cluster, fake, serving):
    right = fake.answers

    def pairs(pod, path, body):
        names = [one["name"] for one in body["inputs"]]
        if names != ["text_a", "text_b"]:
            return 400, {"error": f"The inputs must be text_a and text_b. Received: {names[0]}"}
        return right(pod, path, body)

    fake.answers = pairs
    assert roll(cluster, serving()).answer.prediction == "good"


def test_an_api_server_that_is_away_for_a_moment_does_not_end_the_wait(
    cluster, fake, serving, monkeypatch
):
    from components.deploy import rollout
    from components.deploy.cluster import Unreachable

    real, left = rollout.look, [3]

    def flaky(*arguments):
        if len(fake.changes()) and left[0]:
            left[0] -= 1
            raise Unreachable("away", "wait")
        return real(*arguments)

    monkeypatch.setattr(rollout, "look", flaky)
    assert roll(cluster, serving()).ready == 2
    assert left == [0]


def test_an_unreachable_cluster_is_named(serving):
    from kubernetes import client

    given = client.Configuration(host="http://127.0.0.1:9")
    given.retries = False
    with pytest.raises(EnvironmentFault, match="does not answer"):
        roll(Cluster(client.ApiClient(given), "runs"), serving())


def test_no_wait_returns_when_the_cluster_has_taken_it(cluster, fake, serving):
    fake.behave[1] = NO_IMAGE
    done = roll(cluster, serving(), wait=False)
    assert done.answer is None and done.ready == 0
    assert fake.asked == []


def test_a_new_deployment_is_waited_for_until_the_autoscaler_has_raised_it(cluster, fake, serving):
    fake.replicas = 1

    def raise_it(line):
        if "1 of 1 ready" in line:
            fake.replicas = 3
            fake.touch("Deployment", "bertworks-mood", "runs")

    done = roll(cluster, serving(min_replicas=3), say=raise_it, seconds=5)
    assert done.ready == 3


def test_an_autoscaler_that_does_nothing_does_not_fail_the_rollout(
    cluster, fake, serving, monkeypatch
):
    from components.deploy import rollout

    defaults = {**rollout.wait.__kwdefaults__, "settle": 0.05}
    monkeypatch.setattr(rollout.wait, "__kwdefaults__", defaults)
    fake.replicas = 1
    assert roll(cluster, serving(min_replicas=3), seconds=5).ready == 1


def test_volumes_that_do_not_come_are_told_from_the_events(cluster, fake, serving):
    fake.behave[1] = waiting("ContainerCreating")
    roll(cluster, serving(), wait=False)
    pod = fake.all("Pod")[0]["metadata"]["name"]
    fake.add({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "FailedMount",
        "message": 'secret "aws" not found', "metadata": {"name": "e", "namespace": "runs"},
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": "runs"},
    })  # fmt: skip
    with pytest.raises(EnvironmentFault, match='the pod cannot start: FailedMount: secret "aws"'):
        roll(cluster, serving())
    fake.forbidden = {("list", "events")}
    with pytest.raises(EnvironmentFault, match="the time was up after"):
        roll(cluster, serving())


def test_what_was_applied_with_kubectl_is_adopted_and_gone_back_to(cluster, fake, serving):
    files = manifests.render(serving(1, name="sentiment", digest=""), "deployment", "runs")
    del files[0]["spec"]["template"]["metadata"]["labels"][manifests.ROLLOUT]
    fake.controllers.clear()
    fake.add(*files)
    fake.update("Deployment", "bertworks-sentiment", "runs", status={"availableReplicas": 2})
    found = present.find(cluster, "sentiment")
    assert found.history == [serving(1, name="sentiment", digest="")]
    with pytest.raises(EnvironmentFault, match="putting|was put back"):
        roll(cluster, serving(2, name="sentiment"), seconds=0.05)
    noted = fake.get("Deployment", "bertworks-sentiment")["metadata"]["labels"]
    assert noted["bertworks/version"] == "1"


@pytest.mark.parametrize("kind", ["deployment", "kserve"])
@pytest.mark.parametrize("store", ["/bertworks/models", "s3://models"])
def test_settings_are_read_back_from_the_objects(serving, kind, store):
    given = serving(7, store=store, claim=None if "://" in store else "disk", cpu="2", threads=2)
    assert manifests.read_back(manifests.render(given, kind, "runs")[0]) == given
    assert manifests.read_back({"spec": {"template": {"spec": {"containers": []}}}}) is None
