"""What Kubernetes takes as amounts, names and labels, checked before anything is submitted.

The rules are those of the Kubernetes API (quantities, DNS labels, label keys and values) and, where
they are narrower, of KFP's SDK, which knows no fractions of memory and no `k`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_PREFIX = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)"
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_UNITS = {
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)},
    **{letter: 1000**power for power, letter in enumerate("MGTPE", start=2)},
    "": 1,
}


def as_text(value: Any) -> Any:
    """YAML reads 2 as a number and true as a boolean; Kubernetes takes text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def memory_bytes(amount: str) -> int:
    """Bytes of a memory quantity, e.g. 8Gi.

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"([1-9][0-9]*)([KMGTPE]i|[MGTPE])?", amount)
    if found is None:
        raise ValueError(
            "must be a whole number with a unit: Ki, Mi, Gi, Ti, M, G or T, e.g. 8Gi (1.5Gi is 1536Mi). "
            f"Received: {amount!r}"
        )
    return int(found[1]) * _UNITS[found[2] or ""]


def _cpu(amount: str) -> str:
    whole = re.fullmatch(r"[1-9][0-9]*m|[0-9]+(\.[0-9]{1,3})?", amount)
    if whole is None or (not amount.endswith("m") and float(amount) == 0):
        raise ValueError(
            f"must be a number of CPUs, e.g. 2, 0.5, or 500m (thousandths). Received: {amount!r}"
        )
    return amount


def _memory(amount: str) -> str:
    if memory_bytes(amount) < 1024**2:
        raise ValueError(f"is less than 1Mi: is a unit missing, as in 8Gi? Received: {amount!r}")
    return amount


def _matching(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {rule}. Received: {text!r}")
        return text

    return AfterValidator(check)


Text = Annotated[str, BeforeValidator(as_text)]
Cpu = Annotated[Text, AfterValidator(_cpu)]
Memory = Annotated[Text, AfterValidator(_memory)]
LabelKey = Annotated[
    Text,
    _matching(
        f"{_PREFIX}?{_NAME}",
        "a label's key: letters, digits, '-', '_' and '.', at most 63, with or without a DNS/ before",
    ),
]
LabelValue = Annotated[
    Text,
    _matching(
        f"({_NAME})?",
        "a label's value: at most 63 letters, digits, '-', '_' and '.', of which the first and the "
        "last are letters or digits",
    ),
]
ResourceName = Annotated[
    str, _matching(_PREFIX + _NAME, "a resource's full name, e.g. nvidia.com/gpu")
]
Image = Annotated[
    str, _matching(r"[a-zA-Z0-9][-a-zA-Z0-9._:/@]*", "an image, e.g. registry.example/agents:1.2.0")
]
EnvName = Annotated[
    str, _matching("[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits and '_'")
]
