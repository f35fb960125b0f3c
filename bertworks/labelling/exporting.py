"""Rows for annotation tools: CSV for spreadsheets, Label Studio's tasks, doccano's JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from bertworks.contracts.agent import AgentRecord
from bertworks.data.formats.csv_formulas import marked
from bertworks.errors import DataError
from bertworks.labelling.pool import Candidate
from bertworks.storage.replacing import named_place_fault, replacing
from bertworks.tasks import for_task, form_of

FORMATS = ("csv", "label-studio", "doccano")


def export(
    chosen: Sequence[Candidate],
    info: AgentRecord,
    out: Path,
    format_: str,
    version: str = "agent",
) -> list[Path]:
    """Writes rows to be labelled, with what the agent says of them.

    Args:
        chosen: The rows, most wanted first.
        info: Of the agent.
        out: The file; one that is there is not overwritten.
        format_: One of FORMATS.
        version: Which agent says it: Label Studio keeps what several say apart.

    Returns:
        The files: for Label Studio also its labelling interface, `OUT.xml`.

    Raises:
        DataError: The file is there already, or the format does not hold what the task needs.
    """
    target = for_task(info.task, info.labels, info.score).target
    if format_ not in FORMATS:
        raise DataError(
            f"The format must be one of {', '.join(FORMATS)}. Received: {format_!r}",
            "Give one of them.",
        )
    if not target.has_labels and not target.numeric:
        raise DataError(
            f"This agent answers with {target.value_name}s, which an annotation tool has no list of.",
            "Give rows of texts with what belongs to them to a source of the spec (data.sources).",
        )
    if out.exists():
        raise DataError(
            f"{out} is there already: somebody may be labelling it.", "Name another file."
        )
    if format_ == "doccano" and target.kinds(info.labels) and target.choices(info.labels):
        raise DataError(
            "doccano has no place for an intent beside spans of text, which this agent learns from.",
            "Give the format label-studio.",
        )
    view = out.with_suffix(".xml")
    if format_ == "label-studio" and view.exists():
        raise DataError(
            f"{view} is there already: the labelling interface would be written over it.",
            "Name another file.",
        )
    if target.per_word and format_ == "csv":
        raise DataError(
            "A CSV file has no place for spans of text, which a tagging agent learns from.",
            "Give the format label-studio or doccano.",
        )
    with (
        replacing(out, fault=named_place_fault) as path,
        path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as stream,
    ):
        if format_ == "csv":
            _write_csv(chosen, stream)
        elif format_ == "doccano":
            for one in chosen:
                stream.write(json.dumps(_doccano(one), ensure_ascii=False) + "\n")
        else:
            tasks = [_task(one, version) for one in chosen]
            json.dump(tasks, stream, ensure_ascii=False, indent=1)
    if format_ != "label-studio":
        return [out]
    with replacing(view, fault=named_place_fault) as path:
        path.write_text(interface(info), encoding="utf-8")
    return [out, view]


def interface(info: AgentRecord) -> str:
    """Label Studio's labelling interface for a task."""
    target = for_task(info.task, info.labels, info.score).target
    shown = form_of(info.task).inputs
    texts = "".join(f'  <Text name="{name}" value="${name}"/>\n' for name in shown)
    if target.numeric:
        return f'<View>\n{texts}  <Number name="label" toName="{shown[0]}"/>\n</View>\n'
    marks = chosen = ""
    if target.per_word:
        own = "".join(
            f"    <Label value={quoteattr(name)}/>\n" for name in target.kinds(info.labels)
        )
        marks = f'  <Labels name="label" toName="text">\n{own}  </Labels>\n'
    if names := target.choices(info.labels):
        many = "multiple" if target.many and not target.per_word else "single"
        own = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in names)
        called = "intent" if target.per_word else "label"
        chosen = (
            f'  <Choices name="{called}" toName="{shown[0]}" choice="{many}">\n{own}  </Choices>\n'
        )
    return f"<View>\n{marks}{texts}{chosen}</View>\n"


def _write_csv(chosen: Sequence[Candidate], stream: Any) -> None:
    names = list(dict.fromkeys(name for one in chosen for name in one.shown))
    writer = csv.DictWriter(stream, ["id", *names, "label", "predicted", "sureness"])
    writer.writeheader()
    for one in chosen:
        known = {"id": one.key, "label": "", "predicted": _said(one.answer)}
        cells = {name: marked(value) for name, value in {**known, **one.shown}.items()}
        writer.writerow({**cells, "sureness": round(1 - one.doubt, 4)})


def _doccano(one: Candidate) -> dict[str, Any]:
    """What is labelled already would count as labelled by hand: so it stands beside."""
    shown = one.shown
    if "text_a" in shown:
        shown = {"text": f"{shown['text_a']}\n{shown['text_b']}", **shown}
    beside = {"predicted": _said(one.answer), "sureness": round(1 - one.doubt, 4)}
    return {**shown, "label": [], "key": one.key, **beside}


def _task(one: Candidate, version: str) -> dict[str, Any]:
    """A task of Label Studio, with what the agent says as a prediction to begin from."""
    first = next(iter(one.shown))
    results = [{"from_name": "label", "to_name": first, **part} for part in _results(one.answer)]
    prediction = {"model_version": version, "score": round(1 - one.doubt, 4)}
    return {
        "data": {**one.shown, "key": one.key},
        "predictions": [{**prediction, "result": results}],
    }


def _results(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "entities" in answer:
        intent = answer.get("intent")
        whole = {"from_name": "intent", "type": "choices", "value": {"choices": [intent]}}
        return ([whole] if intent is not None else []) + [
            {
                "type": "labels",
                "value": {
                    "start": found["start"],
                    "end": found["end"],
                    "text": found["text"],
                    "labels": [found["type"]],
                },
            }
            for found in answer["entities"]
        ]
    if "label" in answer or "labels" in answer:
        given = [answer["label"]] if "label" in answer else list(answer["labels"])
        return [{"type": "choices", "value": {"choices": given}}]
    return [{"type": "number", "value": {"number": answer["score"]}}] if "score" in answer else []


def _said(answer: Mapping[str, Any]) -> str:
    """What the agent says, in a cell."""
    if "entities" in answer:
        marked = [f"{one['text']} ({one['type']})" for one in answer["entities"]]
        return ", ".join([answer["intent"], *marked] if "intent" in answer else marked)
    if "labels" in answer:
        return "|".join(answer["labels"])
    return str(answer.get("label", answer.get("score", "")))
