"""Texts, labels and names that are HTML are shown as they are written, on every page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.harness import charts as benchmark_charts
from benchmarks.harness.results import Row
from bertworks.compression.candidates import Candidate
from bertworks.compression.quantization import Compressed
from bertworks.contracts.bundle import Check as Limit
from bertworks.contracts.decision import DECISION, Decision, Rule
from bertworks.contracts.examples import Examples
from bertworks.contracts.latency import LATENCY, Load, Speed
from bertworks.contracts.metrics import (
    CONFUSION,
    ERRORS,
    FLOOR,
    METRICS,
    REPORT,
    Confusion,
    LabelReport,
    LabelScores,
    Metric,
    Spans,
    WrongRow,
)
from bertworks.contracts.retraining import Drift, Outcome
from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.contracts.statistics import CHECKS, Check
from bertworks.contracts.tuned import Chosen, SearchTimes, Trial, Tuned
from bertworks.data.validation.labels import LabelCounter
from bertworks.data.validation.profile.scan import Scan
from bertworks.notices import Notice
from bertworks.pages import (
    candidates,
    comparison,
    evaluation,
    gates,
    outcome,
    statistics,
    tuning,
)
from bertworks.pages.charts import bar_chart, heat_table, histogram, line_chart
from bertworks.pages.parts import Badge, Code, MarkedSentence, PlainPage, Short, Table, marked
from bertworks.pages.report import page as report
from bertworks.retraining.champion import Past
from bertworks.retraining.comparison import Comparison
from bertworks.retraining.plan import RetrainingPlan
from bertworks.spec import Task
from bertworks.storage import artifacts
from components import shown
from components.deploy import view as deployed

EVIL = """<script>alert("1")</script><img src='http://x.invalid/a' onerror="alert(2)">"""
QUIET = Load(1.0, 1.0, 1.0, 1.0)


class Parsed(HTMLParser):
    """The tags of a page, and the names of their attributes, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}


PAGES: dict[str, Callable[[Path], str]] = {}
"""What writes each page about such texts; it is given an empty folder."""


def page_of(make: Callable[[Path], str]) -> Callable[[Path], str]:
    PAGES[make.__name__] = make
    return make


@page_of
def pieces(folder: Path) -> str:
    words = MarkedSentence([(EVIL, marked([EVIL, EVIL, EVIL], [(EVIL, 1, 2)], [EVIL]))])
    cells = [EVIL, Badge(EVIL), Code(EVIL), Short(EVIL), words]
    table = Table([EVIL] * 5, [cells, cells], unfolded=1)
    return str(
        PlainPage(
            EVIL,
            [
                table,
                bar_chart([EVIL], [1.0], EVIL),
                histogram([0.0, 1.0], [1.0], EVIL),
                line_chart({EVIL: [(0.0, 1.0), (1.0, 2.0)]}, EVIL, EVIL),
                heat_table([EVIL], [[1]]),
            ],
        )
    )


@page_of
def quantize_step(folder: Path) -> str:
    limit = Limit(EVIL, 1.0, 2.0, False, EVIL)
    found = Candidate(EVIL, folder, checks=[limit], batch_ms=[1.0], reason=EVIL)
    return candidates.page(Compressed([found], QUIET), EVIL, 2)


@page_of
def tune_step(folder: Path) -> str:
    best = Trial(0, Chosen(learning_rate=1e-4), [0.5, 0.6], 0.6, "complete")
    lost = Trial(1, Chosen(), [], None, "diverged")
    found = Tuned(EVIL, 0, best.settings, 0.6, [0, 1], [best, lost], {EVIL: 1.0}, "trials")
    return tuning.render(found, SearchTimes(2.0, [1.0, 1.0]))


@page_of
def compare_step(folder: Path) -> str:
    plan = RetrainingPlan(
        fresh=frozenset({"1"}),
        relabelled=0,
        waiting=frozenset(),
        rehearsed=frozenset(),
        left_out=0,
        split={"1": "train"},
        labels=frozenset({EVIL}),
        new_labels=frozenset({EVIL}),
    )
    past, drifts = Past(notes=(EVIL,)), [Drift(EVIL, 0.5, 0.1, False)]
    return comparison.page(EVIL, Comparison(True, EVIL, plan, 1, drifts, past, {EVIL: (1, 2)}))


@page_of
def evaluate_step(folder: Path) -> str:
    measured(folder)
    return evaluation.page(EVIL, folder)


@page_of
def evaluate_step_in_tagging(folder: Path) -> str:
    measured(folder, Spans([(EVIL, 0, 1)], [(EVIL, 1, 2)]))
    return evaluation.page(EVIL, folder)


@page_of
def evaluate_step_with_many_labels(folder: Path) -> str:
    measured(folder)
    labels = [EVIL, *map(str, range(evaluation.MOST_LABELS))]
    CONFUSION.write(folder, Confusion(labels, [[1] * len(labels)] * len(labels)))
    return evaluation.page(EVIL, folder)


@page_of
def gate_step(folder: Path) -> str:
    return gates.gate_page(EVIL, decision())


@page_of
def notify_step(folder: Path) -> str:
    ended = Outcome(EVIL, EVIL, EVIL, "failed", text=EVIL, step=EVIL, metric=EVIL)
    return outcome.page(ended)


@page_of
def validate_step(folder: Path) -> str:
    scan = Scan(LabelCounter(Task()))
    scan.labels.rows["train"][EVIL] = 3
    check = Check(EVIL, EVIL, False, EVIL, rows=[EVIL], twins={EVIL: EVIL})
    info = Examples(Task(), {EVIL: 1}, labels=[EVIL], read=1)
    return statistics.render(scan, [check], {EVIL: (EVIL, EVIL)}, info)


@page_of
def deploy_step(folder: Path) -> str:
    told = dict.fromkeys(
        ("name", "version", "previous", "digest", "kind", "namespace", "image", "url", "ready",
         "seconds"), EVIL,
    )  # fmt: skip
    return deployed.page({**told, "answer": {"prediction": EVIL}})


@page_of
def step_without_a_page(folder: Path) -> str:
    return shown.with_notices(shown.page(EVIL, {EVIL: 1.0}, {}), [Notice(EVIL, "warning", 1, EVIL)])


@page_of
def report_of_a_run(folder: Path) -> str:
    notices = [Notice(f"{number} {EVIL}", more=EVIL) for number in range(20)]
    step = RunStep(EVIL, EVIL, seconds=2.0, message=EVIL, notices=notices)
    with artifacts.write(
        folder / "metrics", kind="metrics", producer=EVIL, metadata={"metric": EVIL, "value": 0.5}
    ) as inside:
        measured(inside)
    with artifacts.write(folder / "statistics", kind="statistics", producer=EVIL) as inside:
        CHECKS.write(inside, [Check(EVIL, "error", False, EVIL)])
    with artifacts.write(folder / "decision", kind="decision", producer=EVIL) as inside:
        DECISION.write(inside, decision())
    names = ("statistics", "decision")
    paths = {name: str(folder / name) for name in names}
    paths |= dict.fromkeys(("model_metrics", "bundle_metrics"), str(folder / "metrics"))
    run = RunRecord(
        name=EVIL,
        spec={EVIL: EVIL, "description": EVIL, "task": {"type": EVIL}},
        started=EVIL,
        seconds=3.0,
        steps=[step],
        artifacts=paths,
    )
    report.build(run, folder / "report.html")
    page = (folder / "report.html").read_text("utf-8")
    assert "cannot be shown" not in page
    return page


@page_of
def report_of_a_failure(folder: Path) -> str:
    failed = RunStep(EVIL, "failed", seconds=2.0, message=EVIL)
    # Its metrics are damaged, and the error names what is in them.
    with artifacts.write(folder / "metrics", kind="metrics", producer=EVIL) as inside:
        measured(inside)
        artifacts.write_json(inside / METRICS.name, [{EVIL: EVIL}])
    paths = {"model_metrics": str(folder / "metrics")}
    report.build(RunRecord(name=EVIL, steps=[failed], artifacts=paths), folder / "report.html")
    return (folder / "report.html").read_text("utf-8")


def measured(folder: Path, spans: Spans | None = None) -> None:
    """Writes what an evaluation leaves."""
    folder.mkdir(exist_ok=True)
    entries = [
        Metric(EVIL, 0.5, 0.4, 0.6, rows=3),
        *(Metric(EVIL, 0.5, slice=f"{EVIL}={EVIL}{number}", rows=3) for number in range(30)),
    ]
    METRICS.write(folder, entries)
    FLOOR.write(folder, entries[:1])
    LATENCY.write(folder, Speed(1.0, 2.0, 2.0, QUIET, 100.0, 1.0, 1))
    CONFUSION.write(folder, Confusion([EVIL], [[3]]))
    scores = {EVIL: LabelScores(0.5, 0.5, 0.5, 3)}
    REPORT.write(folder, LabelReport(scores, scores))
    ERRORS.write(folder, [WrongRow("1", f"{EVIL} b", EVIL, [EVIL], 1.0, spans)])


def decision() -> Decision:
    rule = Rule(EVIL, 1.0, 2.0, False, note=EVIL)
    return Decision(False, EVIL, [rule], [EVIL], outcome="refused")


@pytest.mark.parametrize("name", PAGES)
def test_hostile_texts_are_shown_as_they_are_written(name: str, tmp_path: Path) -> None:
    page = PAGES[name](tmp_path)
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;" in page
    parsed = Parsed(page)
    assert not parsed.tags & {"script", "img", "link", "iframe"}
    # Where a value ended early, what follows would be an attribute of its own.
    assert not [name for name in parsed.attributes if name in ("src", "href") or name[:2] == "on"]


def test_hostile_names_are_text_in_the_benchmarks_drawings() -> None:
    row = Row(EVIL, EVIL, "s", own=1.0, peer_value=2.0, ratio=2.0, goal=1.0)
    for drawn in (
        benchmark_charts.ratio_chart([row]),
        benchmark_charts.line_chart({EVIL: [(0.0, 1.0), (1.0, 2.0)]}, EVIL, EVIL),
    ):
        tags = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(drawn).iter()}
        assert tags <= {"svg", "style", "text", "rect", "title", "line", "polyline", "circle"}
