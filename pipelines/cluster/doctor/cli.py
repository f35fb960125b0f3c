"""`bertworks doctor`: is the cluster ready for this spec?

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import EnvironmentFault
from pipelines.cli.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    JsonOption,
    NamespaceOption,
    SetOption,
)

if TYPE_CHECKING:
    from pipelines.cluster.doctor.checks.base import Finding

MARKS = {
    "ok": ("ok", typer.colors.GREEN),
    "warning": ("warning", typer.colors.YELLOW),
    "error": ("ERROR", typer.colors.RED),
    "skipped": ("-", typer.colors.BRIGHT_BLACK),
}


def doctor(
    spec: Annotated[
        Path | None,
        typer.Argument(help="The agent spec: its GPUs, volume, secrets, images.", metavar="SPEC"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with 1.")] = False,
    timeout: Annotated[
        float,
        typer.Option(
            help="After so many it ends, whatever has answered.", min=1, metavar="SECONDS"
        ),
    ] = 20.0,
    set_: SetOption = None,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say whether the cluster is ready, and what to do where it is not.

    Looks at Kubeflow Pipelines and its version, permissions (ours and those of the runs), GPUs by type
    and how many are free, CPU and memory for the largest step, the volume, secrets (never their
    values), images, quotas, the retry policy, KServe and the scheduler's clock. Nothing is changed.

    Each check stands alone: what you may not read is a warning, and the others go on. Without a
    kubeconfig only Kubeflow Pipelines is looked at; "-" marks what was not checked, and why.

    Exit code: 0 when all is well or only warnings are left (1 with --strict), 7 with errors, 2 when
    SPEC is not valid.
    """
    from pipelines.cluster.doctor.examine import examine

    loaded = None
    if spec is not None:
        from bertworks.spec import file as spec_file

        loaded = spec_file.load(spec, set_ or []).spec
    found = examine(loaded, host=host, namespace=namespace, insecure=insecure, deadline=timeout)
    count: Counter[str] = Counter(finding.level for finding in found)
    code = EnvironmentFault.exit_code if count["error"] else int(bool(strict and count["warning"]))
    if as_json:
        facts = {"exit_code": code, "count": count, "findings": [asdict(one) for one in found]}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _print(found, count)
    # Checks that never answered have threads of their own, which end with the program.
    sys.stdout.flush()
    raise typer.Exit(code)


def _print(found: Sequence[Finding], count: Counter[str]) -> None:
    width = min(34, max(len(finding.topic) for finding in found))
    for finding in found:
        mark, color = MARKS[finding.level]
        typer.echo(f"{typer.style(f'{mark:7}', fg=color)} {finding.topic:{width}}  {finding.text}")
        if finding.fix:
            typer.echo(f"{'':8}{'':{width}}  fix: {finding.fix}")
    said = [
        f"{count[level]} {word}"
        for level, word in (
            ("error", "error" if count["error"] == 1 else "errors"),
            ("warning", "warning" if count["warning"] == 1 else "warnings"),
            ("skipped", "not checked"),
            ("ok", "ok"),
        )
        if count[level]
    ]
    typer.echo(f"\n{', '.join(said)}")
