"""A listener on loopback in a thread of this process."""

import contextlib
import threading

from bertworks.serving.http.gate import Gate
from bertworks.serving.http.listening import Listener
from bertworks.serving.line import Line
from bertworks.spec.limits import Limits


class InThread(Listener):
    """A listener that ends by `should_exit`: signals come to the main thread alone."""

    capture_signals = contextlib.nullcontext


@contextlib.contextmanager
def server_of(app, options=None, door=None, **given):
    """Serves an application behind the gate; gives its address and uvicorn's state.

    `options` are more of uvicorn's settings, `door` makes one for the gate, and `given` are limits.
    """
    limits, began = Limits(**given), threading.Event()

    async def begun():
        began.set()

    async def drain(seconds):
        pass

    gate = Gate(app, limits, Line(limits, limits.running or 2))
    made = None if door is None else door(gate)
    running = InThread(
        made or gate, host="127.0.0.1", port=0, limits=limits, grace=1, begun=begun, drain=drain,
        door=made, **(options or {}),
    )  # fmt: skip
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        assert began.wait(60)
        yield running.servers[0].sockets[0].getsockname(), running.server_state
    finally:
        running.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
