"""SIGTERM while a model is trained: a pod is preempted or evicted, and has some seconds left.

The step under way is finished, a checkpoint is written, and then the process ends by that signal, as it
would have at once. How many seconds there are is up to those above us (Kubernetes gives 30, but KFP's
launcher may end earlier and take its children with it): a resumed run is right without them, it only
has more to do again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any


class Interruption:
    """Holds SIGTERM back while it is entered; outside of the main thread nobody can.

    Args:
        hold: False leaves the signal as it is.

    Attributes:
        asked: Whether the signal has come.
    """

    def __init__(self, hold: bool = True) -> None:
        self.asked = False
        self._hold = hold
        self._before: Any = None

    def __enter__(self) -> Interruption:
        if self._hold and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def obey(self) -> None:
        """Ends this process by the signal, which leaves no reason of failure behind."""
        print("interrupted by SIGTERM; the checkpoint is written", file=sys.stderr, flush=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
