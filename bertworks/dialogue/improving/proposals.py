"""What a person is asked to accept or refuse, in a file of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from bertworks import bounded_yaml
from bertworks.dialogue.knowledge import normal
from bertworks.errors import SpecError
from bertworks.spec.section import Section
from bertworks.storage.replacing import replacing

HEAD = """\
# What dialogues suggest to learn, the most frequent first. Write `accept: true` or `false` at each; what
# has neither is asked again. `kind` may be changed:
#   faq     `answer` is what is to be answered to `examples`: rows for an agent of task matching
#   intent  `intent` is what `examples` want: rows for the agent that understands turns
#   label   `intent` and `slots` (name: words of the text) are what the one text in `examples` says;
#           correct what the agent understood
# Then: bertworks dialogue accept THIS_FILE
"""


class Proposal(Section):
    """One thing to learn."""

    kind: Literal["faq", "intent", "label"]
    accept: bool | None = Field(None, description="What a person decided; none: nothing yet.")
    intent: str = Field("", description="intent, label: its name.")
    answer: str = Field("", description="faq: what is answered.")
    slots: dict[str, str] = Field({}, description="label: slot to its words in the text.")
    examples: list[str] = Field(min_length=1, description="Texts, the most typical one first.")
    dialogues: int = Field(1, ge=0, description="In how many such texts were said.")
    why: str = Field("", description="Why they are here.")


class Proposals(Section):
    """The file."""

    proposals: list[Proposal] = Field([])

    def texts(self) -> set[str]:
        """All texts, as they are compared."""
        return {normal(text) for one in self.proposals for text in one.examples}

    def decided(self) -> Proposals:
        """Those that a person decided."""
        return Proposals(proposals=[one for one in self.proposals if one.accept is not None])


def read(file: Path) -> Proposals:
    """Reads what `write` wrote and a person changed.

    Raises:
        SpecError: It cannot be read, or something in it does not fit.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read: {error}.", "Give a file of proposals.") from None
    raw, lines = bounded_yaml.read(text, str(file))
    try:
        return Proposals.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        line = lines.get(first["loc"]) or lines.get(first["loc"][:2])
        shown = f"{file}:{line}" if line else str(file)
        raise SpecError(
            f"{shown}: {'.'.join(map(str, first['loc']))}: {first['msg']}. "
            f"Received: {first['input']!r:.80}",
            "Correct it there; the head of the file says what each key is.",
        ) from None


def write(file: Path, proposals: Proposals) -> None:
    """Writes the file, whole or not at all."""
    listed = [_plain(one) for one in proposals.proposals]
    body = yaml.safe_dump({"proposals": listed}, sort_keys=False, allow_unicode=True, width=100)
    with replacing(file) as path:
        path.write_text(HEAD + body, encoding="utf-8")


def _plain(one: Proposal) -> dict[str, object]:
    """Without keys that are of no use to its kind."""
    spare = {"faq": ("intent", "slots"), "intent": ("answer", "slots"), "label": ("answer",)}
    return {key: value for key, value in one.model_dump().items() if key not in spare[one.kind]}


def merged(before: Proposals, now: Sequence[Proposal]) -> Iterator[Proposal]:
    """What was decided before, and what is new now: nothing that was decided is asked again."""
    yield from before.decided().proposals
    known = before.decided().texts()
    for one in now:
        left = [text for text in one.examples if normal(text) not in known]
        if left:
            yield one.model_copy(update={"examples": left})
