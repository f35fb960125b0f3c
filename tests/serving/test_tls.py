"""TLS: the version, and certificates that change while the server runs."""

import os
import ssl

import pytest
from certificates import write_certificate
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bertworks.errors import EnvironmentFault
from bertworks.serving.access.tls import Certificates


def handshake(server, client):
    """Shakes hands in memory; returns the certificate that the server showed, and the version."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = [False, False]
    while not all(done):
        for place, end in enumerate(ends):
            try:
                end.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert(True), ends[0].version()


def client_of(*certificates, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for certificate in certificates:
        context.load_verify_locations(certificate)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def shown(file):
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_a_renewed_certificate_is_shown_to_the_next_client(tmp_path):
    certificate, key = write_certificate(tmp_path)
    told = []
    server = Certificates(certificate, key, told.append)
    first = shown(certificate)
    assert handshake(server.context, client_of(certificate))[0] == first
    new, new_key = write_certificate(tmp_path, "new")
    trusted = client_of(new, tmp_path / "server.pem")
    os.replace(new, certificate)  # between the two renames they do not fit together
    assert handshake(server.context, trusted)[0] == first
    assert len(told) == 1 and "stays" in told[0]
    os.replace(new_key, key)
    assert handshake(server.context, trusted)[0] == shown(certificate) != first
    assert len(told) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(tmp_path, version):
    certificate, key = write_certificate(tmp_path)
    server = Certificates(certificate, key)
    client = client_of(certificate, version=version)
    assert handshake(server.context, client)[1] == version.name.replace("v1_", "v1.")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions_that_are_not(tmp_path, version):
    certificate, key = write_certificate(tmp_path)
    client = client_of(certificate, version=version)
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        handshake(Certificates(certificate, key).context, client)


def test_what_does_not_fit_together_is_told_at_the_start(tmp_path):
    certificate, key = write_certificate(tmp_path)
    _, other = write_certificate(tmp_path, "other")
    for pair in ((certificate, other), (key, key), (certificate, tmp_path / "none")):
        with pytest.raises(EnvironmentFault, match="no certificate and key"):
            Certificates(*pair)
    locked = load_pem_private_key(key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    key.write_bytes(locked)
    with pytest.raises(EnvironmentFault, match="no certificate and key"):
        Certificates(certificate, key)
