"""A run in which a step fails, as a program sees it."""

import json
import pickle
from pathlib import Path

import pytest

from bertworks import Agent
from bertworks.errors import DataError, StepFailed

SIZES = {"vocab_size": 200, "layers": 1, "hidden_size": 32, "heads": 2, "intermediate_size": 64}


def test_a_step_that_fails_says_which_why_where_and_what_to_do(tmp_path: Path) -> None:
    rows = [{"text": f"the plot {number}", "label": "gb"[number % 2]} for number in range(60)]
    rows.append({"text": "odd one out", "label": "rare"})
    with pytest.raises(StepFailed) as raised:
        Agent.fit(
            rows, base={"uri": "scratch", "scratch": SIZES}, root=tmp_path, progress=False,
            set={"validate.checks.near_duplicates": "ignore"},
        )  # fmt: skip
    failed = raised.value
    assert failed.step == "validate" and "fewer than 2 training rows: 'rare'" in failed.reason
    assert failed.fix and failed.fix not in failed.reason
    assert Path(failed.log).is_file() and failed.log.endswith("logs/validate.log")
    assert failed.exit_code == DataError.exit_code
    for said in (failed.step, failed.reason, f"fix: {failed.fix}", f"log: {failed.log}", "--debug"):
        assert said in str(failed)
    again = pickle.loads(pickle.dumps(failed))
    assert str(again) == str(failed) and vars(again) == vars(failed)


@pytest.mark.parametrize("given", ["a file", "dicts"])
@pytest.mark.parametrize(
    ("labels", "said"), [("g", "split has no rows"), ("g" * 60, "too few labels")]
)
def test_rows_of_which_no_agent_can_be_made_begin_no_run(
    tmp_path: Path, given: str, labels: str, said: str
) -> None:
    rows = [{"text": f"the plot {number}", "label": label} for number, label in enumerate(labels)]
    if given == "a file":
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=said) as raised:
        Agent.fit(file if given == "a file" else rows, root=tmp_path / "root", progress=False)
    assert "rows" in raised.value.fix
    assert not (tmp_path / "root/runs").exists() or not [*(tmp_path / "root/runs").iterdir()]
