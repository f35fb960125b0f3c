"""The report's table of candidates says what each limit said, and how sure a drop is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_candidates import NAMES, measured

from bertworks.compression.candidates import TIMINGS, Limits
from bertworks.compression.choosing import choose
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.files import to_json
from bertworks.contracts.runs import RunRecord
from bertworks.pages.report import compression as report_compression
from bertworks.spec import Task
from bertworks.storage import artifacts

SPEC = {
    "onnxruntime-fp32": (70.0, 4.0, 0, 0),
    "onnxruntime-int8": (18.2, 0.9, 30, 16),
    "openvino-bf16": (23.0, 2.2, 0, 0),
    "openvino-int8": (18.0, 1.3, 90, 0),
}


def test_the_report_says_what_each_gate_said(tmp_path: Path) -> None:
    limits = Limits(0.005, max_drop=0.02, max_size_mb=25.0, max_latency_ms=15.0)
    found: list[Any] = measured(SPEC, limits=limits)
    choose(found, "balanced", NAMES)
    with artifacts.write(
        tmp_path / "bundle", kind="bundle", producer="test", measured=(TIMINGS,)
    ) as folder:
        AGENT.write(folder, AgentRecord(Task(), 16, candidates=[one.tried() for one in found]))
        times = {"candidates": {one.name: to_json(one.times()) for one in found}}
        artifacts.write_json(folder / TIMINGS, times)
    bundle = artifacts.open_artifact(tmp_path / "bundle")
    html = str(report_compression.section(RunRecord(), {"bundle": bundle}))
    rows = {name: html.partition(f"{name}</td>")[2].partition("</tr>")[0] for name in NAMES}
    assert "max_size_mb not met" in rows["onnxruntime-fp32"]
    assert "70.0 MB with the tokenizer, gates.max_size_mb is 25" in rows["onnxruntime-fp32"]
    assert (
        "46 answers differ" in rows["onnxruntime-int8"] and "867 rows" in rows["onnxruntime-int8"]
    )
    assert "not met" not in rows["onnxruntime-int8"] and "chosen" in rows["onnxruntime-int8"]
    assert "quantize.max_drop not met" in rows["openvino-int8"]
    assert "max_latency_ms" in rows["openvino-bf16"] and "not met" not in rows["openvino-bf16"]
