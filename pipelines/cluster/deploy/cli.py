"""`bertworks deploy`: the serving side of an agent on the cluster.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertworks.errors import EnvironmentFault, SpecError
from pipelines.cli.command import called
from pipelines.cli.options import DebugOption, SetOption

if TYPE_CHECKING:
    from components.deploy.cluster import Cluster
    from components.deploy.settings import Kind, Section, Serving

NAMESPACE = "kubeflow"


def deploy(
    agent: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|NAME",
            help="The agent spec, a YAML file; or the name of an agent that is deployed already.",
        ),
    ],
    version: Annotated[
        int | None, typer.Option(help="The version to serve; the champion by default.", min=1)
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Model store as the pods see it; resources.store by default."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace; serve.deploy.namespace, else that of the runs.",
            show_default=f"KFP_NAMESPACE, else {NAMESPACE}",
        ),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            metavar="MINUTES",
            help="How long the look-up may take, and then the server until it is ready.",
            show_default="serve.deploy.timeout_minutes",
            min=1,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it serves, else put back.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the manifests as YAML, change nothing.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what serves, and how it is.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Make the version before serve again.")
    ] = False,
    set_: SetOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve a version of the agent on the cluster, and put the one before back if it fails.

    Applies an InferenceService where the cluster has KServe, else a Deployment, Service, autoscaler and
    disruption budget; waits until the new pods answer; exits with 7 when they do not and the version
    before serves again.

    bertworks deploy agent.yaml                  the champion of the model store

    bertworks deploy agent --version 3           another version, the settings as they are

    bertworks deploy agent --status              what serves

    bertworks deploy agent --rollback            the version before
    """
    _check_options(dry_run=dry_run, status=status, rollback=rollback, version=version)
    section, name = _section(agent, store, set_ or [])
    wanted = section.serve.deploy.namespace if section else None
    place = namespace or wanted or os.environ.get("KFP_NAMESPACE") or NAMESPACE
    if dry_run:
        _print_manifests(section, name, version, place, timeout)
        return
    where = _cluster(place)
    if status:
        _print_status(where, name)
        return
    from components.deploy import deployment

    try:
        if rollback:
            limit = {"seconds": 60.0 * timeout} if timeout else {}
            done = deployment.roll_back(where, name, wait=wait, say=_say, **limit)
        else:
            serving, kind = _serving(where, section, name, version, timeout)
            done = deployment.deploy(where, serving, kind, wait=wait, say=_say)
    except KeyboardInterrupt:
        raise EnvironmentFault(
            f"Interrupted. What was applied goes on in namespace {place}; nothing was put back.",
            f"{called()} deploy {name} --status shows it, --rollback takes it back.",
        ) from None
    for line in _summary(done, waited=wait):
        typer.echo(line)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _check_options(*, dry_run: bool, status: bool, rollback: bool, version: int | None) -> None:
    if dry_run + status + rollback > 1:
        raise SpecError(
            "--dry-run, --status and --rollback exclude each other.", "Give one of them."
        )
    if version is not None and (status or rollback):
        raise SpecError(
            "--version goes neither with --status nor with --rollback.",
            "To serve a certain version, leave those out.",
        )


def _section(agent: str, store: str | None, overrides: list[str]) -> tuple[Section | None, str]:
    """The deploy section of a spec and the agent's name; no section where only a name is given."""
    if not (agent.endswith((".yaml", ".yml")) or Path(agent).is_file()):
        if overrides or store:
            raise SpecError(
                f"--set and --store need a spec, and {agent!r} is a name.", "Give the spec's file."
            )
        return None, agent
    from bertworks.spec import file as spec_file
    from pipelines.deploying import deploy_section
    from pipelines.resources import places

    spec = spec_file.load(Path(agent), overrides).spec
    return deploy_section(spec, store or places(spec.resources).store), spec.name


def _cluster(namespace: str) -> Cluster:
    from components.deploy.cluster import Cluster
    from pipelines.cluster.kube.client import api_client

    return Cluster(api_client(), namespace)


def _serving(
    where: Cluster,
    section: Section | None,
    name: str,
    version: int | None,
    timeout: int | None,
) -> tuple[Serving, Kind]:
    """What is to serve, with its facts read from the store, and what is to run it."""
    from components.deploy import lookup, present
    from components.deploy.settings import settings_of

    if section is None:
        found = present.find(where, name)
        if found is None or not found.history:
            raise EnvironmentFault(
                f"{name} is not deployed in namespace {where.namespace}.",
                f"Deploy it with its spec: {called()} deploy SPEC.yaml; or say --namespace.",
            )
        serving, kind = found.history[-1], found.kind
    else:
        serving = settings_of(section, version or 1, "")
        kind = present.choose_kind(where, name, section.serve.deploy.kind)
    if timeout:
        serving = replace(serving, timeout_minutes=timeout)
    if "://" in serving.store:
        from bertworks.serving.facts import facts

        told = facts(serving.store, name, version)
        number, digest = told["version"], told["digest"]
    else:
        which = "the champion" if version is None else f"version {version}"
        typer.echo(f"looking {which} of {name} up on the volume {serving.claim}", err=True)
        number, digest = lookup.version_in_cluster(where, serving, version, say=_say)
    return replace(serving, version=number, digest=digest), kind


def _print_manifests(
    section: Section | None,
    name: str,
    version: int | None,
    namespace: str,
    timeout: int | None,
) -> None:
    """The manifests as they would be applied; a cluster is asked when there is one, not changed."""
    import yaml

    from components.deploy import deployment, manifests, present
    from components.deploy.settings import settings_of

    if section is None:
        raise SpecError("--dry-run needs the spec.", "Give the spec's file, not the agent's name.")
    if "://" in section.store:
        from bertworks.serving.facts import facts

        told = facts(section.store, name, version)
        serving = settings_of(section, told["version"], told["digest"])
    elif version is None:
        raise SpecError(
            "Without starting a pod nobody here can see which version is the champion: the models "
            f"are on a volume ({section.store}).",
            "Say which with --version.",
        )
    else:
        serving = settings_of(section, version, "")
    serving = replace(serving, timeout_minutes=timeout) if timeout else serving
    wanted = section.serve.deploy.kind
    try:
        where = _cluster(namespace)
        kind = present.choose_kind(where, name, wanted)
        history = deployment.histories(where, serving, kind)[0]
    except EnvironmentFault as error:
        kind, history = ("kserve" if wanted == "kserve" else "deployment"), [serving]
        typer.echo(f"note: without the cluster's state: {error.message}", err=True)
    objects = manifests.render(serving, kind, namespace, history)
    typer.echo(yaml.safe_dump_all(objects, sort_keys=False, width=100), nl=False)


def _print_status(where: Cluster, name: str) -> None:
    from components.deploy import manifests, present, rollout

    found = present.find(where, name)
    if found is None:
        raise EnvironmentFault(
            f"{name} is not deployed in namespace {where.namespace}.",
            f"Deploy it: {called()} deploy SPEC.yaml; or say --namespace.",
        )
    now = rollout.look(where, name, found.kind, manifests.rollout_of([found.top]))
    label = found.history[-1].label if found.history else name
    kind = manifests.TOP[found.kind]
    state = "serves" if now.done else "does not serve yet"
    typer.echo(f"{label} {state}: {kind} in namespace {where.namespace}, {now.line()}")
    scheme = manifests.port_name(found.history[-1]) if found.history else "http"
    typer.echo(f"address: {present.address(where, name, found.kind, scheme)}")
    if found.history:
        typer.echo(f"versions so far: {', '.join(str(one.version) for one in found.history)}")
    for one in now.problems:
        typer.echo(f"problem: {one.text}")
    if not now.done:
        raise typer.Exit(EnvironmentFault.exit_code)


def _summary(done: Any, *, waited: bool) -> list[str]:
    """What is served now, and how to reach it."""
    name = done.serving.name
    if not waited:
        return [
            f"{done.serving.label} was applied in namespace {done.namespace}; it was not waited for",
            f"see: {called()} deploy {name} --namespace {done.namespace} --status",
        ]
    lines = [
        f"{done.serving.label} serves in namespace {done.namespace}: "
        f"{done.ready} ready, {done.seconds:.0f} s",
        f"address: {done.url}",
    ]
    if done.answer is not None and not done.answer.skipped:
        lines.append(f"asked, it answers: {done.answer.prediction}")
    elif done.answer is not None:
        lines.append(f"not asked: {done.answer.skipped}")
    from components.deploy.manifests import service_name

    service = service_name(name, done.kind)
    port = 443 if done.serving.tls and done.kind == "deployment" else 80
    lines.append(f"from here: kubectl port-forward -n {done.namespace} svc/{service} 8080:{port}")
    if done.previous is not None and done.previous != done.serving.version:
        lines.append(f"before: version {done.previous}; --rollback puts it back")
    return lines
