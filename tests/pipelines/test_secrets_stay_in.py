"""A secret that fetching needs is in no file and no line that a run leaves: all of them are searched."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_agent import SPEC, made_up_rows, write_rows
from web_site import Site

Cli = Callable[..., subprocess.CompletedProcess[str]]

TOKEN = "w3b-t0ken-Qx7"
NAME = "${WEB_TOKEN}"
QUERY = f"/private-{TOKEN}/rows.csv?token={TOKEN}"
FOLDER = f"/folder-{TOKEN}/"
WHOLE = f"/whole-{TOKEN}/rows.csv?token={TOKEN}"
# With labels of one row each: validate stops the run, after ingest has fetched and everything was
# recorded. One row has no text: it is kept aside, with where it is from.
ROWS = "text,label\n,good\n" + "".join(
    f"a fine film number {n},{'good' if n > 4 else f'odd {n}'}\n" for n in range(120)
)
OF_EVERY_RUN = {"pipeline.yaml", "plan.json", "run.json", "run.log", "events.jsonl", "report.html"}
OF_A_MODEL = {"agent.json", "record.json", "champion.json", "model.safetensors", "manifest.json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Gives rows to who knows the token: ROWS, and such as make an agent."""
    rows = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(rows, made_up_rows(400))
    with Site(other=(403, {}, b"")) as one:
        one.answers[QUERY] = (200, {}, ROWS.encode())
        one.put(FOLDER, b'<a href="rows.csv">rows.csv</a>')
        one.answers[f"{FOLDER}rows.csv"] = (200, {}, ROWS.encode())
        one.answers[WHOLE] = (200, {}, rows.read_bytes())
        yield one.url


def prepare(folder: Path, site: str, path: str, token: str) -> dict[str, str]:
    """Writes the spec, whose source has the token's name; returns the environment that has its value."""
    uri = site + path.replace(TOKEN, NAME)
    spec = SPEC.replace("uri: rows.csv", f'uri: "{uri}"')
    assert uri in spec
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return {"WEB_TOKEN": token, "BERTWORKS_DOWNLOADS": str(folder / "downloads")}


def compile_it(bertworks: Cli, folder: Path, environment: dict[str, str]) -> str:
    """Has the spec compiled beside what the run left; what was said."""
    done = bertworks("compile", "spec.yaml", cwd=folder, environment=environment)
    return done.stdout + done.stderr


def searched(folder: Path, token: str) -> dict[str, list[Path]]:
    """All files in a folder by their names; none has the token in its path, its bytes or its columns."""
    found: dict[str, list[Path]] = {}
    traces = []
    for file in folder.rglob("*"):
        if file.is_file():
            found.setdefault(file.name, []).append(file)
            name = str(file.relative_to(folder))
            content = file.read_bytes()
            if file.suffix == ".parquet":  # its pages are compressed
                content += repr(pq.ParquetFile(file).read().to_pydict()).encode()
            if token.encode() in content or token in name:
                traces.append(name)
    assert not traces
    return found


@pytest.mark.parametrize(
    ("path", "token"),
    [(QUERY, TOKEN), (f"{FOLDER}*.csv", TOKEN), (QUERY, f"{TOKEN}-wrong")],
    ids=["query", "glob", "wrong"],
)
def test_a_run_leaves_no_trace_of_it(
    bertworks: Cli, site: str, tmp_path: Path, path: str, token: str
) -> None:
    kept = prepare(tmp_path, site, path, token)
    done = bertworks("run", "spec.yaml", cwd=tmp_path, environment=kept)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "fix:" in said
    assert ("rare_labels" if token == TOKEN else "There is no file") in said, said
    said += compile_it(bertworks, tmp_path, kept)
    assert token not in said
    left = searched(tmp_path, token)
    if token == TOKEN:
        assert {*left} >= OF_EVERY_RUN


def test_a_run_to_the_end_leaves_no_trace_of_it(bertworks: Cli, site: str, tmp_path: Path) -> None:
    kept = prepare(tmp_path, site, WHOLE, TOKEN)
    quick = ("--set", "compress.prune.enabled=false")
    done = bertworks("run", "spec.yaml", *quick, cwd=tmp_path, environment=kept)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    said += compile_it(bertworks, tmp_path, kept)
    shown = bertworks("models", "show", "tiny", cwd=tmp_path, environment=kept)
    said += shown.stdout + shown.stderr
    assert TOKEN not in said
    left = searched(tmp_path, TOKEN)
    assert {*left} >= OF_EVERY_RUN | OF_A_MODEL
    # The address itself is told, with the name: it is by masking that no value is there.
    for name in ("pipeline.yaml", "plan.json", "run.json"):
        assert any(NAME in file.read_text("utf-8") for file in left[name]), name
    store = tmp_path / ".bertworks/models/tiny"
    assert [file for file in left["record.json"] if file.is_relative_to(store)]
    assert [file for file in left["agent.json"] if file.is_relative_to(store)]
