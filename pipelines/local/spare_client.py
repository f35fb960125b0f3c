"""Stands for Python in the commands of KFP's runner: hands a step to the process that waits for it.

Started as a script, and imports next to nothing, so that it costs some hundredths of a second. Where no
process waits, it turns into the command as it stands.
"""

from __future__ import annotations

import json
import os
import socket
import sys

ADDRESS = "BERTWORKS_SPARE"
EXECUTOR = "kfp.dsl.executor_main"
ACCEPTED = b"a"


def main() -> None:
    """Runs `sys.argv[1:]`, the arguments for a Python, and ends with its exit code."""
    address = os.environ.pop(ADDRESS, "")
    arguments = sys.argv[1:]
    if address and arguments[:2] == ["-m", EXECUTOR]:
        code = hand_over(address, arguments[2:])
        if code is not None:
            sys.exit(code)
    os.execv(sys.executable, [sys.executable, *arguments])


def hand_over(address: str, arguments: list[str]) -> int | None:
    """Lets the process at `address` run the step, and waits for its end.

    Returns:
        The exit code, 1 when the process ended without giving one; None when it did not take the step.
    """
    request = {"arguments": arguments, "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [b"-"], [1, 2])
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1) != ACCEPTED:
                return None
        except OSError:
            return None
        try:
            code = connection.recv(1)
        except OSError:
            code = b""
    return code[0] if code else 1


if __name__ == "__main__":
    main()
