"""Finding KFP, logging in, and what goes wrong on the way."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from fake_kfp import FakeKfp
from fake_pods import FakePods
from hypothesis import given
from hypothesis import strategies as st

from bertworks.errors import EnvironmentFault
from pipelines.cluster.kfp import faults, transport
from pipelines.cluster.kfp.connection import connect, normal_host
from pipelines.cluster.kfp.credentials import credentials_for


def test_single_user_runs_are_in_the_system_namespace(kfp: FakeKfp) -> None:
    connection = connect()
    assert (connection.host, connection.namespace) == (kfp.url, "kubeflow")
    assert (connection.multi_user, connection.scope) == (False, None)
    assert connection.run_link("r1") == f"{kfp.url}/#/runs/details/r1"
    assert connection.client.get_user_namespace() == ""
    assert connection.client.list_runs().runs is None


def test_links_where_the_api_has_no_pages(kfp: FakeKfp, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(kfp.url.rpartition(":")[2])
    monkeypatch.setattr("pipelines.cluster.kfp.connection.API_PORT", port)
    connection = connect()
    assert connection.run_link("r") == "http://localhost:8080/#/runs/details/r"
    assert "svc/ml-pipeline-ui" in connection.hint
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.com/pipeline/")
    connection = connect()
    assert connection.pipeline_link("p", "v") == (
        "https://kubeflow.example.com/pipeline/#/pipelines/details/p/version/v"
    )
    assert connection.hint == ""


def test_multi_user_needs_a_namespace() -> None:
    with FakeKfp(multi_user=True) as server:
        with pytest.raises(EnvironmentFault, match="multi-user.*\n.*--namespace"):
            connect(server.url)
        connection = connect(server.url, "team")
        assert (connection.namespace, connection.scope) == ("team", "team")
        assert connection.client.list_experiments().experiments is None
        assert server.requests[-1].query["namespace"] == "team"


def test_namespace_from_the_environment(kfp: FakeKfp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_NAMESPACE", "elsewhere")
    assert connect().namespace == "elsewhere"


def test_dashboard_address_leads_to_the_pipelines_below_it() -> None:
    with FakeKfp(prefix="/pipeline") as server:
        connection = connect(server.url.removesuffix("/pipeline"))
        assert connection.host == connection.ui == server.url


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page": "<html><title>Welcome to nginx</title>"}, "Welcome to nginx.*\n.*KFP_HOST"),
        ({"v1_only": True}, "v1 API only.*\n.*KFP 2"),
        ({"token": "secret"}, "401.*\n.*KFP_TOKEN"),
    ],
)
def test_what_is_not_kfp_is_named(options: dict, message: str) -> None:
    with FakeKfp(**options) as server, pytest.raises(EnvironmentFault, match=message) as error:
        connect(server.url)
    assert server.url in str(error.value)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BACKOFF", (0.01,))
    with FakeKfp() as server:
        url = server.url
    with pytest.raises(EnvironmentFault, match="refused.*\n.*port-forward") as error:
        connect(url)
    assert url in str(error.value) and error.value.exit_code == 7


def test_no_address_and_no_kubeconfig() -> None:
    with pytest.raises(EnvironmentFault, match="KFP_HOST is not set.*\n.*KUBECONFIG"):
        connect()


@pytest.mark.parametrize("target", [8888, "api"])
def test_port_forward_with_a_kubeconfig(target: int | str, kfp: FakeKfp, pods: FakePods) -> None:
    """The real client, its real websocket protocol, a pod that is replaced meanwhile."""
    pods.target = int(kfp.url.rpartition(":")[2])
    pods.add_service("ml-pipeline", "kubeflow", target)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KFP_HOST")
        connection = connect()
    try:
        assert connection.host.startswith("http://127.0.0.1:") and connection.host != kfp.url
        assert connection.namespace == "kubeflow"
        assert connection.ui == "http://localhost:8080"
        assert "port-forward -n kubeflow svc/ml-pipeline-ui 8080:80" in connection.hint
        pods.pods["ml-pipeline-2"] = pods.pods.pop("ml-pipeline-1")
        pods.pods["ml-pipeline-2"]["metadata"]["name"] = "ml-pipeline-2"
        connection.client._run_api.api_client.rest_client.pool_manager.clear()
        assert connection.client.list_runs().runs is None
        assert "ml-pipeline-2/portforward" in pods.paths[-1]
    finally:
        connection.close()
    with pytest.raises(EnvironmentFault, match="refused"):
        connection.client._run_api.api_client.rest_client.pool_manager.clear()
        connection.client.list_runs()


def test_port_forward_by_kubectl_where_the_websocket_is_refused(
    kfp: FakeKfp, pods: FakePods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in kubectl's place: how it is started, read, and started again."""
    pods.add_service("ml-pipeline", "kubeflow", 8888)
    pods.websockets = False
    monkeypatch.delenv("KFP_HOST")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="502.*port-forward: The Kubernetes API"):
        connect()
    log = tmp_path / "log"
    (tmp_path / "kubectl").write_text(
        f'#!/bin/sh\necho $$ "$@" >>{log}\n'
        f"echo 'Forwarding from 127.0.0.1:{kfp.url.rpartition(':')[2]} -> 8888'\n"
        "exec /bin/sleep 60\n"
    )
    (tmp_path / "kubectl").chmod(0o755)
    connection = connect()
    first, *arguments = log.read_text().split()
    assert arguments == [
        "port-forward", "--address=127.0.0.1", "--namespace=kubeflow", "service/ml-pipeline",
        ":8888",
    ]  # fmt: skip
    os.kill(int(first), 9)
    time.sleep(0.1)
    connection.client._run_api.api_client.rest_client.pool_manager.clear()
    assert connection.client.list_runs().runs is None
    assert len(log.read_text().splitlines()) == 2
    connection.close()
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho 'error: no such pod' >&2\nexit 1\n")
    with pytest.raises(EnvironmentFault, match="502.*kubectl port-forward failed.*no such pod"):
        connect()


def test_port_forward_whose_websocket_leads_nowhere(
    kfp: FakeKfp, pods: FakePods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods.add_service("ml-pipeline", "kubeflow", 8888)
    pods.target = 1  # nobody listens there
    monkeypatch.delenv("KFP_HOST")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "kubectl").write_text(
        f"#!/bin/sh\necho 'Forwarding from 127.0.0.1:{kfp.url.rpartition(':')[2]} -> 8888'\n"
        "exec /bin/sleep 60\n"
    )
    (tmp_path / "kubectl").chmod(0o755)
    connection = connect()
    assert pods.forwards == 1 and connection.client.list_runs().runs is None
    connection.close()


def test_inside_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's own service, the mounted token for it alone, the pod's namespace."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text("kubernetes")
    (account / "namespace").write_text("team")
    mounted = tmp_path / "pipelines-token"
    mounted.write_text("for-kfp")
    monkeypatch.setattr(transport, "BACKOFF", ())
    monkeypatch.setattr("pipelines.cluster.kfp.connection.POD", account)
    monkeypatch.setattr("pipelines.cluster.kfp.credentials.POD_TOKEN", mounted)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(EnvironmentFault, match="ml-pipeline.kubeflow.svc.cluster.local:8888"):
        connect()
    inside = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
    token = credentials_for(inside, {}, in_cluster=True, verify=True)
    assert token.headers() == {"authorization": "Bearer for-kfp"}
    mounted.write_text("renewed")
    assert token.headers() == {"authorization": "Bearer renewed"}
    with FakeKfp(multi_user=True) as server:
        # Another host gets no token, though the namespace is the pod's.
        connection = connect(server.url)
        assert connection.namespace == "team"
        assert not any("authorization" in request.headers for request in server.requests)


def test_credentials_over_plain_http(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"KFP_TOKEN": "private"}
    for host, warned in (
        ("http://k.example.com", True),
        ("https://k.example.com", False),
        ("http://127.0.0.1:8080", False),
    ):
        credentials_for(host, given, in_cluster=False, verify=True)
        said = capsys.readouterr().err
        assert ("unencrypted" in said) == warned and "private" not in said


def test_port_forward_that_cannot_be(pods: FakePods) -> None:
    with pytest.raises(EnvironmentFault, match="no service ml-pipeline in team or kubeflow"):
        connect(namespace="team")
    pods.add_service("ml-pipeline", "kubeflow", 8888)
    pods.pods["ml-pipeline-1"]["status"]["conditions"][0]["status"] = "False"
    with pytest.raises(EnvironmentFault, match="No pod of the service ml-pipeline.*is ready"):
        connect()
    pods.refuse = 403
    with pytest.raises(EnvironmentFault, match="403.*forbidden"):
        connect()


def test_token_and_token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeKfp(token="secret") as server:
        monkeypatch.setenv("KFP_TOKEN", "secret")
        assert connect(server.url).client.list_runs().runs is None
        monkeypatch.delenv("KFP_TOKEN")
        file = tmp_path / "token"
        file.write_text("secret\n")
        monkeypatch.setenv("KFP_TOKEN_FILE", str(file))
        connection = connect(server.url)
        # The kubelet renews such files: the next request takes what is there then.
        server.token = "renewed"
        file.write_text("renewed")
        assert connection.client.list_runs().runs is None


def test_no_secret_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeKfp(token="right") as server:
        monkeypatch.setenv("KFP_TOKEN", "wrong-and-private")
        with pytest.raises(EnvironmentFault, match="expired") as error:
            connect(server.url)
    assert "private" not in str(error.value)


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak"])
def test_what_is_no_token(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(value)
    monkeypatch.setenv("KFP_TOKEN_FILE", str(file))
    with pytest.raises(EnvironmentFault, match="no bearer token"):
        connect("http://127.0.0.1:1")


@pytest.mark.parametrize("proxy", [False, True])
def test_dex_login(proxy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_USERNAME", "user@example.com")
    monkeypatch.setenv("KFP_PASSWORD", "12341234")
    with FakeKfp(
        multi_user=True, dex=("user@example.com", "12341234"), proxy=proxy, prefix="/pipeline"
    ) as server:
        connection = connect(server.url, "team")
        assert connection.client.list_runs().runs is None
        # The session ends while a run is watched: logged in again, nobody notices.
        server.sessions.clear()
        assert connection.client.list_runs().runs is None
        assert len(server.sessions) == 1


def test_dex_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_USERNAME", "user")
    monkeypatch.setenv("KFP_PASSWORD", "wrong-and-private")
    with FakeKfp(dex=("user", "right")) as server:
        with pytest.raises(EnvironmentFault, match="not accepted.*\n.*KFP_PASSWORD") as error:
            connect(server.url)
        assert "private" not in str(error.value)
        monkeypatch.delenv("KFP_PASSWORD")
        with pytest.raises(EnvironmentFault, match="KFP_PASSWORD is not set"):
            connect(server.url)
        monkeypatch.delenv("KFP_USERNAME")
        with pytest.raises(EnvironmentFault, match="login page"):
            connect(server.url)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that no authority signed."""
    folder = tmp_path_factory.mktemp("tls")
    crt, key = str(folder / "tls.crt"), str(folder / "tls.key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=kfp", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *names, "-keyout", key, "-out", crt], check=True, capture_output=True
    )
    return crt, key


def test_certificates(
    certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with FakeKfp(tls=certificate) as server:
        with pytest.raises(EnvironmentFault, match="certificate.*not trusted.*\n.*KFP_CA_FILE"):
            connect(server.url)
        assert connect(server.url, insecure=True).host == server.url
        assert "NOT verified" in capsys.readouterr().err
        monkeypatch.setenv("KFP_CA_FILE", certificate[0])
        assert connect(server.url).host == server.url
        assert capsys.readouterr().err == ""
        monkeypatch.setenv("KFP_CA_FILE", certificate[1])
        with pytest.raises(EnvironmentFault, match="CA file"):
            connect(server.url)


def test_https_to_a_plain_server(kfp: FakeKfp) -> None:
    with pytest.raises(EnvironmentFault, match="does not speak TLS.*\n.*http://"):
        connect(kfp.url.replace("http://", "https://"))


def test_reads_are_tried_again_and_writes_are_not(kfp: FakeKfp) -> None:
    connection = connect()
    kfp.fault("GET", "/runs", status=503, times=2)
    kfp.fault("GET", "/experiments", drop=True)
    assert connection.client.list_runs().runs is None
    assert connection.client.list_experiments().experiments
    kfp.fault("POST", "/experiments", status=503)
    with pytest.raises(faults.Answer) as answer:
        connection.client.create_experiment("topics")
    assert answer.value.status == 503 and answer.value.passing
    kfp.fault("POST", "/experiments", drop=True)
    with pytest.raises(faults.Unreachable):
        connection.client.create_experiment("topics")
    assert len(kfp.calls("experiment_service_create_experiment")) == 0


def test_a_slow_server_is_given_up(kfp: FakeKfp, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect()
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    kfp.fault("GET", "/runs", slow=0.5, times=9)
    with pytest.raises(EnvironmentFault, match="did not answer in time"):
        connection.client.list_runs()


def test_wrong_requests_are_refused_by_the_stand_in(kfp: FakeKfp) -> None:
    """The stand-in itself: what the real server would refuse must not pass here."""
    client = connect().client
    api = client._run_api.api_client
    wrong = [
        ("POST", "/runs", {"display_name": "x", "colour": "red"}, "unknown field 'colour'"),
        ("POST", "/runs", {"display_name": 7}, "7 is no str"),
        ("POST", "/runs", {"display_name": "x", "state": "DONE"}, "not one of"),
        ("POST", "/runs", {"display_name": "x"}, "Exactly one"),
        ("POST", "/recurringruns", {"mode": "ON"}, "not one of"),
        ("POST", "/pipelines", {"display_name": ""}, "name is required"),
        ("GET", "/runs?colour=red", None, "unknown query"),
        ("GET", "/runs?sort_by=colour", None, "sort_by"),
        ("GET", "/runs?filter=red", None, "filter"),
        ("GET", "/runs?page_token=red", None, "token"),
    ]
    for method, path, body, message in wrong:
        with pytest.raises(faults.Answer, match=message) as error:
            api.call_api(
                f"/apis/v2beta1{path}",
                method,
                body=body,
                header_params={"Content-Type": "application/json"},
                response_type="object",
            )
        assert error.value.status == 400
    assert len(kfp.refused) == len(wrong)
    for path in ("/runs/none", "/pipelines/names/none", "/nowhere"):
        with pytest.raises(faults.Answer) as error:
            api.call_api(f"/apis/v2beta1{path}", "GET", response_type="object")
        assert error.value.status == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("localhost:8888", "http://localhost:8888"),
        ("127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("ml-pipeline.kubeflow:8888", "http://ml-pipeline.kubeflow:8888"),
        ("kfp.team.svc.cluster.local", "http://kfp.team.svc.cluster.local"),
        ("kubeflow.example.com/pipeline", "https://kubeflow.example.com/pipeline"),
        ("https://k.example.com/_/pipeline/#/runs?x=1", "https://k.example.com/pipeline"),
        ("http://k.example.com/apis/v2beta1", "http://k.example.com"),
    ],
)
def test_addresses_as_people_paste_them(given: str, expected: str) -> None:
    assert normal_host(given) == expected
    assert normal_host(expected) == expected


@pytest.mark.parametrize("given", ["ftp://k", "https://", "http://k:port", "https://k:0x1", "::"])
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(EnvironmentFault, match="http"):
        normal_host(given)


def test_no_password_in_addresses() -> None:
    with pytest.raises(EnvironmentFault) as error:
        normal_host("https://me:private@k")
    assert "private" not in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_fault(text: str) -> None:
    try:
        found = normal_host(text)
    except EnvironmentFault:
        return
    assert found.startswith(("http://", "https://")) and normal_host(found) == found
