"""A secret that fetching needs is in no file and no line that a run leaves: all of them are searched."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_agent import SPEC

TOKEN = "w3b-t0ken-Qx7"
QUERY = f"/private-{TOKEN}/rows.csv?token={TOKEN}"
# Of one class alone: validate stops the run, after ingest has fetched and everything was recorded.
ROWS = "text,label\n" + "".join(f"a fine film number {number},good\n" for number in range(80))


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        if self._head():
            self.wfile.write(ROWS.encode())

    def _head(self) -> bool:
        known = self.path == QUERY
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(ROWS) if known else 0))
        self.end_headers()
        return known

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("token", [TOKEN, f"{TOKEN}-wrong"])
def test_a_run_leaves_no_trace_of_it(
    bertworks: Callable[..., subprocess.CompletedProcess[str]],
    site: str,
    tmp_path: Path,
    token: str,
) -> None:
    uri = site + QUERY.replace(TOKEN, "${WEB_TOKEN}")
    spec = SPEC.replace("uri: rows.csv", f'uri: "{uri}"')
    assert uri in spec
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
    kept = {"WEB_TOKEN": token, "BERTWORKS_DOWNLOADS": str(tmp_path / "downloads")}
    done = bertworks("run", "spec.yaml", cwd=tmp_path, environment=kept)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "fix:" in said
    assert ("single_class" if token == TOKEN else "There is no file") in said, said
    left = [file for file in tmp_path.rglob("*") if file.is_file()]
    if token == TOKEN:
        assert {"run.json", "events.jsonl"} <= {file.name for file in left}
    assert not [file for file in left if token.encode() in file.read_bytes()]
    assert token not in said
    compiled = bertworks("compile", "spec.yaml", cwd=tmp_path, environment=kept)
    assert token not in compiled.stdout + compiled.stderr
