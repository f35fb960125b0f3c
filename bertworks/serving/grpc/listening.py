"""The gRPC server: messages bounded as HTTP bodies are, calls bounded as the line is."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from bertworks.serving.access.tls import Certificates
from bertworks.serving.assembly import Serving
from bertworks.serving.grpc.messages import SERVICE
from bertworks.serving.grpc.service import Service
from bertworks.serving.http.gate import Gate
from bertworks.spec.limits import Limits

METADATA_BYTES = 32 * 1024
MORE_CALLS = 16
"""Calls beside those that wait or are computed: for health, and to be told 429."""


def offer(serving: Serving, gate: Gate, host: str, port: int, grace: float) -> None:
    """Has the server offer gRPC as soon as it listens, and stop with it.

    Args:
        serving: What serves.
        gate: Its gate.
        host: Address to listen on.
        port: Port to listen on.
        grace: Seconds for open calls after the signal.
    """
    running: list[grpc.aio.Server] = []

    async def start() -> None:
        server = made(Service(serving, gate), serving.limits)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if serving.certificates is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials(serving.certificates))
        await server.start()
        running.append(server)

    async def stop() -> None:
        for server in running:
            await server.stop(grace)

    serving.started.append(start)
    serving.stopped.append(stop)


def credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials that have the certificate of the time at each handshake, as HTTP has it."""

    def renewed() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([certificates.key_and_certificate()])

    first = renewed()
    return grpc.dynamic_ssl_server_credentials(first, renewed, require_client_authentication=False)


def made(service: Service, limits: Limits) -> grpc.aio.Server:
    """A server with the protocol's methods; it listens nowhere yet.

    Args:
        service: What answers.
        limits: Of bodies, connections and the line.
    """
    calls = limits.waiting + (limits.running or 64) + MORE_CALLS
    server = grpc.aio.server(
        maximum_concurrent_rpcs=calls,
        options=[
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", METADATA_BYTES),
            ("grpc.max_concurrent_streams", calls),
            ("grpc.so_reuseport", 0),
            ("grpc.http2.max_ping_strikes", 2),
        ],
    )
    handlers: dict[str, Any] = {
        name: grpc.stream_unary_rpc_method_handler(method)
        for name, method in service.methods().items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return server
