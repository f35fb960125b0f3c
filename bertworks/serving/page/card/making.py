"""Makes the model card of a bundle: of what it says of itself, and what its store has beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.bundle import TIMINGS, Timings
from bertworks.contracts.examples import EXAMPLES, Examples, SourceRows
from bertworks.contracts.metrics import REPORT, LabelReport
from bertworks.contracts.versions import Record
from bertworks.errors import ArtifactError
from bertworks.runtime.confidence import names as confidence_fields
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.page.card import limits
from bertworks.serving.page.card.facts import (
    Candidate,
    Does,
    Gated,
    LearnedFrom,
    Licences,
    MadeFrom,
    Measured,
    ModelCard,
)
from bertworks.spec.bases import CATALOGUE
from bertworks.spec.page import Page
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store
from bertworks.tasks import for_task, form_of
from bertworks.tasks.target import Target
from bertworks.text import windows

_PUBLIC = re.compile(r"(pypi|npm|hf|https?)://", re.IGNORECASE)
SPLITS = ("train", "validation", "test")
LONE = "the bundle is served without its version in the model store"


@dataclass(frozen=True)
class Beside:
    """What the model store has beside a bundle; None: it has not, or is not at hand.

    Attributes:
        record: The version's.
        report: Of its metrics.
        examples: What is told of its rows.
    """

    record: Record | None = None
    report: LabelReport | None = None
    examples: Examples | None = None


def of_version(store: Store, name: str, number: int) -> ModelCard:
    """The card of a version of the model store.

    Raises:
        ArtifactError: There is no such version, or it is damaged.
    """
    return made(store.fetch(name, number), name, number, _beside(store, name, number))


def of_bundle(folder: Path, called: str, identity: BundleIdentity | None = None) -> ModelCard:
    """The card of a bundle's folder, with what its model store has beside it.

    Args:
        folder: The bundle.
        called: What it is called, where it is a lone one.
        identity: Says where it is kept; None: a store on a disk is seen by the folder's place.

    Raises:
        ArtifactError: It is no bundle, or it or what is beside it is damaged.
    """
    bundle = open_artifact(folder, "bundle", verify=False)
    if identity is not None and identity.kept is not None and identity.version is not None:
        kept, number = identity.kept, identity.version
        return made(bundle, kept.name, number, _beside(kept.store, kept.name, number))
    return _of_place(bundle) or made(bundle, called, None, Beside())


def made(bundle: Artifact, name: str, number: int | None, beside: Beside) -> ModelCard:
    """The card of a bundle with what is known beside it.

    Args:
        bundle: The bundle artifact.
        name: The agent.
        number: Its version; None: it has none.
        beside: What the store has.
    """
    agent, record = AGENT.read(bundle), beside.record
    page = _page(agent.serve)
    card = ModelCard(
        name=name,
        version=number,
        digest=bundle.digest,
        use=page.use,
        contact=page.contact,
        does=_does(agent),
        measured=_measured(record, beside.report),
        gated=_gated(record),
        learned_from=_learned_from(beside.examples),
        limits=[],
        licences=_licences(agent, page, beside.examples),
        made_from=_made_from(bundle, agent, record),
        missing=list(_missing(record, beside.examples)),
    )
    declared = [page.limits] if page.limits else []
    return replace(card, limits=[*declared, *limits.sentences(card)])


def _beside(store: Store, name: str, number: int) -> Beside:
    return Beside(
        store.show(name, number).record,
        store.read(name, number, "metrics", REPORT),
        store.read(name, number, "examples", EXAMPLES),
    )


def _of_place(bundle: Artifact) -> ModelCard | None:
    """Of a bundle that lies in a store on a disk: STORE/NAME/versions/NUMBER/bundle."""
    places = bundle.path.resolve().parents
    if len(places) < 4 or places[1].name != "versions" or not places[0].name.isdigit():
        return None
    try:
        card = of_version(Store(places[3]), places[2].name, int(places[0].name))
    except ArtifactError:
        return None
    return card if card.digest == bundle.digest else None


def _page(said: Mapping[str, object] | None) -> Page:
    """The spec's serve.page as the bundle has it; a later version's settings are left aside."""
    given = (said or {}).get("page")
    known = given if isinstance(given, Mapping) else {}
    return Page(**{key: value for key, value in known.items() if key in Page.model_fields})


def _does(agent: AgentRecord) -> Does:
    task = agent.task
    target = for_task(task, agent.labels, agent.score).target
    return Does(
        task=task.kind.name,
        form=task.form,
        inputs=list(form_of(task).inputs),
        labels=_labels(target, agent.labels),
        several=target.many and not target.per_word,
        max_length=agent.max_length,
        long_text=task.long_text,
        most_tokens=windows.most_tokens(task),
        answers=confidence_fields(agent.calibration),
        calibrated=agent.calibration is not None,
    )


def _labels(target: Target, labels: list[str]) -> list[str]:
    """An agent's labels as its answers name them: where there are both, intents and then slots."""
    choices, kinds = target.choices(labels), target.kinds(labels)
    return [*choices, *kinds] if choices and kinds else labels


def _measured(record: Record | None, report: LabelReport | None) -> Measured | None:
    if record is None:
        return None
    return Measured(
        judged_by=record.decision.metric,
        metrics=[one for one in record.metrics if not one.slice],
        slices=[one for one in record.metrics if one.slice],
        labels=report.labels if report else {},
        entities=report.entities if report else {},
    )


def _gated(record: Record | None) -> Gated | None:
    if record is None:
        return None
    decision = record.decision
    return Gated(decision.outcome, decision.rules, decision.reasons, decision.champion)


def _learned_from(examples: Examples | None) -> LearnedFrom | None:
    if examples is None:
        return None
    return LearnedFrom(
        rows={split: examples.rows[split] for split in SPLITS if split in examples.rows},
        label_rows=examples.label_rows,
        read=examples.read,
        duplicates=examples.duplicates,
        conflicts=examples.conflicts,
        rejected=examples.rejected,
        sources=[_shown(source) for source in examples.sources],
    )


def _shown(source: SourceRows) -> SourceRows:
    """A source without the folders, hosts and buckets that are nobody's business."""
    public = _PUBLIC.match(source.uri)
    return source if public else replace(source, uri=PurePosixPath(source.uri).name)


def _licences(agent: AgentRecord, page: Page, examples: Examples | None) -> Licences:
    known = [one.license for one in CATALOGUE if one.checkpoint.uri == agent.base]
    named = [one.license for one in examples.sources if one.license] if examples else []
    return Licences(page.license, known[0] if known else "", list(dict.fromkeys(named)))


def _made_from(bundle: Artifact, agent: AgentRecord, record: Record | None) -> MadeFrom:
    timings = _timings(bundle)
    speeds = timings.metrics if timings else {}
    return MadeFrom(
        base=agent.base,
        parents=agent.parents,
        engine=agent.engine.name if agent.engine else "",
        candidates=[
            Candidate(
                one.name,
                one.metric,
                None if one.drop is None else one.drop.value,
                one.size_mb,
                one.chosen,
            )
            for one in agent.candidates or []
        ],
        latency_ms=speeds.get("latency_ms"),
        p95_ms=speeds.get("p95_ms"),
        rows_per_second=speeds.get("rows_per_second"),
        threads=timings.threads if timings else None,
        size_mb=sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file()) / 1e6,
        created=record.created if record else "",
    )


def _timings(bundle: Artifact) -> Timings | None:
    """None in bundles of before there was such a file."""
    return TIMINGS.read(bundle) if (bundle / TIMINGS.name).is_file() else None


def _missing(record: Record | None, examples: Examples | None) -> list[str]:
    if record is None:
        return [f"Scores, gates, data: {LONE}. Serve it by NAME/VERSION of its store to have them."]
    if examples is None:
        return ["Data: its rows were not kept with the version."]
    return []
