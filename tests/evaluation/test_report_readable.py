"""What a person sees of the report: order, folding, marks, notices, times, ellipses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks.contracts.decision import Decision, Rule
from bertworks.contracts.metrics import LabelReport, LabelScores, Metric
from bertworks.contracts.runs import RUN, RunRecord
from bertworks.evaluation import errors
from bertworks.evaluation.predictions import Predictions
from bertworks.notices import Notice
from bertworks.pages import evaluation as view
from bertworks.pages import gates as gates_view
from bertworks.pages.parts import PlainPage, Table
from bertworks.pages.report import dag as report_dag
from bertworks.pages.report import notices as report_notices
from bertworks.pages.views import environment
from bertworks.spec import Task


def entry(part: str, name: str, value: float, rows: int = 10) -> Metric:
    return Metric(name, value, slice=part, rows=rows)


def ran(*steps: dict[str, Any]) -> RunRecord:
    """The record of a run with these steps."""
    return RUN.of({"steps": steps}, "run.json")


def first_cells(page: str) -> list[str]:
    return re.findall(r"<tr><td[^>]*>([^<]*)</td>", page)


def test_label_slices_are_worst_first_and_folded_beyond_twenty() -> None:
    values = {f"l{number:02d}": (number * 7 % 25) / 25 for number in range(25)}
    entries = [entry(f"label={label}", "accuracy", value) for label, value in values.items()]
    page = str(view.slices(entries))
    assert first_cells(page) == sorted(values, key=values.__getitem__)
    shown, summary, hidden = page.partition("<details><summary>5 more, of 25</summary>")
    assert summary and len(first_cells(shown)) == 20 and len(first_cells(hidden)) == 5


def test_labels_that_are_numbers_are_worst_first_too_and_the_larger_of_two_alike() -> None:
    entries = [entry("label=1", "accuracy", 0.5, 3), entry("label=2", "accuracy", 0.9),
               entry("label=3", "accuracy", 0.5, 30)]  # fmt: skip
    assert first_cells(str(view.slices(entries))) == ["3", "1", "2"]


def test_ranges_stay_in_the_order_of_their_numbers() -> None:
    entries = [entry("length=3 to 9", "mae", 0.1), entry("length=10 to 20", "mae", 0.5)]
    assert first_cells(str(view.slices(entries))) == ["3 to 9", "10 to 20"]
    by_source = [entry("source=a", "mae", 0.1), entry("source=b", "mae", 0.5)]
    assert first_cells(str(view.slices(by_source))) == ["b", "a"]


def test_the_report_by_label_is_worst_first_and_folded() -> None:
    labels = {f"l{number}": LabelScores(1.0, 1.0, (30 - number) / 30, 5) for number in range(30)}
    page = str(view.report(LabelReport(labels)))
    assert first_cells(page)[:2] == ["l29", "l28"] and "10 more, of 30" in page


TAGS = Predictions(
    Task(type="tagging"), ["B-PER", "I-PER", "B-LOC", "O"], ["x", "y"],
    truth=[["O", "B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]],
    prediction=[["O", "B-PER", "O", "O", "B-LOC"], ["B-LOC", "O"]],
    probabilities=[[0.9] * 5, [0.9] * 2],
)  # fmt: skip


def test_entities_are_marked_in_their_sentences() -> None:
    text = "see Bob Dylan in <b>Rome</b>"
    (found,) = errors.worst(TAGS, [text, "Rome wins"], most=9)
    page = str(view.worst([found]))
    marks = re.findall(r"<mark[^>]*>([^<]*)<small>(\w+)</small></mark>", page)
    rome = "&lt;b&gt;Rome&lt;/b&gt;"
    assert marks == [("Bob Dylan", "PER"), (rome, "LOC"), ("Bob", "PER"), (rome, "LOC")]
    # The same kind has the same colour in both lines.
    assert len(set(re.findall(r"(var\(--c\d\))\">Bob", page))) == 1
    spans = errors.both_spans(TAGS, 1)
    assert spans is not None
    right = str(view.sentences("Rome wins", spans, ["LOC", "PER"]))
    assert right.count("<mark") == 1 and "truth" not in right


def test_an_entity_behind_the_cut_is_left_out() -> None:
    words = ["word"] * 300
    tags = ["O"] * 299 + ["B-PER"]
    long = Predictions(Task(type="tagging"), ["B-PER", "O"], ["x"], [tags], [["O"] * 300])
    (found,) = errors.worst(long, [" ".join(words)], most=9)
    assert found.text.endswith("…") and len(found.text) == errors.LONGEST
    assert "<mark" not in str(view.worst([found]))


@pytest.mark.parametrize("length", [errors.LONGEST, errors.LONGEST + 1])
def test_a_cut_text_ends_in_an_ellipsis_and_no_other_does(length: int) -> None:
    wrong = Predictions(Task(), ["a", "b"], ["x"], np.array([0]), np.array([1]))
    (found,) = errors.worst(wrong, ["x" * length], most=1)
    assert len(found.text) == errors.LONGEST
    assert found.text.endswith("…") == (length > errors.LONGEST)


def test_a_refusal_says_on_what_and_not_on_which_metric() -> None:
    rules = [Rule(name, 25.0, 70.0, False) for name in ("max_size_mb", "minimum", "max_latency_ms")]
    decision = Decision(False, "accuracy", rules[:1], [], outcome="refused")
    assert gates_view.refused_on(decision) == "on size"
    assert "refused</span> on size (metric: accuracy)" in str(gates_view.rules(decision))
    assert gates_view.refused_on(replace(decision, rules=rules)) == "on size, the score and latency"
    met = [replace(one, passed=True) for one in rules]
    assert gates_view.refused_on(replace(decision, rules=met)) == ""


def test_a_cached_step_shows_the_time_of_the_run_that_made_it() -> None:
    step = {"name": "finetune", "state": "cached", "cached": True, "seconds": 0.0}
    page = str(report_dag.section(ran({**step, "made_in_seconds": 187.0}), {}))
    assert ">cached: 3 min 07 s</text>" in page
    assert ">cached</text>" in str(report_dag.section(ran(step), {}))
    rest = {"name": "ingest", "state": "succeeded", "seconds": 2.0}
    both = str(report_dag.section(ran(rest, {**step, "made_in_seconds": 187.0}), {}))
    assert "From the cache: 1 step, made in 3 min 07 s" in both


def told(*notices: Notice) -> list[dict[str, Any]]:
    return [notice.to_json() for notice in notices]


def test_notices_stand_by_step_with_warnings_first_and_where_to_read_more(tmp_path: Path) -> None:
    (tmp_path / "rejected.jsonl").write_text("")
    merged = Notice("3 rows repeat <others> and were merged", "note", 3)
    dropped = Notice("12 rows were dropped", "warning", 12, "rejected.jsonl")
    late = Notice("The best epoch is the last", "warning", None, "history.json")
    run = ran(
        {"name": "ingest", "state": "succeeded", "notices": told(merged, dropped),
         "outputs": {"rejected": str(tmp_path)}},
        {"name": "validate", "state": "succeeded"},
        {"name": "finetune", "state": "cached", "notices": told(late)},
    )  # fmt: skip
    page = str(report_notices.section(run, {}))
    places = [page.index(text) for text in ("2 warnings, 1 note", "<h3>ingest", dropped.text,
              "repeat &lt;others&gt;", "<h3>finetune", late.text)]  # fmt: skip
    assert places == sorted(places) and "validate" not in page
    assert f"see <code>{tmp_path / 'rejected.jsonl'}</code>" in page
    assert "see <code>history.json</code>" in page
    # On the drawing each of the two has a dot.
    drawn = str(report_dag.section(run, {}))
    assert drawn.count('class="warnings" cx') == 2 and "<title>1 warning</title>" in drawn


def test_many_notes_are_folded_and_no_warning_is() -> None:
    notes = [Notice(f"note {number}") for number in range(15)]
    warnings = [Notice(f"warning {number}", "warning") for number in range(12)]
    page = str(report_notices.section(ran({"name": "a", "notices": told(*notes)}), {}))
    assert "<summary>7 notes more</summary>" in page
    both = ran({"name": "a", "notices": told(*notes, *warnings)})
    shown = str(report_notices.section(both, {})).partition("<details>")[0]
    assert all(notice.text in shown for notice in warnings) and "note 3" not in shown


def test_only_cells_with_room_to_wrap_may_break_a_word() -> None:
    """A narrow page scrolls its tables: a column of short words is as wide as its longest word."""
    words = "a sentence of so many words that it must wrap"
    table = Table(["label", "text"], [["Brandenburg", words]])
    cells = str(table)
    assert '<td dir="auto">Brandenburg</td>' in cells and cells.count('class="text"') == 1
    page = str(PlainPage("x", [table]))
    style = environment().from_string("{{ css('report/report.css') }}").render()
    everywhere = re.findall(r"([^{}]*)\{[^{}]*overflow-wrap: anywhere", page + style)
    assert not [rule for rule in everywhere if re.search(r"(^|[\s,])t[dh]\s*(,|$)", rule.strip())]
    assert re.search(r"td\.text \{ min-width: 13rem", page)
