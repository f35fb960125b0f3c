"""A server in this process that follows a store, asked over ASGI; the test looks at the store itself."""

from __future__ import annotations

import asyncio
import json
import threading

from asgi import Client

from bertworks.serving.assembly import Serving
from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import in_store
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.serving.upgrades import joining
from bertworks.serving.upgrades.shadow import Shadow
from bertworks.serving.upgrades.upgrading import Following, Upgrading

TEXTS = ["good film", "bad story .", "so so", "the very good plot , a film", "films", "b"]

LAST = Exchange("", "")


class Server:
    """A model `mood` that follows a store.

    Args:
        uri: The store.
        following: More of `Following`.
    """

    def __init__(self, uri, threads=1, **following):
        self.uri = str(uri)
        self.serving = Serving.of(None, threads)
        located = in_store(self.uri, "mood", 1)
        bundle = LoadedBundle.load(
            located.folder, self.serving.models.batcher, "mood", located.identity
        )
        self.model = ServedModel("mood", OneBundle(bundle))
        self.serving.models.add(self.model)
        # Told last, as observers are told in turn: what came before LAST was told to all of them.
        self.told = threading.Event()
        joining.following({"mood": Following(self.uri, "mood", **following)})(self.serving)
        self.upgrading: Upgrading = self.serving.started[-1].__self__
        self.serving.observers.add(self)
        self.app, _ = self.serving.application()

    async def __aenter__(self):
        """As when it listens, but for the thread that looks."""
        self.upgrading._shadow = Shadow(
            asyncio.get_running_loop(), counted=self.upgrading._meters.shadow
        )
        return self

    async def __aexit__(self, *error):
        await asyncio.to_thread(self.serving.observers.close)
        self.serving.models.batcher.close()

    def answered(self, exchange):
        if exchange is LAST:
            self.told.set()

    async def ask(self, texts, name="", key=None):
        """A V2 request; its answer as JSON, with the status."""
        data = [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]
        body = json.dumps({"inputs": data}).encode()
        headers = [(b"x-request-id", name.encode())] if name else []
        client = Client("POST", "/v2/models/mood/infer", body, headers)
        if key is not None:
            client.scope["bertworks.caller"] = key
        await client.ask(self.app)
        return client.status, client.json()

    async def get(self, path):
        client = await Client("GET", path).ask(self.app)
        return client.status, client.json()

    async def look(self):
        await asyncio.to_thread(self.upgrading.look)

    async def settled(self):
        """Until observers were told of all that was answered, and shadows have answered."""
        self.told.clear()
        self.serving.observers.tell(LAST)
        while not self.told.is_set():
            await asyncio.sleep(0.001)
        shadow = self.upgrading._shadow
        while shadow._waiting:
            await asyncio.sleep(0.001)
