"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecPath = Annotated[Path, typer.Argument(help="The agent spec, a YAML file.", metavar="SPEC")]
RootOption = Annotated[
    str | None,
    typer.Option(
        "--root",
        help="Folder for runs, artifacts and models.",
        envvar="BERTWORKS_ROOT",
        show_default=".bertworks",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a value: --set finetune.epochs=2. Repeatable."),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks.", envvar="BERTWORKS_DEBUG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", help="A learned policy; the spec's dialogue.policy by default, or its rules."
    ),
]

HostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        help="Address of Kubeflow Pipelines. Without it and KFP_HOST: the cluster this pod runs in, or "
        "a port-forward with your kubeconfig. Log in by KFP_TOKEN, KFP_TOKEN_FILE, or KFP_USERNAME "
        "and KFP_PASSWORD; KFP_CA_FILE names your own certificate authority.",
        envvar="KFP_HOST",
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace of the runs; your profile's where KFP is multi-user.",
        envvar="KFP_NAMESPACE",
    ),
]  # fmt: skip
InsecureOption = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Do not verify the server's certificate, to try things only. Also KFP_INSECURE=1.",
    ),
]
