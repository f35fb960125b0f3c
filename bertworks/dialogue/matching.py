"""Questions that the flow does not know: a document answers them, as it stands.

What is said is a document's own text, word for word, found by a trained agent of task `matching`, and
the trace names it. Nothing of it is read as an act: no document can make the dialogue do anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bertworks.dialogue.acts import Act
from bertworks.dialogue.hearing import Answering
from bertworks.dialogue.policies import Candidate, Choice

QUOTE = "quote"
"""What is done where a document answers; no policy's action: it is taken before one is asked."""
_SHOWN = 3


@dataclass(frozen=True)
class Quote:
    """A document that answers.

    Attributes:
        document: Its id.
        text: What is said.
        near: Ids of the nearest documents with their cosines, 0 to 1, the best first.
        by: What found it.
    """

    document: str
    text: str
    near: tuple[Candidate, ...]
    by: str

    @property
    def forms(self) -> tuple[str, ...]:
        """Where an answer has its templates: there are none."""
        return (QUOTE,)

    @property
    def acts(self) -> tuple[Act, ...]:
        """What the agent says."""
        return (Act(QUOTE, "document", self.document),)

    @property
    def choice(self) -> Choice:
        """For the trace; it was no policy's, so that it has no probability under one."""
        return Choice(QUOTE, self.by, self.near)


class Matching(Protocol):
    """Finds the document that answers a text."""

    @property
    def name(self) -> str: ...

    def find(self, text: str) -> Quote | None:
        """The document that fits best; None where none fits."""
        ...


class Found:
    """Documents found by a trained agent.

    Args:
        agent: Of task `matching`.
        name: For the trace.
    """

    def __init__(self, agent: Answering, name: str) -> None:
        self._agent, self.name = agent, name

    def find(self, text: str) -> Quote | None:
        """See `Matching.find`."""
        (answer,) = self._agent.predict([text])
        if not answer["document"]:
            return None
        found = answer["documents"]
        near = [Candidate(one["id"], max(0.0, one["score"])) for one in found[:_SHOWN]]
        return Quote(answer["document"], found[0]["text"], tuple(near), f"matching: {self.name}")
