"""`bertworks index`: the documents that an agent finds.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import ArtifactError, DataError, EnvironmentFault
from bertworks.storage import temporary
from pipelines.cli.options import DebugOption, RootOption

if TYPE_CHECKING:
    from bertworks.runtime.adding import Added
    from bertworks.runtime.agent import Agent
    from bertworks.storage.store import Store, Version
    from bertworks.tasks.matching.documents import Document

app = typer.Typer(help="The documents that an agent finds: add, show.", no_args_is_help=True)
AgentArgument = Annotated[
    str,
    typer.Argument(
        help="A bundle's folder, or NAME or NAME/VERSION in the model store.", metavar="AGENT"
    ),
]
WAIT = 600.0
"""Seconds that one who adds to an agent waits for another who does."""
MOST_BYTES = 1_000_000
"""Of a row, as of a spec's data.max_row_bytes when it is left out."""


@app.command()
def add(
    agent: AgentArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help="Documents: .jsonl, .csv, .tsv, .json, .parquet, .arrow, .txt (one a line)."
        ),
    ],
    text: Annotated[str, typer.Option("--text", help="The column that holds the text.")] = "text",
    identity: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="The column with the documents' own names; else they are told apart by their text.",
        ),
    ] = None,
    most_rejected: Annotated[
        float,
        typer.Option(
            "--max-rejected", min=0, max=1, help="Add nothing when more than this share is refused."
        ),
    ] = 0.01,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Have an agent find more documents; nothing is trained.

    Of an agent in the store a new version is made, with the same graph, gates and metrics, and is made
    the champion where its old version was: servers with --follow take it up. A bundle's folder is
    replaced in one go; a server takes it when it is loaded anew.
    """
    from bertworks.runtime import adding
    from bertworks.runtime.agent import Agent
    from bertworks.storage.artifacts import open_artifact
    from pipelines.cli.served import find

    store = _store(root)
    with _turn(find(agent, store), store):
        found = find(agent, store)  # as it is now that it is our turn
        place = found if isinstance(found, Path) else store.fetch(found.name, found.number).path
        bundle = open_artifact(place, "bundle")
        loaded = Agent.load(place)
        adding.index_of(loaded, agent)  # before the file is read
        with temporary.scratch() as work:
            documents = read(file, text, identity, loaded, work, most_rejected)
            if isinstance(found, Path):
                done = adding.add(bundle, loaded, documents, place)
                where = str(place)
            else:
                made = work / "bundle"
                done = adding.add(bundle, loaded, documents, made)
                where = f"{found.name}/{found.number}"
                if done.new:
                    where = _registered(store, found, made)
    for line in told(done, where):
        typer.echo(line)


@app.command()
def show(agent: AgentArgument, root: RootOption = None, debug: DebugOption = False) -> None:
    """Show an agent's index as JSON: how many documents, which kind, from where on one fits."""
    import json

    from bertworks.contracts.files import to_json
    from bertworks.contracts.index import INDEX
    from pipelines.cli.served import find

    store = _store(root)
    found = find(agent, store)
    place = found if isinstance(found, Path) else store.fetch(found.name, found.number).path
    if not (place / INDEX.name).is_file():
        raise ArtifactError(
            f"{agent} finds no documents.", "Give an agent of a spec with task.type: matching."
        )
    typer.echo(json.dumps(to_json(INDEX.read(place)), indent=2))


def read(
    file: Path,
    text: str,
    identity: str | None,
    agent: Agent,
    work: Path,
    most_rejected: float = 1.0,
) -> Iterator[Document]:
    """The documents of a file, cleaned as the agent cleans texts.

    Args:
        file: Of any format that a source may have.
        text: The column of the text.
        identity: That of the documents' own names, or None.
        agent: The agent.
        work: A folder for what is refused.
        most_rejected: Largest share of rows that may be refused.

    Raises:
        DataError: The file has no documents, has no such column, or too many rows are refused.
    """
    from bertworks.batch.texts import guessed
    from bertworks.data.rows.reading import Reader
    from bertworks.data.rows.rejected import RejectedLog
    from bertworks.spec import Clean, Columns, Source
    from bertworks.tasks.matching.documents import Document

    columns = Columns(text=text, document_id=identity)
    format_ = "lines" if file.suffix == ".txt" else "auto"
    source = Source(uri=str(file.absolute()), documents=True, columns=columns, format=format_)
    clean = agent.clean or Clean(unicode="none", whitespace=False)
    kept = file.absolute().with_name(f"{file.name}.rejected.jsonl")
    with RejectedLog(work, kept) as log:
        reader = Reader(None, clean, Path.cwd(), log, MOST_BYTES)
        try:
            for found in reader.examples([source]):
                name = found.example.get("name") or found.example["id"]
                yield Document(str(name), found.example["text"])
        except DataError as error:
            raise DataError(error.message, _in_options(error)) from None
        for line in guessed(log.tally):
            typer.echo(line, err=True)
        for notice in reader.notices:
            typer.echo(notice.line(), err=True)
        if not reader.rejected:
            return
        rules = "; ".join(
            f"{rule} ({count:,}, first {log.first(rule)})"
            for rule, count in log.rules.most_common()
        )
        counts = f"{reader.rejected:,} of {reader.read:,} rows were rejected"
        said = f"{counts} and are in {log.keep()}: {rules}"
        if reader.rejected > most_rejected * reader.read:
            raise DataError(
                f"Nothing was added: {said}. At most {most_rejected:.1%} may be.",
                "Mend these rows, or let them be left out: --max-rejected 1",
            )
        typer.echo(f"warning: {said}", err=True)


def _in_options(error: DataError) -> str:
    """What to do, in this command's options instead of a spec's keys."""
    if "has no column" in error.message:
        return "Name the columns that it has: --text COLUMN, and --id COLUMN where documents have names."
    return "Mend the file, or give another one." if "source" in error.fix else error.fix


def told(done: Added, where: str) -> Iterator[str]:
    """What was done, in lines."""
    known = f" ({done.known:,} were there already)" if done.known else ""
    if not done.new:
        yield f"{where}: no document is new{known}; {done.record.documents:,} in all"
        return
    yield f"{where}: {done.new:,} documents added{known}; {done.record.documents:,} in all"
    if done.cut:
        yield f"{done.cut:,} of them are longer than what is read of them (task.max_length)"


@contextlib.contextmanager
def _turn(found: Version | Path, store: Store) -> Iterator[None]:
    """One at a time adds to an agent: what another has added meanwhile would be lost.

    Raises:
        EnvironmentFault: Another has been at it for WAIT seconds.
    """
    from bertworks.storage.locks import lock

    if isinstance(found, Path):
        place = found.absolute().with_name(f".{found.absolute().name}.index.lock")
    else:
        place = Path(store.uri) / found.name / ".index.lock"
    try:
        with lock(place, WAIT):
            yield
    except TimeoutError:
        raise EnvironmentFault(
            f"Somebody else has been adding documents for {WAIT:.0f} s: {place} is held.",
            "Give the command again when that has ended.",
        ) from None


def _registered(store: Store, before: Version, made: Path) -> str:
    """Keeps the new bundle under a new version, and has it serve where the old one did."""
    from bertworks.storage.artifacts import open_artifact

    record = before.record
    if record is None or before.state != "passed":
        raise ArtifactError(
            f"{before.name}/{before.number} is {before.state}: documents are added to what may serve.",
            f"`bertworks models list {before.name}` shows what there is.",
        )
    parts = {
        part: store.fetch(before.name, before.number, part)
        for part in ("model", "examples")
        if before.has(part)
    }
    metrics = store.fetch(before.name, before.number, "metrics")
    version = store.add(
        open_artifact(made, "bundle"), before.name, record.decision, metrics, parts, record.facts
    )
    if before.champion:
        now = store.pointer(before.name)
        if now is None or (now.version, now.digest) != (before.number, before.digest):
            raise ArtifactError(
                f"{before.name}'s champion was replaced meanwhile, so that "
                f"{before.name}/{version.number} does not serve.",
                f"Add the documents again: bertworks index add {before.name} FILE",
            )
        version = store.promote(before.name, version.number)
    return f"{version.name}/{version.number}"


def _store(root: str | None) -> Store:
    from bertworks.storage.store import Store
    from pipelines.local.root import find_root

    return Store(str(find_root(root).models))
