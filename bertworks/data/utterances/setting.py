"""The file that says how masked utterances become rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator

from bertworks import bounded_yaml
from bertworks.errors import SpecError
from bertworks.spec.section import Section

Share = Annotated[float, Field(ge=0.0, lt=0.5)]


class Pinned(Section):
    """A file of a package, of the web, or of this machine."""

    uri: str = Field(description="As `data.sources[].uri` of a spec.")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")


class Setting(Section):
    """How masked utterances become rows for an understanding agent."""

    templates: Pinned = Field(
        description="JSON: act to slots (`Food;Price;`, or `none;`) to masked utterances, as ConvLab's "
        "template generators have them."
    )
    knowledge: Pinned = Field(
        description="JSON: a list of objects, the rows of the knowledge base."
    )
    intents: dict[str, str] = Field(
        description="Acts as they are filed, and the intents they become."
    )
    slots: dict[str, str] = Field(
        description="Slots as masks name them, and the columns of the knowledge base that they become."
    )
    requests: list[str] = Field(
        [], description="Intents that ask for slots: these are mentioned in words, without a value."
    )
    mentions: dict[str, str] = Field(
        {},
        description="Columns that may be asked for, and how people call them (regular expressions): "
        "such words become the slot `mention.COLUMN`.",
    )
    also_mentioned: list[str] = Field(
        [],
        description="Columns that are asked for when they are mentioned under any intent: nobody gives "
        "a telephone number to find a restaurant.",
    )
    foreign: str = Field(
        "", description="Regular expression: utterances with such words are of another domain."
    )
    misfiled: dict[str, str] = Field(
        {},
        description="Intents, and words (a regular expression) that say something else than these: "
        "utterances that have them are filed under the wrong act.",
    )
    outside: list[str] = Field(
        [], description="Acts of other domains, of which texts out of scope are made."
    )
    own: dict[str, list[str]] = Field(
        {}, description="More masked utterances by intent; masks are `#COLUMN#`."
    )
    variants: dict[str, list[str]] = Field(
        {}, description="Values of the knowledge base, and how else people say them."
    )
    open_from: int = Field(
        10,
        ge=1,
        description="Slots with more values than these have some that no training row has.",
    )
    fills: int = Field(2, ge=1, le=100, description="Rows of an utterance that has values.")
    most: int = Field(1500, ge=10, description="Utterances of an intent, at most.")
    least: int = Field(
        0,
        ge=0,
        le=2000,
        description="Training rows of an intent, at least: more are made of its utterances with words "
        "of `before` and `after`, as long as there are new ones.",
    )
    before: list[str] = Field([], description="What people say before the matter: `well, `.")
    after: list[str] = Field([], description="What they say behind it: ` please`.")
    validation: Share = Field(0.1, description="Share of the utterances.")
    test: Share = Field(
        0.15,
        description="Share of the utterances, none of which is trained on; of those that say the same "
        "things at least one, where there are four.",
    )
    unseen_values: Share = Field(
        0.33, description="Share of the values of open slots that only test rows have."
    )
    seed: int = 0

    @field_validator("foreign")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return _checked(pattern)

    @field_validator("misfiled")
    @classmethod
    def _each_compiles(cls, patterns: dict[str, str]) -> dict[str, str]:
        return {intent: _checked(pattern) for intent, pattern in patterns.items()}

    @field_validator("mentions")
    @classmethod
    def _all_compile(cls, mentions: dict[str, str]) -> dict[str, str]:
        for column, pattern in mentions.items():
            if re.compile(_checked(pattern)).groups:
                raise ValueError(
                    f"{column}: write groups as (?:…), so that they are not taken for columns"
                )
        return mentions

    @model_validator(mode="after")
    def _names_are_known(self) -> Setting:
        given = {*self.intents.values(), *self.own}
        if unknown := sorted(set(self.requests) - given):
            raise ValueError(f"`requests` must be among {sorted(given)}. Received: {unknown}")
        if unknown := sorted(set(self.misfiled) - given):
            raise ValueError(f"`misfiled` must be among {sorted(given)}. Received: {unknown}")
        if unknown := sorted(set(self.also_mentioned) - set(self.mentions)):
            raise ValueError(f"`also_mentioned` must be among `mentions`. Received: {unknown}")
        return self


def load(file: Path) -> Setting:
    """Reads a setting.

    Raises:
        SpecError: It cannot be read, or does not fit.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read: {error}.", "Give a UTF-8 file.") from None
    raw, _ = bounded_yaml.read(text, str(file))
    try:
        return Setting.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SpecError(
            f"{file}: {place}: {first['msg']}. Received: {first['input']!r:.80}",
            "Correct it there; docs/understanding.md has an example.",
        ) from None


def _checked(pattern: str) -> str:
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    if pattern and found.match(""):
        raise ValueError("the expression matches nothing at all, and so every place")
    return pattern
