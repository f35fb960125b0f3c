"""A step's reason is read from its log as a whole, with all of its lines."""

from bertworks.contracts.decision import Decision
from bertworks.notices import Notice
from bertworks.storage.store import REFUSED, Version
from components.gate.step import _refusal
from pipelines.cluster.runs.reasons import parse


def test_a_gates_reasons_are_read_from_the_log() -> None:
    reasons = ["accuracy 0.463 is below 0.999", "and so on"]
    advice = "Lower gates.minimum, or train longer."
    kept = Version("agent", 2, REFUSED, False, None, "/bertworks/models/agent/2")
    notices = [Notice("59 rows cannot tell the limit.", "warning")]
    refused = _refusal(kept, Decision(False, "accuracy", [], reasons), notices, advice)
    log = (
        "[gate] comparing: done 1/1\n"
        f"step gate failed: {refused}\n"
        "F1122 19:44:45.000000 1 main.go:58] failed to execute component: exit status 6\n"
        "time=2026-11-22T19:44:45Z level=info msg=done\n"
    )
    found = parse("gate", log)
    assert found is not None and found.gate and found.exit_code == 6
    assert found.message == str(refused)
    assert "0.999" in found.message and "and so on" in found.message and "fix: " in found.message
    assert "59 rows" in found.message
