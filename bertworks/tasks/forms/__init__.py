"""The forms that a row's text can have: one text, a pair of texts, a list of words."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bertworks.tasks.forms.form import RowForm

__all__ = ["form_named"]


@cache
def form_named(name: str) -> RowForm:
    """A form by its name, which is that of its module too."""
    found: RowForm = importlib.import_module(f"{__name__}.{name}").FORM
    return found
