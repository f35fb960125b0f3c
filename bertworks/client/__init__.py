"""A small client of an agent's server; the standard library alone.

from bertworks.client import Client

with Client("https://agents.example.com", model="reviews") as client:
    for answer in client.ask(["a warm film", "too long"]):
        print(answer["label"], answer["score"])
"""

from bertworks.client.answers import Answer, Asked, Entity, ServerRefused
from bertworks.client.client import Client

__all__ = ["Answer", "Asked", "Client", "Entity", "ServerRefused"]
