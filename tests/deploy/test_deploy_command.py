"""`bertworks deploy`, against an API server over loopback and real model stores."""

import contextlib
import io
import shutil

import kubernetes_validate
import pytest
import yaml
from kept import PASSED, REFUSED, keep
from rollout_cluster import CRASHING, UNSCHEDULABLE, RolloutCluster, waiting
from typer.testing import CliRunner

from bertworks.errors import ArtifactError, EnvironmentFault, GateRefused, SpecError
from bertworks.serving import facts
from components.deploy import lookup, rollout
from pipelines.cli.main import app

SPEC = """
name: mood
data: {sources: [{uri: a.csv}]}
serve: {deploy: {kind: deployment, timeout_minutes: 1}}
"""


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "mood.yaml"
    file.write_text(SPEC)
    return str(file)


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory):
    """Version 1 passed, version 2 was refused, version 3 passed and is the champion."""
    folder = tmp_path_factory.mktemp("kept")
    keep(folder / "models", folder, decisions=(PASSED, REFUSED, PASSED))
    return folder / "models"


@pytest.fixture
def volume(kept_once, tmp_path):
    return shutil.copytree(kept_once, tmp_path / "volume")


@pytest.fixture
def fake(volume, tmp_path, monkeypatch):
    """A cluster whose pods see the volume; the pod that looks a version up runs the real code."""

    def run_lookup(cluster, one):
        labels = one["metadata"].get("labels", {})
        if one["kind"] != "Pod" or labels.get("app.kubernetes.io/component") != "lookup":
            return
        kubernetes_validate.validate(one, "1.36", strict=True)
        (container,) = one["spec"]["containers"]
        assert container["command"] == ["python", "-m", "bertworks.serving.facts"]
        store, *rest = container["args"]
        assert store == "/bertworks/models"
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = facts.main([str(volume), *rest])
        cluster.lookups[one["metadata"]["name"]] = said.getvalue()
        # The container's end shows before the pod's phase.
        reason = {"exitCode": code, "reason": "Error" if code else "Completed"}
        container = {"name": "lookup", "image": "i", "imageID": "", "ready": False,
                     "restartCount": 0, "state": {"terminated": reason}}  # fmt: skip
        status = {"phase": "Running", "containerStatuses": [container]}
        cluster.update("Pod", one["metadata"]["name"], "kubeflow", status=status)

    class Cluster(RolloutCluster):
        lookups: dict = {}  # noqa: RUF012

        def answer(self, request):
            name = request.path.split("/")[-2]
            if request.path.endswith("/log") and name in self.lookups:
                return 200, self.lookups[name].encode()
            return super().answer(request)

    with Cluster() as cluster:
        cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}})
        cluster.controllers.append(run_lookup)
        cluster.lookup = run_lookup
        use(monkeypatch, cluster.kubeconfig(tmp_path))
        monkeypatch.delenv("KFP_NAMESPACE", raising=False)
        monkeypatch.setattr(lookup.version_in_cluster, "__kwdefaults__",
                            {**lookup.version_in_cluster.__kwdefaults__, "poll": 0.01})  # fmt: skip
        yield cluster


def use(monkeypatch, kubeconfig):
    """The client reads KUBECONFIG once, when it is imported."""
    from kubernetes.config import kube_config

    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)


def call(*arguments):
    """The command's outcome; an error of ours is raised as `main` would catch it."""
    done = CliRunner().invoke(app, ["deploy", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def digest_of(volume, number):
    return facts.facts(str(volume), "mood", number)["digest"]


def test_the_champion_on_a_volume_that_only_pods_see_is_served(fake, volume, spec):
    done = call(spec)
    assert done.exit_code == 0
    assert "mood/3 serves in namespace kubeflow: 2 ready" in done.stdout
    assert "asked, it answers: good" in done.stdout
    assert "looking the champion of mood up on the volume bertworks" in done.stderr
    assert "waits" not in done.stderr and "ended" not in done.stderr
    args = fake.get("Deployment", "bertworks-mood")["spec"]["template"]["spec"]["containers"][0][
        "args"
    ]
    assert f"--digest={digest_of(volume, 3)}" in args
    assert [pod for pod in fake.all("Pod") if "lookup" in pod["metadata"]["name"]] == []


def test_a_version_status_and_rollback_by_the_agents_name(fake, volume, spec):
    call(spec)
    done = call("mood", "--version", "1")
    assert "mood/1 serves" in done.stdout and "before: version 3" in done.stdout
    shown = call("mood", "--status")
    assert "mood/1 serves: Deployment in namespace kubeflow, 2 of 2 ready" in shown.stdout
    assert "versions so far: 3, 1" in shown.stdout
    assert "mood/3 serves" in call("mood", "--rollback").stdout
    assert "versions so far: 3" in call("mood", "--status").stdout


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        ("2", GateRefused, "version 2 was refused by its gates: accuracy 0.1 < 0.8"),
        ("9", ArtifactError, "has no version 9 of mood"),
    ],
)
def test_versions_that_may_not_serve_are_refused(fake, spec, version, error, message):
    with pytest.raises(error, match=message):
        call(spec, "--version", version)
    assert fake.all("Deployment") == []
    assert fake.all("Pod") == []


def test_a_damaged_version_is_refused(fake, volume, spec):
    file = volume / "mood/versions/3/bundle/model.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="is damaged"):
        call(spec)
    assert fake.all("Deployment") == []


def test_a_bucket_is_read_here(fake, volume, spec, tmp_path):
    import fsspec

    fsspec.filesystem("memory").put(str(volume) + "/", "memory://deploy/models/", recursive=True)
    done = call(spec, "--store", "memory://deploy/models")
    assert "mood/3 serves" in done.stdout
    pod = fake.get("Deployment", "bertworks-mood")["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["volumes"]] == ["tmp", "keys"]
    assert "--store=memory://deploy/models" in pod["containers"][0]["args"]
    with pytest.raises(GateRefused):
        call(spec, "--store", "memory://deploy/models", "--version", "2")


def test_not_ready_and_rolled_back_ends_with_7(fake, spec):
    call(spec, "--version", "1")
    fake.behave[3] = CRASHING
    with pytest.raises(EnvironmentFault, match="mood/1 serves again") as caught:
        call(spec)
    assert caught.value.exit_code == 7


def test_status_of_what_does_not_serve(fake, spec):
    with pytest.raises(EnvironmentFault, match="mood is not deployed in namespace kubeflow"):
        call("mood", "--status")
    fake.behave[3] = UNSCHEDULABLE
    call(spec, "--no-wait")
    done = call("mood", "--status")
    assert done.exit_code == 7
    assert "mood/3 does not serve yet" in done.stdout
    assert "problem: no node takes the pod: 0/3 nodes are available" in done.stdout


def test_dry_run_prints_what_would_be_applied_and_changes_nothing(fake, spec):
    call(spec, "--version", "1")
    before = len(fake.requests)
    done = call(spec, "--version", "3", "--dry-run", "--set", "serve.deploy.memory=2Gi")
    objects = list(yaml.safe_load_all(done.stdout))
    for one in objects:
        kubernetes_validate.validate(one, "1.36", strict=True)
    assert objects[0]["kind"] == "Deployment"
    assert '"version":1' in objects[0]["metadata"]["annotations"]["bertworks/storage/history"]
    limits = objects[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "1", "memory": "2Gi"}
    assert {one.method for one in fake.requests[before:]} == {"GET"}


def test_dry_run_without_a_cluster(spec, tmp_path, monkeypatch):
    use(monkeypatch, str(tmp_path / "none"))
    done = call(spec, "--version", "3", "--dry-run", "--namespace", "mine")
    assert {one["metadata"]["namespace"] for one in yaml.safe_load_all(done.stdout)} == {"mine"}
    assert "without the cluster's state" in done.stderr
    with pytest.raises(SpecError, match="nobody here can see which version is the champion"):
        call(spec, "--dry-run")
    with pytest.raises(EnvironmentFault, match="No cluster is configured"):
        call(spec, "--version", "3")


def test_a_store_that_pods_cannot_see_is_refused(fake, spec):
    with pytest.raises(SpecError, match="is not on the volume"):
        call(spec, "--store", ".bertworks/models")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mood", "--status", "--rollback"], "exclude each other"),
        (["mood", "--status", "--version", "1"], "neither with --status nor"),
        (["mood", "--set", "serve.port=1"], "need a spec"),
        (["mood", "--version", "1"], "mood is not deployed"),
        (["mood", "--dry-run"], "needs the spec"),
    ],
)
def test_options_that_do_not_fit(fake, arguments, message):
    with pytest.raises((EnvironmentFault, SpecError), match=message):
        call(*arguments)


def test_a_lookup_that_cannot_run_says_why_and_leaves_no_pod(fake, spec, monkeypatch):
    def stuck(cluster, one):
        if one["kind"] == "Pod":
            cluster.update("Pod", one["metadata"]["name"], "kubeflow", status=UNSCHEDULABLE)

    fake.controllers.remove(fake.lookup)
    fake.controllers.append(stuck)
    monkeypatch.setattr(lookup.version_in_cluster, "__kwdefaults__",
                        {**lookup.version_in_cluster.__kwdefaults__, "seconds": 0.2})  # fmt: skip
    with pytest.raises(EnvironmentFault, match="gave no answer: no node takes the pod"):
        call(spec)
    assert fake.all("Pod") == []


def test_a_lookup_waits_as_long_as_the_timeout_says_and_says_each_thing_once(
    fake, spec, monkeypatch
):
    """A pod that waits for this and then for that, by turns."""
    looks = []
    waits = ({"phase": "Pending"}, UNSCHEDULABLE, waiting("ImagePullBackOff", "x"))

    def made(cluster, one):
        if one["kind"] == "Pod":
            looks.append(one["spec"]["activeDeadlineSeconds"])

    class Clock:  # four minutes a look
        now = 0.0

        def monotonic(self):
            return self.now

        def sleep(self, _):
            self.now += 240.0
            (pod,) = fake.all("Pod")
            status = waits[int(self.now / 240) % 3]
            fake.update("Pod", pod["metadata"]["name"], "kubeflow", status=status)

    fake.controllers.remove(fake.lookup)
    fake.controllers.append(made)
    monkeypatch.setattr(lookup, "time", Clock())
    said = []
    monkeypatch.setattr("typer.echo", lambda line, **_: said.append(line))
    with pytest.raises(EnvironmentFault, match=r"gave no answer: .*waited 3600 s: --timeout"):
        call(spec, "--timeout", "60")
    assert set(looks) == {3600}
    told = [line for line in said if "waits" in line]
    assert len(told) == len(set(told)) == 2


def test_a_lookup_by_an_image_of_another_version_says_so(fake, spec):
    fake.controllers.remove(fake.lookup)

    def old_image(cluster, one):
        if one["kind"] == "Pod":
            cluster.lookups[one["metadata"]["name"]] = "No module named bertworks.serving.facts"
            cluster.update("Pod", one["metadata"]["name"], "kubeflow", status={"phase": "Failed"})

    fake.controllers.append(old_image)
    with pytest.raises(EnvironmentFault, match=r"ended with: .*No module named"):
        call(spec)


def test_an_interrupted_wait_says_what_goes_on(fake, spec, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(rollout, "wait", interrupted)
    with pytest.raises(EnvironmentFault, match="Interrupted. What was applied goes on"):
        call(spec)


def test_namespaces_by_option_spec_and_environment(fake, spec, monkeypatch, tmp_path):
    def shown(*arguments):
        done = call(spec, "--version", "3", "--dry-run", *arguments)
        return next(yaml.safe_load_all(done.stdout))["metadata"]["namespace"]

    assert shown() == "kubeflow"
    monkeypatch.setenv("KFP_NAMESPACE", "team")
    assert shown() == "team"
    assert shown("--set", "serve.deploy.namespace=spec") == "spec"
    assert shown("--set", "serve.deploy.namespace=spec", "--namespace", "option") == "option"
