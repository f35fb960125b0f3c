"""What was said and decided in a turn, to be read: by a person, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.policies import Candidate, Choice
from bertworks.dialogue.state import State
from bertworks.errors import DataError

_SHOWN = 5


@dataclass(frozen=True)
class Trace:
    """One turn.

    Attributes:
        turn: Its number, from 1.
        text: What the user said; None where acts were given.
        understood: As what.
        understanding: By what: "keywords", or a bundle.
        state: After it was heard.
        matches: How many entities could be offered.
        knowledge: Digest of the knowledge base of this turn.
        choice: The action, what chose it, and the others with their scores.
        acts: What the agent says.
        answer: In which words.
        forms: Of which templates.
        notices: What was cut, refused or is out of date.
    """

    turn: int
    text: str | None
    understood: tuple[Heard, ...]
    understanding: str
    state: State
    matches: int
    knowledge: str
    choice: Choice
    acts: tuple[Act, ...]
    answer: str
    forms: tuple[str, ...]
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "turn": self.turn,
            "text": self.text,
            "understood": [one.to_json() for one in self.understood],
            "understanding": self.understanding,
            "state": self.state.to_json(),
            "matches": self.matches,
            "knowledge": self.knowledge,
            "choice": self.choice.to_json(),
            "acts": [one.to_json() for one in self.acts],
            "answer": self.answer,
            "forms": list(self.forms),
            "notices": list(self.notices),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Trace:
        """Reads what `to_json` wrote.

        Raises:
            DataError: It is damaged, or of another version.
        """
        try:
            choice = record["choice"]
            return cls(
                turn=int(record["turn"]),
                text=record["text"],
                understood=tuple(Heard.from_json(one) for one in record["understood"]),
                understanding=str(record["understanding"]),
                state=State.from_json(record["state"]),
                matches=int(record["matches"]),
                knowledge=str(record["knowledge"]),
                choice=Choice(
                    str(choice["action"]),
                    str(choice["by"]),
                    tuple(
                        Candidate(str(name), float(share)) for name, share in choice["candidates"]
                    ),
                    None if choice.get("probability") is None else float(choice["probability"]),
                ),
                acts=tuple(Act.from_json(one) for one in record["acts"]),
                answer=str(record["answer"]),
                forms=tuple(map(str, record["forms"])),
                notices=tuple(map(str, record["notices"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"This is no trace of a turn: {type(error).__name__}: {error}.",
                "An older version of bertworks may have written it.",
            ) from None

    def lines(self) -> list[str]:
        """For a terminal."""
        heard = " ".join(f"{one.act} {one.confidence:.2f}" for one in self.understood)
        wants = []
        for slot, belief in self.state.beliefs.items():
            if belief.value:
                sure = "confirmed" if belief.sure else f"{belief.probability:.2f}"
                wants.append(f"{slot}={' or '.join(belief.wanted)} ({sure})")
        more = [f"offered {self.state.offered}"] if self.state.offered else []
        more += [f"asked for {', '.join(self.state.requested)}"] if self.state.requested else []
        more += [f"turned down {', '.join(self.state.refused)}"] if self.state.refused else []
        best = " ".join(f"{one.action} {one.score:.2f}" for one in self.choice.candidates[:_SHOWN])
        left = len(self.choice.candidates) - _SHOWN
        return [
            f"understood  {heard} [{self.understanding}]",
            f"state       {'; '.join([*wants, *more]) or 'nothing yet'}; {self.matches} match",
            f"candidates  {best or 'none'}{f' and {left} more' if left > 0 else ''}",
            f"chosen      {self.choice.action} [{self.choice.by}]",
            f"acts        {' '.join(map(str, self.acts))} [{', '.join(self.forms)}]",
            *(f"notice      {one}" for one in self.notices),
        ]
