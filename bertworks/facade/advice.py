"""The advice in an error, as a program takes it."""

from __future__ import annotations

import re

from bertworks.errors import BertworksError

_OPTION = re.compile(r"(`[^`]*`)|--([a-z][a-z-]*)")


def in_python(fix: str) -> str:
    """A fix with the command line's options as arguments; commands between backticks stay.

    >>> in_python("Choose another one with --root; `bertworks models list --root X` shows them.")
    'Choose another one with root=; `bertworks models list --root X` shows them.'
    """
    return _OPTION.sub(lambda found: found[1] or f"{found[2].replace('-', '_')}=", fix)


def for_python(error: BertworksError) -> BertworksError:
    """The error, its fix as `in_python` has it."""
    error.fix = in_python(error.fix)
    return error
