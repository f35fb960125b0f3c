"""Utterances of the town's users: a setting file with some in its test part for all that they say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import yaml

from tests.dialogue.helpers import FILE

_BEGIN = ["", "Hm, ", "Well, ", "Look, ", "You see, ", "So, ", "Er, ", "Now "]
_INFORM = {
    "Food;": "I want #R-FOOD# food",
    "Area;": "somewhere in the #R-AREA# please",
    "Price;": "I would like it to be #R-PRICE#",
    "Name;": "tell me about #R-NAME#",
    "Food;Area;": "is there #R-FOOD# food in the #R-AREA# ?",
}
_REQUEST = {
    "Phone;": "their phone ?",
    "Addr;": "their address ?",
    "Post;": "their postcode ?",
    "Food;": "what food is it ?",
    "Area;": "in which area is it ?",
    "Price;": "which pricerange is it ?",
    "Phone;Addr;": "the phone and the address please",
}
_BARE = {"affirm": "yes", "negate": "nope", "another": "another one", "bye": "goodbye",
         "dontcare": "it does not matter"}  # fmt: skip
_MENTIONS = ["phone", "address", "postcode", "food", "area", "pricerange"]


def written(folder: Path) -> Path:
    """Writes the setting and its files; returns the setting."""
    filed = {
        "Inform": {slots: [one + text for one in _BEGIN] for slots, text in _INFORM.items()},
        "Request": {slots: [one + text for one in _BEGIN] for slots, text in _REQUEST.items()},
    }
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (folder / "filed.json").write_text(json.dumps(filed))
    (folder / "rows.json").write_text(json.dumps(rows))
    slots = {"Food": "food", "Area": "area", "Price": "pricerange", "Name": "name",
             "Phone": "phone", "Addr": "address", "Post": "postcode"}  # fmt: skip
    own = {intent: [one + text for one in _BEGIN] for intent, text in _BARE.items()}
    own["dontcare"] += [f"{one}any {slot}" for one in _BEGIN for slot in ("food", "area")]
    setting = {
        "templates": {"uri": "filed.json"},
        "knowledge": {"uri": "rows.json"},
        "intents": {"Inform": "inform", "Request": "request"},
        "slots": slots,
        "requests": ["request"],
        "mentions": {one: one for one in _MENTIONS},
        "own": own,
        "variants": {"cheap": ["budget"]},
        "test": 0.45,
        "seed": 3,
    }
    file = folder / "utterances.yaml"
    file.write_text(yaml.safe_dump(setting))
    return file
