"""The short form fails when a ratio falls by more than a third, and only then."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import short
from benchmarks.harness.results import compare

ROWS = [compare("agent", "torch", "s", [1.0, 1.0, 1.2], [6.0, 6.6, 6.0])]


def test_a_ratio_that_fell_by_more_than_a_third_is_named() -> None:
    ratios = short.ratios_of(ROWS)
    assert ratios == {"agent, torch": 6.0}
    found = short.fallen(ratios, {"agent, torch": 9.1})
    assert found[-1] == "| agent, torch | 9.1 | 6.0 |"
    assert short.fallen(ratios, {"agent, torch": 8.9}) == []
    assert short.fallen(ratios, {"agent, torch": 3.0, "another": 99.0}) == []


def test_a_ratio_without_a_baseline_is_named() -> None:
    assert short.fallen(short.ratios_of(ROWS), {})[-1] == "| agent, torch | - | 6.0 |"


@pytest.mark.parametrize(("baseline", "code"), [(9.1, 1), (8.9, 0)])
def test_the_command_fails_with_it(baseline: float, code: int, tmp_path, warm_python: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({short.kind(): {"agent, torch": baseline}}))
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nfrom benchmarks import short\n"
        "from tests_rows import ROWS\n"
        f"short.BASELINE = Path({str(file)!r})\n"
        "short.make = lambda *_: None\n"
        "short.PARTS['agent'] = lambda *_: ROWS\n"
        "sys.argv = ['short', '--only', 'agent']\nshort.main()"
    )
    (tmp_path / "tests_rows.py").write_text(
        "from benchmarks.harness.results import compare\n"
        "ROWS = [compare('agent', 'torch', 's', [1.0, 1.0, 1.2], [6.0, 6.6, 6.0])]\n"
    )
    done = subprocess.run(
        [warm_python, program],
        cwd=short.REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(short.REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert ("| agent, torch | 9.1 | 6.0 |" in done.stdout) == bool(code)


def test_made_up_rows_are_distinct_and_repeatable() -> None:
    from benchmarks.short_artifacts import rows_of

    rows = list(rows_of(50, 1))
    assert rows == list(rows_of(50, 1))
    assert len({text for text, _ in rows}) == 50
    assert {label for _, label in rows} == {"negative", "positive"}


def test_kinds_of_processors_are_told_apart_by_what_moves_the_ratios(tmp_path: Path) -> None:
    def kind(cpuinfo: str) -> str:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
        return short.kind(tmp_path / "cpuinfo")

    with_int8 = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\nflags\t\t: fpu\n"
    assert kind(with_int8).split()[1:] == ["avx2", "avx512f", "avx512_vnni"]
    assert kind("") == kind("flags : fpu sse2\n")
    intel, amd = (f"vendor_id : {one}\n{with_int8}" for one in ("GenuineIntel", "AuthenticAMD"))
    assert len({kind(with_int8), kind(intel), kind(amd)}) == 3
    for ratios in short.read().values():
        assert set(ratios) == set(next(iter(short.read().values())))
