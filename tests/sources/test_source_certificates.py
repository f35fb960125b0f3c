"""A package index behind a company's own certificate: refused, and trusted by each setting."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bertworks.data.sources.fetch import fetch
from bertworks.errors import SourceError


def made(subject: str, issuer=None):
    """A key and a certificate; an authority (without a key usage, as many are) where no issuer is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[1].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    )
    if issuer:
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())


@pytest.fixture
def bundle(registry, unset, make, tmp_path, monkeypatch) -> Path:
    """The authority's certificate; the registry speaks TLS with one that it signed."""
    authority = made("an authority")
    key, certificate = made("an index", authority)
    pem = serialization.Encoding.PEM
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    (tmp_path / "ca.pem").write_bytes(authority[1].public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "key.pem")
    registry.server.socket = context.wrap_socket(registry.server.socket, server_side=True)
    registry.simple("tinydata", make.wheel(tmp_path / "made", {"rows.csv": b"x"}))
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{registry.host}/simple")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return tmp_path / "ca.pem"


def read() -> bytes:
    with fetch("pypi://tinydata==1.0/tinydata/rows.csv", None, Path()) as files:
        return files[0].path.read_bytes()


def test_an_unknown_authority_is_refused_with_the_setting_that_names_it(bundle):
    with pytest.raises(SourceError, match="certificate or TLS is not accepted") as caught:
        read()
    assert "PIP_CERT" in caught.value.fix


@pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_each_variable_that_names_certificates_is_heard(bundle, monkeypatch, name):
    monkeypatch.setenv(name, str(bundle))
    assert read() == b"x"


def test_a_trusted_host_is_not_checked_and_no_other_is_trusted_by_it(bundle, registry, monkeypatch):
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.2")
    with pytest.raises(SourceError, match="not accepted"):
        read()
    monkeypatch.setenv("PIP_TRUSTED_HOST", registry.host)
    assert read() == b"x"


def test_certificates_that_are_not_there_are_named(bundle, monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/nonexistent/ca.pem")
    with pytest.raises(SourceError, match="/nonexistent/ca.pem"):
        read()
