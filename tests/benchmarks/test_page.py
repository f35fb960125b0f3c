"""Results keep what was measured; the page is made of nothing else."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import page
from benchmarks.harness.results import Result, Row, compare, machine, ratio_text


def made_up(name: str = "agent") -> Result:
    row = compare(
        "batches of 32", "torch fp32", "s", [1.0, 2.0, 1.0], [8.0, 9.0, 10.0], goal=8.0,
        quality={"accuracy": 0.82},
    )  # fmt: skip
    slow = compare(
        "one & only", "ORT <int8>", "rows/s", [10.0], [20.0], higher_is_better=True, goal=3
    )
    alone = Row("help", "", "s", own=0.3, goal=0.25, at_most=True, note="cold")
    return Result(
        name=name,
        title="Made up",
        command=f"make bench-{name}",
        data="no rows",
        rows=[row, slow, alone],
        curves={"NER": {"ours": [(2.0, 0.8), (1.0, 0.9)], "peer": [(1.0, 0.7)]}},
        axes=("speed-up", "accuracy"),
        machine="a machine",
        measured="2026-01-02",
    )


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "performance.md"
    file.write_text(
        f"typed before\n{page.BEGIN}\nof last year\n{page.END}\ntyped after\n", encoding="utf-8"
    )
    return file


def test_ratios_are_of_medians_and_goals_are_judged() -> None:
    row, slow, alone = made_up().rows
    assert (row.own, row.peer_value, row.ratio) == (1.0, 9.0, 9.0)
    assert row.spread == (4.5, 10.0)
    assert (slow.ratio, slow.met) == (0.5, False)
    assert row.met
    assert alone.met is False


def test_a_small_ratio_keeps_its_digits() -> None:
    row = compare("steps", "product", "s", [1.0, 1.0], [0.02, 0.004])
    assert ratio_text(row) == "**0.0120x** (0.0040 to 0.0200; 2)"
    assert ratio_text(made_up().rows[0]) == "**9.00x** (4.50 to 10.00; 3)"


def test_round_trip(tmp_path: Path) -> None:
    kept = made_up().save(tmp_path)
    loaded = Result.load(kept)
    assert loaded.rows == made_up().rows
    assert loaded.markdown() == made_up().markdown()
    assert loaded.curves["NER"]["peer"] == [[1.0, 0.7]]


def test_the_page(tmp_path: Path, document: Path) -> None:
    made_up("overhead").save(tmp_path / "results")
    made_up("agent").save(tmp_path / "results")
    arguments = ["--results", str(tmp_path / "results"), "--page", str(document)]
    stale = tmp_path / "performance/gone.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    page.main(arguments)
    text = document.read_text("utf-8")
    assert text.startswith("typed before\n")
    assert text.endswith("typed after\n")
    assert "of last year" not in text
    assert text.index("### agent") < text.index("### overhead")
    assert "2 of 6 goals are met." in text
    assert "**falls short**" in text
    plots = sorted(one.name for one in (tmp_path / "performance").iterdir())
    assert plots == [
        "agent-ner.svg", "agent-ratios.svg", "overhead-ner.svg", "overhead-ratios.svg",
    ]  # fmt: skip
    for plot in plots:
        assert f"(performance/{plot})" in text
        ElementTree.parse(tmp_path / "performance" / plot)
    page.main(arguments)
    assert document.read_text("utf-8") == text


def test_a_result_that_cannot_be_read_is_named(tmp_path: Path, document: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/agent.json").write_text('{"name": "agent"}')
    with pytest.raises(SystemExit, match=r"agent.json cannot be read(.|\n)*make bench-agent"):
        page.main(["--results", str(tmp_path / "results"), "--page", str(document)])


def test_a_page_without_marks_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("typed")
    with pytest.raises(SystemExit, match="lacks the marks"):
        page.write([made_up()], file)
    assert file.read_text() == "typed"


def test_cpus_of_one_name_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    one = "processor\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: AMD EPYC\n\n"
    file.write_text(one.format(0, 25, 17) + one.format(1, 25, 17))
    assert machine(file).startswith("AMD EPYC (family 25, model 17), ")
    file.write_text(one.format(0, 26, 2))
    assert machine(file).startswith("AMD EPYC (family 26, model 2), ")
    file.write_text("")
    assert " threads, " in machine(file)
