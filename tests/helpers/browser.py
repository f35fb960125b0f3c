"""Chromium without a window, spoken to in its own protocol (DevTools), without a driver.

Debian: apt-get install chromium. All that a page asks for, logs and is refused is noted.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars", "--mute-audio",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--password-store=basic",
    "--force-prefers-reduced-motion", "--lang=en",
)  # fmt: skip
SECONDS = 240.0
"""For anything; a busy machine takes its time."""


def executable() -> str | None:
    """Where Chromium is; None: it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Failed(AssertionError):
    """A script threw, or what was waited for has not come."""


class Tab:
    """A tab.

    Attributes:
        requests: Addresses that were asked for.
        logged: What was logged at level warning or above, and what the page's policy refused.
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=SECONDS)
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        self.logged: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Calls a method of the protocol and waits for its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._socket.recv())
            if said.get("id") == number:
                if "error" in said:
                    raise Failed(f"{method}: {said['error']}")
                return said["result"]
            self._note(said)

    def run(self, script: str) -> Any:
        """The value of an expression; what it promises is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise Failed(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Waits until an expression is true, by looking whenever the page was painted anew."""
        return self.run(
            f"""new Promise((done, failed) => {{
              const end = performance.now() + {1000 * SECONDS};
              const look = () => {{
                let found = null;
                try {{ found = {condition}; }} catch (error) {{ found = null; }}
                if (found) done(found);
                else if (performance.now() > end)
                  failed(new Error({json.dumps(condition)} + document.body.innerText.slice(0, 500)));
                else setTimeout(look, 50);
              }};
              look();
            }})"""
        )

    def open(self, address: str) -> None:
        """Goes to an address and waits until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({address!r})")

    def look(self, width: int, dark: bool, height: int = 900) -> None:
        """Makes the window so wide, and its user prefer light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def type(self, selector: str, text: str) -> None:
        """Types into a field, as a keyboard does."""
        self.run(f"document.querySelector({selector!r}).focus()")
        self.run(f"document.querySelector({selector!r}).select()")
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, modifiers: int = 0, text: str = "") -> None:
        """Presses a key."""
        more = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", **more)

    def choose_file(self, selector: str, file: Path) -> None:
        """Chooses a file in a field for files."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, file: Path, clip: dict[str, float] | None = None) -> None:
        """Writes a PNG of the window, or of a part of the page."""
        more = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        found = self.call("Page.captureScreenshot", format="png", **more)
        file.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Ends the conversation."""
        self._socket.close()

    def _note(self, said: dict[str, Any]) -> None:
        method, told = said.get("method"), said.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("warning", "error"):
            self.logged.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
        elif method == "Runtime.exceptionThrown":
            self.logged.append(json.dumps(told["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("warning", "error"):
            self.logged.append(json.dumps(told["args"])[:500])


@contextlib.contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a browser of its own, which has no past and leaves nothing."""
    program = executable()
    if program is None:
        raise Failed("There is no Chromium here.")
    with tempfile.TemporaryDirectory(
        prefix="bertworks-browser-", ignore_cleanup_errors=True
    ) as home:
        # Chromium ends with it all: of a group of its own, whatever it started.
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={home}/profile", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home},
        )  # fmt: skip
        try:
            opened = Tab(_address(Path(home) / "profile/DevToolsActivePort", process))
            yield opened
            opened.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(file: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the first tab is spoken to, once the browser has said so."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"Chromium ended with {process.returncode}.")
        with contextlib.suppress(OSError, ValueError, StopIteration, IndexError):
            port = int(file.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = json.load(answer)
            return str(next(one for one in pages if one["type"] == "page")["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise Failed("Chromium has not begun to listen.")
