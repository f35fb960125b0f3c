"""Stands for Python where a test starts a command: hands it to the process that has all imported.

`warm_python.executable` writes this text with its constants filled in. It imports next to nothing, and
its process stands for the command's: same streams, exit code and signals, and the command ends with it.
What would find the project in another folder, or asks for more of Python, runs in one of its own.
"""

import json
import os
import signal
import socket
import struct
import sys

ADDRESS, PYTHON, REPOSITORY = "", "", ""
STATUS = struct.Struct("i")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Runs `sys.argv[1:]`, the arguments for a Python, and ends as the command does."""
    arguments = sys.argv[1:]
    status = hand_over(arguments) if is_ours(arguments) else None
    if status is None:
        os.execv(PYTHON, [PYTHON, *arguments])
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def is_ours(arguments: list[str]) -> bool:
    """Whether it is a module of the project or a program, and finds the repository's modules alone."""
    folders = set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if not folders <= {"", REPOSITORY}:
        return False
    if arguments[:1] == ["-m"]:
        return arguments[1].startswith("pipelines.")
    return arguments[:1] != [] and arguments[0].endswith(".py")


def hand_over(arguments: list[str]) -> int | None:
    """Lets the warm process run the command, and waits for its end.

    Returns:
        As `subprocess.Popen.returncode`; None when nobody took the command.
    """
    opened = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    descriptors = sorted(one for one in opened if is_passed_on(one))
    request = json.dumps(
        {
            "arguments": arguments,
            "descriptors": descriptors,
            "environment": dict(os.environ),
            "executable": sys.argv[0],
            "folder": os.getcwd(),  # noqa: PTH109
        }
    ).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(ADDRESS)
            socket.send_fds(connection, [b"-"], descriptors)
            connection.sendall(STATUS.pack(len(request)) + request)
        except OSError:
            return None if not told() else fail(told())
        for number in FORWARDED:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda got, frame: connection.sendall(bytes([got])))
        try:
            answer = connection.recv(STATUS.size, socket.MSG_WAITALL)
        except ConnectionResetError:
            fail(told() or "without a word")
    return int(STATUS.unpack(answer)[0]) if len(answer) == STATUS.size else 1


def told() -> str:
    """What the warm process said before it ended, where it ended by an error of its own."""
    try:
        with open(os.path.join(os.path.dirname(ADDRESS), "log"), errors="replace") as log:  # noqa: PTH118, PTH120
            lines = log.read().strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines and "Error" in lines[-1] else ""


def fail(why: str) -> "NoReturn":  # noqa: F821
    """Ends with the reason, as a command of a damaged environment would."""
    sys.stderr.write(f"the tests' warm Python ended: {why}\n")
    sys.exit(1)


def is_passed_on(descriptor: int) -> bool:
    """Whether it was open when this program began: what Python opens is closed in other programs."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


if __name__ == "__main__":
    main()
