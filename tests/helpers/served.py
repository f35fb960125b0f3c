"""Servers in this process, of agents that are loaded already."""

from bertworks.runtime.agent import Agent
from bertworks.serving.assembly import Serving
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel

DIGEST = "d" * 64


def serving_of(agents: dict[str, Agent], limits=None, *, threads=2, **more) -> Serving:
    """A server's parts; each agent is version 3 of its name."""
    serving = Serving.of(limits, threads, **more)
    for name, agent in agents.items():
        add(serving, name, agent)
    return serving


def add(serving: Serving, name: str, agent: Agent, identity: BundleIdentity | None = None):
    """Serves one more; returns its model."""
    known = identity or BundleIdentity(DIGEST, 3)
    bundle = LoadedBundle(agent, known, serving.models.batcher, name)
    model = ServedModel(name, OneBundle(bundle))
    serving.models.add(model)
    return model
