"""Runs a command and tells which host names it, or a library under it, asked for.

    python name_lookups.py COMMAND...

For a network namespace of its own whose resolv.conf names 127.0.0.1: listens there on port 53 and knows
no name, so that native code is seen too. The last line of stdout is a JSON list of the names. Standard
library only: it runs in containers.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading


def loopback_up() -> None:
    """A new namespace's loopback is down; a container's is up and may not be changed."""
    with socket.socket() as one:
        request = bytearray(struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(one, 0x8913, request)  # SIOCGIFFLAGS
        (flags,) = struct.unpack_from("H", request, 16)
        if not flags & 1:
            fcntl.ioctl(one, 0x8914, struct.pack("16sH14x", b"lo", flags | 1))  # SIOCSIFFLAGS


def name_in(question: bytes) -> str:
    """The name that a DNS query asks for."""
    labels, at = [], 12
    while at < len(question) and (length := question[at]):
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels)


def main(command: list[str]) -> int:
    loopback_up()
    asked: list[str] = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve() -> None:
        while True:
            question, sender = server.recvfrom(4096)
            asked.append(name_in(question))
            # The same question, as an answer (QR) that there is no such name (RCODE 3).
            server.sendto(
                question[:2] + b"\x81\x83" + question[4:6] + b"\0" * 6 + question[12:], sender
            )

    threading.Thread(target=serve, daemon=True).start()
    code = subprocess.run(command, check=False).returncode
    print(f"\n{json.dumps(asked)}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
