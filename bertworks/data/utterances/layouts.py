"""The forms in which ConvLab's template generators file masked utterances."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Filed = dict[str, dict[str, list[str]]]
"""Act to slots (`Food;Price;`) to masked utterances (`#FOOD#`)."""

_MASK = re.compile(r"\[(?:[^\[\]+]*\+)+([^\[\]+]*?)\]")
_GREETS = ("General", "greet")
_SEVERAL = "-Several"


def is_flat(raw: Mapping[str, Any]) -> bool:
    """Whether an utterance's acts are one key, as CrossWOZ's: `Inform+餐馆+评分*Request+餐馆+名称`."""
    return bool(raw) and all(
        isinstance(texts, list) and (not key or "+" in key) for key, texts in raw.items()
    )


def filed_by_act(raw: Mapping[str, list[str]], asks_for_any: str = "名称") -> Filed:
    """CrossWOZ's utterances as MultiWOZ's are filed: by what one utterance does.

    `餐馆-Inform` tells values, `餐馆-Request` asks for columns, perhaps of an entity that it names;
    `General-bye` and the like say nothing else. Who asks for the name of what fits tells, and a greeting
    before it does not count. Utterances that do several of these, or speak of several domains, or name a
    column twice, stand under `餐馆-Several`: no one intent is right for them.

    Args:
        raw: Acts, `INTENT+DOMAIN+SLOT` joined by `*`, to utterances with masks `[INTENT+DOMAIN+SLOT]`.
        asks_for_any: The slot that is asked for by who only tells what it should be like; it names the
            entity.
    """
    found: Filed = {}
    for key, texts in raw.items():
        act, slots = _place(key, asks_for_any)
        told = (_MASK.sub(r"#\1#", text) for text in texts if isinstance(text, str))
        found.setdefault(act, {}).setdefault(slots, []).extend(told)
    return found


def several(filed: Mapping[str, Mapping[str, list[str]]], acts: Iterable[str]) -> int:
    """How many utterances of the acts' domains do several things at once."""
    domains = {act.partition("-")[0] for act in acts}
    return sum(
        len(texts) for one in domains for texts in filed.get(f"{one}{_SEVERAL}", {}).values()
    )


def _place(key: str, any_: str) -> tuple[str, str]:
    """The act and slots that an utterance is filed under."""
    acts = [tuple(one.split("+")) for one in key.split("*")]
    if any(len(one) < 3 for one in acts):
        return f"General{_SEVERAL}", "none"
    rest = [one for one in acts if one[:2] != _GREETS]
    kinds = {one[0] for one in rest}
    if not rest or kinds == {"General"}:
        said = {one[1] for one in rest} or {"greet"}
        return f"General-{'bye' if 'bye' in said else min(said)}", "none"
    domains = {one[1] for one in rest}
    told = [one[2] for one in rest if one[0] == "Inform"]
    asked = [one[2] for one in rest if one[0] == "Request" and one[2] != any_]
    named = [one for one in told if one != any_]
    clear = kinds <= {"Inform", "Request"} and len(domains) == 1
    domain = min(one[1] for one in rest if one[0] != "General")
    if not clear or len({*told}) < len(told) or (named and asked):
        return f"{domain}{_SEVERAL}", "none"
    return (f"{domain}-Request", ";".join(asked)) if asked else (
        f"{domain}-Inform", ";".join(told) or "none"
    )  # fmt: skip
