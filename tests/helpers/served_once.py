"""Starts `bertworks serve`, asks it one question, and stops it; fails where any of that does.

    python served_once.py BUNDLE PORT

Standard library only: it runs in containers.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

QUESTION = json.dumps({"instances": ["good film"]}).encode()


def ask(port: str) -> None:
    """Until the server answers; each refusal is given the time that a start takes."""
    url = f"http://127.0.0.1:{port}/v1/models/agent:predict"
    for attempt in range(600):
        try:
            urllib.request.urlopen(urllib.request.Request(url, QUESTION), timeout=60).read()
            return
        except ConnectionError:
            time.sleep(0.2)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError) or attempt == 599:
                raise
            time.sleep(0.2)


def main(bundle: str, port: str) -> int:
    command = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "serve",
        "--agent",
        bundle,
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    with subprocess.Popen(command, env={**os.environ}) as server:
        try:
            ask(port)
        finally:
            server.terminate()
    return server.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
