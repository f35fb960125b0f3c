"""`bertworks predict` and `bertworks serve`: ask an agent.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertworks.errors import BertworksError, SpecError
from pipelines.cli.options import DebugOption, RootOption

if TYPE_CHECKING:
    from pipelines.cli.spoken import Spoken

OBSERVING = "What it tells"
ACCESS = "Who may ask"
ON = "Elsewhere"
UPGRADES = "Upgrades"
DIALOGUES = "Dialogues"
AgentOption = Annotated[
    str | None,
    typer.Option(
        "--agent",
        help="A bundle's folder, or NAME, NAME/VERSION or NAME/latest in the model store; "
        "the newest champion when not given.",
    ),
]


def bundle_of(agent: str | None, root: str | None) -> Path:
    """The folder of the bundle that `--agent` names."""
    store = _store(root)
    found = _found(agent, store)
    if isinstance(found, Path):
        return found
    bundle: Path = store.fetch(found.name, found.number).path
    return bundle


def _located(agent: str | None, digest: str | None, root: str | None) -> Any:
    """The bundle that `--agent` names, and which version it is."""
    from bertworks.serving.identity import in_folder, in_version

    store = _store(root)
    found = _found(agent, store)
    if isinstance(found, Path):
        return in_folder(found, digest)
    return in_version(store, found, digest)


def _found(agent: str | None, store: Any) -> Any:
    """A bundle's folder or a version of the store; says so where its gates did not pass."""
    from pipelines.cli.served import find

    found = find(agent, store)
    if isinstance(found, Path):
        return found
    if found.state != "passed":
        typer.echo(
            f"warning: {found.name}/{found.number} is {found.state}: its gates did not pass",
            err=True,
        )
    return found


def predict(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; read from stdin or --file when none is given."),
    ] = None,
    agent: AgentOption = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Texts to read: .txt, .csv, .tsv, .jsonl, .json, .conll (also .csv.gz, …), .parquet, "
            ".arrow, .feather.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write to .jsonl, .csv, .tsv or .parquet (also .csv.gz, …); stdout by default.",
        ),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="jsonl, csv or tsv, for stdout.")
    ] = "jsonl",
    top: Annotated[
        int, typer.Option("--top", help="Labels to give scores of, the best ones.", min=1)
    ] = 5,
    keep_formulas: Annotated[
        bool,
        typer.Option(
            "--keep-formulas",
            help="In csv and tsv, leave cells that a spreadsheet would run as formulas.",
        ),
    ] = False,
    on: Annotated[
        str, typer.Option("--on", help="Where to work: here, beam or cluster.", rich_help_panel=ON)
    ] = "here",
    beam: Annotated[
        list[str] | None,
        typer.Option(
            "--beam",
            help="With --on beam: an option of Beam's, e.g. --beam=--runner=FlinkRunner; repeatable. "
            "In this process by default.",
            rich_help_panel=ON,
        ),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec",
            help="With --on cluster: the agent's spec, whose resources the pod gets; --file and --out "
            "are paths on the volume then.",
            rich_help_panel=ON,
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="With --on cluster: show the step until it ends.", rich_help_panel=ON
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --on cluster: compile alone.", rich_help_panel=ON),
    ] = False,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Ask the agent: texts from arguments, stdin (one a line) or a file.

    For a pair task give two texts, or lines with a tab between the two. A file's other columns stand
    beside the answers.

    A file of any size: with --file and --out rows are read, answered and written in chunks, in order. A
    run that was killed goes on where it was, by the same command. Rows that cannot be read stand with
    their reasons in OUT.rejected.jsonl.
    """
    from pipelines.cli.predictions import predict_stream

    if on not in ("here", "beam", "cluster"):
        raise SpecError(
            f"--on must be here, beam or cluster. Received: {on!r}", "Give one of them."
        )
    if on == "cluster":
        from pipelines.batch import Asked
        from pipelines.cli.served import split
        from pipelines.cluster.runs.predict_cli import submit_predictions

        if spec is None or file is None or out is None:
            raise SpecError("A cluster needs a spec, a file and an output.", "Name all three.")
        version = split(agent)[1] if agent else None
        asked = Asked(
            str(file), str(out), version if isinstance(version, int) else None, top, keep_formulas,
            beam,
        )  # fmt: skip
        submit_predictions(spec, asked, wait=wait, dry_run=dry_run)
        return
    predict_stream(
        bundle_of(agent, root), texts or [], file, out, format_, top=top, keep_formulas=keep_formulas,
        beam=(beam or []) if on == "beam" else None,
    )  # fmt: skip


def serve(
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            help="A bundle's folder, or NAME, NAME/VERSION or NAME/latest in the model store; the "
            "newest champion when not given. MODEL=AGENT gives it a name; may be repeated.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; the spec's serve.port by default.",
            min=1,
            max=65535,
            # Not ..._PORT: Kubernetes sets such names itself for a service called "bertworks".
            envvar="BERTWORKS_LISTEN",
        ),
    ] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on for gRPC; the spec's serve.grpc_port by default, or no gRPC.",
            min=1,
            max=65535,
            envvar="BERTWORKS_LISTEN_GRPC",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on: this machine's own by default; 0.0.0.0 for all.",
            envvar="BERTWORKS_HOST",
        ),
    ] = "127.0.0.1",
    name: Annotated[
        str | None,
        typer.Option(help="The model's name in the protocols' URLs; agent by default."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads; the spec's serve.threads by default.", min=1),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Model store, a folder or bucket, where --agent is NAME/VERSION."),
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="Refuse to serve a bundle with another digest.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit instead of the spec's serve.limits, e.g. rows=2048; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            help="text or json: the log, a line a request; the spec's by default.",
            rich_help_panel=OBSERVING,
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Keep some of the requests in this folder, masked, to be labelled: `bertworks label`; "
            "the spec's serve.observing.sampling says how many.",
            rich_help_panel=OBSERVING,
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Take up what the model store makes the champion, by itself; --agent is a NAME.",
            rich_help_panel=UPGRADES,
        ),
    ] = False,
    canary: Annotated[
        list[str] | None,
        typer.Option(
            help="How challengers are tried, instead of their spec's serve.canary, e.g. share=0.2; may "
            "be repeated.",
            metavar="NAME=VALUE",
            rich_help_panel=UPGRADES,
        ),
    ] = None,
    shadow: Annotated[
        list[str] | None,
        typer.Option(
            help="Likewise serve.shadow, e.g. share=1: challengers answer and nobody waits.",
            metavar="NAME=VALUE",
            rich_help_panel=UPGRADES,
        ),
    ] = None,
    repository: Annotated[
        bool,
        typer.Option("--repository", help="Let whoever can call unload and load models over HTTP."),
    ] = False,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="Ask for a key: a file of `bertworks keys`, or a folder of such files.",
            envvar="BERTWORKS_KEYS",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    open_: Annotated[
        bool,
        typer.Option(
            "--open",
            help="Let everybody ask who reaches --host, without a key.",
            rich_help_panel=ACCESS,
        ),
    ] = False,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="HTTPS with this certificate (PEM); read anew when it changes.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM).", rich_help_panel=ACCESS)
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the counts of daily quotas over a restart.",
            envvar="BERTWORKS_STATE",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the audit log; the spec's serve.audit.folder by default, or none.",
            envvar="BERTWORKS_AUDIT",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    dialogue: Annotated[
        str | None,
        typer.Option(
            help="A dialogue that a run has made (NAME, NAME/VERSION or a folder), or a spec with a "
            "`dialogue` section: its turns are answered at /v1/dialogues. The first model of task "
            "understanding understands them, by default the one that the dialogue was made with; lists "
            "of words where there is none.",
            rich_help_panel=DIALOGUES,
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="A learned policy; the spec's dialogue.policy by default, or its rules.",
            rich_help_panel=DIALOGUES,
        ),
    ] = None,
    sessions: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps dialogues.",
            show_default="sessions.db in the root",
            rich_help_panel=DIALOGUES,
        ),
    ] = None,
    challenger: Annotated[
        str | None,
        typer.Option(
            help="Another policy, which has a share of the dialogues that begin until it is clear which "
            "one is better (dialogue.policy.canary): a graph, or a dialogue as --dialogue names one, of "
            "the same slots; a version of the store that wins becomes its champion.",
            metavar="POLICY",
            rich_help_panel=DIALOGUES,
        ),
    ] = None,
    page: Annotated[
        bool | None,
        typer.Option(
            "--page/--no-page",
            help="Show a browser the page at /.",
            show_default="the spec's serve.page.enabled",
        ),
    ] = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve agents over HTTP and gRPC: the V1 and V2 inference protocols, health, metrics.

    Only this machine can call, unless --host says otherwise, and then with a key (--keys), or everybody
    (--open). Port, threads and limits of several agents
    are those of the first one's spec. On a cluster: serve --host 0.0.0.0 --keys FOLDER
    --store /bertworks/models --agent NAME/VERSION, or --agent /mnt/models.
    """
    from functools import partial

    from bertworks.serving.access.joining import Entrance
    from bertworks.serving.observation.joining import observing
    from bertworks.serving.page.joining import OPEN_PATHS
    from bertworks.serving.page.joining import join as join_page
    from bertworks.serving.server import serve as serve_models
    from bertworks.serving.settings import Settings
    from bertworks.spec.access import Access
    from bertworks.spec.audit import Audit
    from bertworks.spec.review import Review
    from pipelines.cli.served import limits_of, models_of, observing_of, section_of

    joins: list[Any] = []
    if dialogue is not None:
        spoken, join = _dialogue(
            dialogue, policy, sessions, challenger, store, root, named=bool(agent)
        )
        joins.append(join)
        if not agent and not follow and spoken.agents:
            agent = [f"{task}={folder}" for task, folder in spoken.agents.items()]
            store = None  # it lies in the dialogue, which is here by now
    elif policy is not None or sessions is not None or challenger is not None:
        raise BertworksError(
            "--policy, --sessions and --challenger say how to talk, and no dialogue is served.",
            "Name it: --dialogue NAME, or its spec.",
        )
    if follow:
        from bertworks.serving.upgrades.joining import following
        from pipelines.cli.following import Given, followed

        if digest is not None:
            raise BertworksError(
                "--digest asks for one bundle, and --follow for whatever the store makes the champion.",
                "Leave one of them out.",
            )
        if repository:
            raise BertworksError(
                "--repository lets callers unload a model, which with --follow is the store's to say.",
                "Leave one of them out.",
            )
        given = Given(canary or (), shadow or ())
        uri = store or _store(root).uri
        models, said, follows = followed(agent or [], name, uri, given, port)
        joins.append(following(follows, said.get("max_batch", 32)))
    else:
        if canary or shadow:
            raise BertworksError(
                "Challengers are the model store's: they are tried by a server that follows it.",
                "Give --follow too.",
            )
        models, said = models_of(agent or [], name, store, digest, partial(_located, root=root))
    shows = (said.get("page") or {}).get("enabled", True) if page is None else page
    serve_models(
        models,
        Settings(
            host=host,
            port=port or said.get("port", 8080),
            grpc_port=grpc_port or said.get("grpc_port"),
            threads=threads or said.get("threads"),
            limits=limits_of(said.get("limits"), limit or []),
            repository=repository,
            entrance=Entrance(
                section_of(Access, said, "access"),
                keys,
                state,
                tls_cert,
                tls_key,
                open_,
                OPEN_PATHS if shows else (),
            ),
            audit=section_of(Audit, said, "audit").model_copy(
                update={"folder": str(audit)} if audit else {}
            ),
            review=section_of(Review, said, "review"),
            joins=[
                observing(observing_of(said.get("observing"), log_format, samples)),
                partial(join_page, page=shows),
                *joins,
            ],
        ),
    )


def _dialogue(
    given: str,
    policy: Path | None,
    sessions: Path | None,
    challenger: str | None,
    store: str | None,
    root: str | None,
    named: bool,
) -> tuple[Spoken, Any]:
    """The dialogue that is named, and what has the server talk."""
    from bertworks.serving.dialogues.joining import talking
    from bertworks.storage.store import Store
    from pipelines.cli.spoken import challenged, find
    from pipelines.local.root import find_root

    models = Store(store) if store is not None else _store(root)
    found = find(given, models)
    place = sessions or find_root(root).path / "sessions.db"
    tried = None if challenger is None else challenged(challenger, found, models)
    return found, talking(
        found.section, found.folder, place, policy, found.shown, found.digest, tried,
        helped=named or bool(found.agents),
    )  # fmt: skip


def _store(root: str | None) -> Any:
    from bertworks.storage.store import Store
    from pipelines.local.root import find_root

    return Store(str(find_root(root).models))
