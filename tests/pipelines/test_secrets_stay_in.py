"""A secret that fetching needs is in no file and no line that a run leaves: all of them are searched."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_agent import SPEC
from web_site import Site

TOKEN = "w3b-t0ken-Qx7"
QUERY = f"/private-{TOKEN}/rows.csv?token={TOKEN}"
# Of one class alone: validate stops the run, after ingest has fetched and everything was recorded.
ROWS = "text,label\n" + "".join(f"a fine film number {number},good\n" for number in range(80))


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Gives ROWS to who knows the token."""
    with Site(other=(403, {}, b"")) as one:
        one.answers[QUERY] = (200, {}, ROWS.encode())
        yield one.url


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
