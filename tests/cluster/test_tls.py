"""Authorities that Python 3.13's strict rules refuse, as many clusters have them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from fake_kfp import FakeKfp

from bertworks.errors import EnvironmentFault
from bertworks.tls import STRICT_ONLY
from components.deploy import cluster as deploying
from pipelines.cluster.kfp.connection import connect
from pipelines.cluster.kube import client as kube


def signed(folder: Path, name: str) -> tuple[str, str, str]:
    """(authority without keyUsage, a certificate that it signed, the certificate's key)."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    made = [str(folder / one) for one in ("ca.crt", "ca.key", "tls.crt", "tls.key")]
    ca, ca_key, crt, key = made
    subject = ["-x509", "-subj", "/CN=old authority", "-keyout", ca_key, "-out", ca]
    leaf = ["-subj", "/CN=server", "-addext", f"subjectAltName={name}", "-keyout", key, "-out", crt]
    # The authority's extensions without keyUsage, whatever the machine's openssl.cnf adds.
    config = folder / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name=d\nx509_extensions=v\n[d]\n[v]\n"
                      "basicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n")  # fmt: skip
    plain = folder / "leaf.cnf"
    plain.write_text("[req]\ndistinguished_name=d\nx509_extensions=v\n[d]\n[v]\n"
                     "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")  # fmt: skip
    for command in (
        ["openssl", "req", "-config", str(config), *new, *subject],
        [
            "openssl",
            "req",
            "-config",
            str(plain),
            *new,
            "-x509",
            "-CA",
            ca,
            "-CAkey",
            ca_key,
            *leaf,
        ],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return ca, crt, key


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 as it is under Python 3.13, whatever Python runs the test."""
    import urllib3.connection

    make = urllib3.connection.create_urllib3_context

    def made(*given: object, **options: object) -> ssl.SSLContext:
        context = make(*given, **options)  # type: ignore[arg-type]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", made)


@pytest.mark.usefixtures("strict")
def test_an_authority_without_key_usage_is_taken_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kubernetes import client, config

    ca, crt, key = signed(tmp_path, "IP:127.0.0.1")
    with FakeKfp(tls=(crt, key)) as server:
        monkeypatch.setenv("KFP_CA_FILE", ca)
        assert connect(server.url).host == server.url
        said = capsys.readouterr().err
        assert "not by the letter of RFC 5280 (key usage extension)" in said
        assert said.count("warning:") == 1

        def in_cluster(client_configuration: client.Configuration) -> None:
            client_configuration.host = server.url
            client_configuration.ssl_ca_cert = ca

        monkeypatch.setattr(config, "load_incluster_config", in_cluster)
        for api in (kube.api_client(), deploying.Cluster.from_pod()._api):
            answer = api.call_api("/apis/v1beta1/healthz", "GET", response_type="object")
            assert answer[0]["tag_name"] == "2.17.0"
            assert "of the Kubernetes API is not by the letter" in capsys.readouterr().err


@pytest.mark.usefixtures("strict")
def test_a_login_page_behind_such_an_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, crt, key = signed(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("KFP_CA_FILE", ca)
    monkeypatch.setenv("KFP_USERNAME", "user")
    monkeypatch.setenv("KFP_PASSWORD", "right")
    with FakeKfp(tls=(crt, key), dex=("user", "right")) as server:
        assert connect(server.url).host == server.url


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(("name", "own"), [("IP:127.0.0.1", False), ("DNS:elsewhere", True)])
def test_everything_else_is_still_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, own: bool,
) -> None:  # fmt: skip
    """Another's authority, another's name: refused, with advice that helps in a pod too."""
    from kubernetes import config

    ca, crt, key = signed(tmp_path, name)
    (tmp_path / "other").mkdir()
    trusted = ca if own else signed(tmp_path / "other", name)[0]
    with FakeKfp(tls=(crt, key)) as server:
        monkeypatch.setenv("KFP_CA_FILE", trusted)
        with pytest.raises(EnvironmentFault, match="certificate.*not trusted") as refused:
            connect(server.url)
        assert "a pod gets the file from a ConfigMap" in refused.value.fix

        def in_cluster(client_configuration: object) -> None:
            client_configuration.host = server.url  # type: ignore[attr-defined]
            client_configuration.ssl_ca_cert = trusted  # type: ignore[attr-defined]

        monkeypatch.setattr(config, "load_incluster_config", in_cluster)
        with pytest.raises(EnvironmentFault, match="certificate is not trusted") as refused:
            deploying.Cluster.from_pod().get("Pod", "x")
        assert "kube-root-ca.crt" in refused.value.fix
        with pytest.raises(EnvironmentFault) as seen:
            try:
                kube.api_client().call_api("/version", "GET", response_type="object")
            except Exception as error:
                raise kube.why(error) from None
        assert "not trusted" in seen.value.message and "kube-root-ca.crt" in seen.value.fix


@pytest.mark.parametrize(
    "said",
    [
        "CA cert does not include key usage extension",
        "Missing Authority Key Identifier",
        "Missing Subject Key Identifier",
        "Basic Constraints of CA cert not marked critical",
    ],
)
def test_what_openssl_says_of_strict_rules(said: str) -> None:
    assert STRICT_ONLY.search(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {said}")


@pytest.mark.parametrize(
    "said",
    ["self-signed certificate", "unable to get local issuer certificate", "certificate has expired",
     "IP address mismatch, certificate is not valid for '127.0.0.1'"],
)  # fmt: skip
def test_what_is_no_matter_of_strictness(said: str) -> None:
    assert not STRICT_ONLY.search(f"certificate verify failed: {said}")
