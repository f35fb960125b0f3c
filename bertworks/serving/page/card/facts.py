"""What a model card holds.

Its sections follow Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.decision import Compared, Rule
from bertworks.contracts.examples import SourceRows
from bertworks.contracts.metrics import LabelScores, Metric


@dataclass(frozen=True)
class Does:
    """What the agent does.

    Attributes:
        task: The task, for example "classification".
        form: "text", "pair", "words", "turn" or "turn_in_context": what a row is.
        inputs: What a request calls a row's texts.
        labels: What it may answer; empty for a number.
        several: Whether a row may have several labels.
        max_length: Tokens that are read at once.
        long_text: What becomes of longer texts: "cut" or "windows".
        most_tokens: Tokens that are read of a row in all.
        answers: What answers carry beside the task's own: confident, out_of_scope, set.
        calibrated: Whether scores were brought to what they mean on rows of their own.
    """

    task: str
    form: str
    inputs: list[str]
    labels: list[str]
    several: bool
    max_length: int
    long_text: str
    most_tokens: int
    answers: list[str] = field(default_factory=list)
    calibrated: bool = False


@dataclass(frozen=True)
class LearnedFrom:
    """The rows that it learned from and is measured on.

    Attributes:
        rows: Split to rows.
        label_rows: Label to rows that have it.
        read: Rows that were read; null: not recorded.
        duplicates: Rows that were merged; null likewise.
        conflicts: Rows that were dropped as others of their text have another label; null likewise.
        rejected: Rows that were refused; null likewise.
        sources: What came of each source; of a private place its last part alone.
    """

    rows: dict[str, int]
    label_rows: dict[str, int]
    read: int | None
    duplicates: int | None
    conflicts: int | None
    rejected: int | None
    sources: list[SourceRows]


@dataclass(frozen=True)
class Measured:
    """How good the bundle is on test rows.

    Attributes:
        judged_by: The metric that the gates go by.
        metrics: Over all rows.
        slices: Over parts of them.
        labels: By label; empty where there are none, or it is not at hand.
        entities: By type of entity, likewise.
    """

    judged_by: str
    metrics: list[Metric]
    slices: list[Metric]
    labels: dict[str, LabelScores] = field(default_factory=dict)
    entities: dict[str, LabelScores] = field(default_factory=dict)


@dataclass(frozen=True)
class Gated:
    """What the gates said.

    Attributes:
        outcome: "promoted", "kept" or "refused".
        rules: Every rule that was asked for.
        reasons: Why not, where it is refused.
        champion: What it was compared with; null without one.
    """

    outcome: str
    rules: list[Rule]
    reasons: list[str]
    champion: Compared | None


@dataclass(frozen=True)
class Candidate:
    """A graph that the bundle was chosen from.

    Attributes:
        name: For example "onnxruntime-int8".
        metric: On validation rows; null: it could not be built.
        drop: What it lost against the float32 graph.
        size_mb: Of the graph, 10^6 bytes.
        chosen: Whether it is the one that answers.
    """

    name: str
    metric: float | None
    drop: float | None
    size_mb: float | None
    chosen: bool


@dataclass(frozen=True)
class MadeFrom:
    """How it was made.

    Attributes:
        base: URI of the encoder.
        parents: Name to digest of what the bundle was made from.
        engine: What runs its graph.
        candidates: What was tried, and which was chosen.
        latency_ms: One row alone on the machine that made it, the median; null: not recorded.
        p95_ms: Its 95th percentile, likewise.
        rows_per_second: In batches, likewise.
        threads: CPU threads that were measured with, likewise.
        size_mb: All files of the bundle, 10^6 bytes.
        created: When the version was kept, ISO 8601, UTC; "" where that is not known.
    """

    base: str
    parents: dict[str, str]
    engine: str
    candidates: list[Candidate]
    latency_ms: float | None
    p95_ms: float | None
    rows_per_second: float | None
    threads: int | None
    size_mb: float
    created: str


@dataclass(frozen=True)
class Licences:
    """Of what it is and was made from; "" where it is not known.

    Attributes:
        agent: As the spec's serve.page.license says.
        base: Of the encoder, where the catalogue knows it.
        data: Of the sources, each once.
    """

    agent: str
    base: str
    data: list[str]


@dataclass(frozen=True)
class ModelCard:
    """What a person should know of an agent.

    Attributes:
        name: The agent.
        version: Its number in the model store; null where it is a lone bundle.
        digest: Of the bundle.
        use: What it is meant for.
        contact: Whom to ask.
        does: What it does.
        measured: How good it is; null where the metrics are not at hand.
        gated: What the gates said; null likewise.
        learned_from: Its rows; null likewise.
        limits: Where it is weak, a sentence each.
        licences: Of the agent, its encoder and its data.
        made_from: How it was made.
        missing: What this card cannot say, and why.
    """

    name: str
    version: int | None
    digest: str
    use: str
    contact: str
    does: Does
    measured: Measured | None
    gated: Gated | None
    learned_from: LearnedFrom | None
    limits: list[str]
    licences: Licences
    made_from: MadeFrom
    missing: list[str]
