"""Values as text that a person can read and that hides nothing."""

from __future__ import annotations

import math
import re

from bertworks.shortened import shortened

# Characters that a browser hides or that turn the reading direction of what follows.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def number(value: object) -> str:
    """A number as people read it: 12,345 or 0.8312; anything else as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return visible(value)
    if not math.isfinite(value):
        return "n/a"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def visible(value: object) -> str:
    """Text with control characters and direction marks spelled out (such as \\x00 or \\u202e)."""
    return _INVISIBLE.sub(
        lambda match: match[0].encode("unicode_escape", "backslashreplace").decode(), str(value)
    )


def visible_lines(text: str) -> str:
    """Text of several lines made `visible`, each line break a plain one."""
    return "\n".join(visible(line) for line in text.splitlines())


def cut(value: object, length: int) -> str:
    """Text made `visible` and cut to at most `length` characters, the last one an ellipsis."""
    return shortened(visible(value), length)


def spoken(name: str) -> str:
    """The name of a metric as people write it."""
    known = {
        "macro_f1": "macro F1", "micro_f1": "micro F1", "mcc": "MCC", "roc_auc": "ROC-AUC",
        "entity_f1": "entity F1", "token_f1": "token F1 (O included)", "mae": "MAE",
        "rmse": "RMSE", "pearson": "Pearson", "spearman": "Spearman",
        "entity_macro_f1": "entity macro F1", "token_macro_f1": "token macro F1",
    }  # fmt: skip
    return known.get(name, name.replace("_", " "))
