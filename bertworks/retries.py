"""Doing again what may go better the next time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity import Retrying


def retrying(
    waits: Sequence[float], passes: Callable[[Exception], bool], *, jitter: float = 0.0
) -> Retrying:
    """Calls again where a call fails: `retrying((1.0, 5.0), passes)(call, argument)`.

    Args:
        waits: Seconds before the second try, the third, ...; after those what it raises is raised.
        passes: Whether a fault may pass; another one is raised at once, as are Ctrl-C and the like.
        jitter: The part by which a wait is longer or shorter at random, so that many do not ask at once.
    """
    from tenacity import (  # not at the start of every command
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        wait_chain,
        wait_none,
        wait_random,
    )

    chain = [wait_random((1 - jitter) * wait, (1 + jitter) * wait) for wait in waits]
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and passes(error)),
        stop=stop_after_attempt(len(waits) + 1),
        wait=wait_chain(*chain) if chain else wait_none(),
        reraise=True,
    )
