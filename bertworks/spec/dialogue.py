"""A dialogue: what it is about, what is said, who chooses, and how that is learned."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field, field_validator, model_validator

from bertworks.secrets import masked, secret_in
from bertworks.spec.cluster import Resources, Schedule
from bertworks.spec.section import Section
from bertworks.spec.task import Fraction
from bertworks.spec.track import Track

Condition = Literal[
    "always", "goodbye", "unclear", "doubtful", "requested", "nothing_matches", "many_matches",
    "offered", "open_slots", "anything_goes",
]  # fmt: skip
Deed = Literal["ask", "confirm", "offer", "answer", "no_offer", "again", "bye"]
ListenedFor = Literal[
    "affirm", "negate", "another", "greet", "bye", "dontcare",
    "not", "without", "non", "nothing", "is_not", "less", "more", "least", "most",
    "correct", "or", "and", "but", "about", "plain", "filler",
]  # fmt: skip

UNDERSTANDING, MATCHING = "understanding", "matching"
"""What agents of a dialogue are for: their keys in its spec, and the tasks that they do."""


class KnowledgeFile(Section):
    """Where the knowledge base is: a CSV file, JSON (a list of objects) or SQLite."""

    uri: str = Field(
        description="A path from the spec's folder, which is followed when it changes; or a pypi://, "
        "npm:// or fsspec URI, which is fetched once."
    )
    sha256: str | None = Field(None, description="Of the fetched file or package archive.")
    table: str | None = Field(
        None, description="SQLite: the table or view; none: the only one there is."
    )

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str) -> str:
        if found := secret_in(uri):
            raise ValueError(
                f"a secret does not belong in a spec, and {found} may be one. Received: {masked(uri)}"
            )
        return uri


class DialogueSlot(Section):
    """A column of the knowledge base, as people speak of it."""

    label: str | None = Field(
        None, description="What answers call it; the column's name by default."
    )
    words: list[str] = Field(
        [], description="Words that ask for it, for an understanding without training."
    )
    values: dict[str, list[str]] = Field(
        {}, description="Value to other words for it: {centre: [center, downtown]}."
    )
    order: list[str] = Field(
        [],
        description="The values from the least to the most, where they have an order: then `cheaper` "
        "and `less expensive` are understood. Numbers have one by themselves.",
    )

    @field_validator("order")
    @classmethod
    def _order_is_one(cls, value: list[str]) -> list[str]:
        small = [" ".join(one.casefold().split()) for one in value]
        if len(value) == 1 or len(set(small)) < len(small):
            raise ValueError(
                f"takes two values or more, each once, from the least to the most. Received: {value}"
            )
        return value


class PolicyRule(Section):
    """One rule: the first that applies, and whose deed is possible, decides."""

    when: Condition = Field("always", description="What must be so.")
    do: Deed = Field(description="`ask` and `confirm` take the slot that needs it most.")
    limit: float | None = Field(
        None,
        ge=0,
        description="unclear, doubtful: less probable than this; many_matches: more than so many.",
    )

    @model_validator(mode="after")
    def _limit_has_a_use(self) -> PolicyRule:
        if self.limit is not None and self.when not in ("unclear", "doubtful", "many_matches"):
            raise ValueError(f"`limit` has no meaning with when: {self.when}; leave it out.")
        return self


class PolicyCanary(Section):
    """How another policy is tried on a share of new dialogues: `serve --dialogue D --challenger C`."""

    share: float = Field(0.1, gt=0, le=0.9, description="Of the dialogues that begin.")
    gain: float = Field(
        0.0,
        gt=-1,
        lt=1,
        description="It is promoted as soon as more of its dialogues surely end well, by more than this "
        "share; below 0: as soon as it is surely not worse by more.",
    )
    worse: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="It is put back as soon as it is surely worse by more than this.",
    )
    level: float = Field(
        0.05, gt=0, lt=0.5, description="Chance of either mistake, however often one looks."
    )
    least: int = Field(50, ge=1, description="Dialogues that it has had before it is promoted.")
    most: int = Field(
        20_000, ge=1, description="Dialogues after which it is put back, as it is not clear."
    )


class DialoguePolicy(Section):
    """Who chooses what is done next."""

    graph: str | None = Field(
        None, description="A learned policy, as `make dialogue` writes it; none: the rules choose."
    )
    explore: Fraction = Field(
        0.0,
        lt=1,
        description="Share of turns in which any possible action is taken by chance, so that the logs "
        "can judge other policies: `bertworks dialogue judge`.",
    )
    rules: list[PolicyRule] = Field(
        [], description="In the order in which they are tried; none: the usual ones."
    )
    canary: PolicyCanary = Field(default_factory=PolicyCanary)


class Users(Section):
    """How simulated users are. Shares are of dialogues unless said."""

    constrained: Fraction = Field(0.75, description="Share of slots that matter to a user.")
    impossible: Fraction = Field(
        0.2, description="Want at first what nothing has, and then take something else."
    )
    named: Fraction = Field(0.1, description="Know the name of what they want.")
    fickle: Fraction = Field(0.15, description="Change their mind about a slot on the way.")
    choosy: Fraction = Field(0.15, description="Want to hear of another one first.")
    attentive: Fraction = Field(
        0.8,
        description="Notice that an offer says nothing of a wish, and tell it; share of offers.",
    )
    talkative: Fraction = Field(0.4, lt=1, description="Probability of one more thing in a turn.")
    most_requests: int = Field(3, ge=1, description="Details that they ask for, at most.")
    patience: tuple[int, int] = Field((8, 14), description="Turns after which they give up.")
    repeats: int = Field(3, ge=1, description="Equal answers one after another, until they do.")

    @field_validator("patience")
    @classmethod
    def _patience_is_a_range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError(f"takes the least and the most, 1 or more. Received: {list(value)}")
        return value


class LearnPolicy(Section):
    """How a policy is learned with simulated users."""

    enabled: bool = Field(
        True,
        description="Whether a run learns a policy. Else the dialogue that it registers goes by "
        "`policy.graph`, or by the rules.",
    )
    steps: int = Field(200_000, ge=0, description="Turns; 0: it imitates its start alone.")
    seed: int = Field(42, ge=0)
    start: Literal["rules", "nothing"] | str = Field(
        "rules",
        description="What it imitates first: the rules; kept dialogues, the more the better they ended, "
        "in a .npz file of `bertworks dialogue turns`; or nothing.",
    )
    errors: list[Fraction] = Field(
        [0.0, 0.1, 0.2],
        min_length=1,
        description="Shares of acts that are misunderstood; each dialogue draws one.",
    )
    measured: str | None = Field(
        None,
        description="Errors of a trained understanding, as `bertworks dialogue errors` writes them; one "
        "more among which dialogues draw.",
    )
    utterances: str | None = Field(
        None,
        description="What simulated users say where they talk in words: a setting of masked utterances, "
        "as a source with `format: utterances` reads; its test utterances, which no agent trains on.",
    )
    users: Users = Field(default_factory=Users)


class Satisfaction(Section):
    """How users say in words how satisfied they are, where they do not press a button."""

    good: list[str] | None = Field(
        None, description="Phrases that praise, in a dialogue's last turn; English by default."
    )
    bad: list[str] | None = Field(
        None, description="Phrases that complain, in any turn; English by default."
    )


class Sessions(Section):
    """Where dialogues are kept between turns."""

    minutes: float = Field(
        60 * 24,
        gt=0,
        description="A dialogue that nobody has gone on with for so long is forgotten.",
    )


class Dialogue(Section):
    """A dialogue that finds an entity of a knowledge base and tells of it."""

    knowledge: KnowledgeFile
    key: str = Field("name", description="The column that names an entity.")
    entity: str = Field("entry", description="What one is called: restaurant.")
    ask: dict[str, DialogueSlot] = Field(
        min_length=1, description="Columns by which the user chooses, in the order of asking."
    )
    tell: dict[str, DialogueSlot] = Field(
        {}, description="Columns that the user may ask for beside them."
    )
    words: dict[str, list[str]] = Field(
        {},
        description="What says an intent, or how the value beside it is meant (not, less, or, about …); "
        "English by default, list by list.",
    )
    answers: dict[str, str | list[str]] = Field(
        {},
        description="Templates by what they say: `ask.food`, `offer.area.food`, `fact.phone`. Values "
        "come in by {column}; what has none is said in plain English.",
    )
    policy: DialoguePolicy = Field(default_factory=DialoguePolicy)
    learn: LearnPolicy = Field(default_factory=LearnPolicy)
    sessions: Sessions = Field(default_factory=Sessions)
    satisfaction: Satisfaction = Field(default_factory=Satisfaction)

    @field_validator("words")
    @classmethod
    def _words_are_listened_for(cls, words: dict[str, list[str]]) -> dict[str, list[str]]:
        known = get_args(ListenedFor)
        if unknown := [one for one in words if one not in known]:
            raise ValueError(
                f"has words for `{unknown[0]}`, which nothing listens for; there are {', '.join(known)}"
            )
        return words

    @model_validator(mode="after")
    def _values_are_chosen_by(self) -> Dialogue:
        if idle := [name for name, slot in self.tell.items() if slot.values]:
            raise ValueError(
                f"`tell.{idle[0]}.values` does nothing, as nobody chooses by a column of `tell`; move "
                f"{idle[0]} to `ask`, or leave `values` out"
            )
        return self

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Dialogue:
        both = sorted({*self.ask, self.key} & set(self.tell) | ({self.key} & set(self.ask)))
        if both:
            raise ValueError(
                "a column is `key`, in `ask` or in `tell`, once. "
                f"Received more than once: {', '.join(both)}"
            )
        if ordered := [name for name, slot in self.tell.items() if slot.order]:
            raise ValueError(
                f"`order` is for a column in `ask`, by which users choose. Received: tell.{ordered[0]}"
            )
        return self


class SubAgent(Section):
    """An agent that a dialogue is made with: trained, compressed and gated in the same run."""

    spec: str = Field(description="Path of its spec, from this spec's folder.")
    set: dict[str, Any] = Field(
        {}, description="Settings over those of its spec: {finetune.epochs: 2}."
    )


class SubAgents(Section):
    """The agents that a dialogue is made with."""

    understanding: SubAgent | None = Field(
        None,
        description="Of task `understanding`: what users say; none: values of the knowledge base and "
        "lists of words.",
    )
    matching: SubAgent | None = Field(
        None,
        description="Of task `matching`: its documents answer what was not understood; none: the user "
        "is asked to say it again.",
    )


class JudgePolicy(Section):
    """How the policy is judged before it may talk to anybody."""

    dialogues: int = Field(
        500,
        ge=50,
        description="With simulated users, none of whom it learned from, at each rate of errors.",
    )
    seed: int = Field(7, ge=0)
    sessions: str | None = Field(
        None,
        description="File in which a server keeps its dialogues (`serve --sessions`): what they say of "
        "the new policy. On a cluster a path on the volume.",
    )


class DialogueGates(Section):
    """Rules that a dialogue must meet. None: not asked."""

    minimum: Fraction | None = Field(
        None,
        description="Least success (goal met, true to the knowledge base) with simulated users, as the "
        "mean over the rates of errors.",
    )
    beat_rules: bool = Field(
        True,
        description="A learned policy is not worse than the rules with the same users, by more than "
        "chance.",
    )
    offline: bool = Field(
        True,
        description="Where `judge.sessions` has dialogues: by them, the lower bound of what the new "
        "policy gains over the one that talked is at least `-max_loss`. Too few dialogues to tell are a "
        "no.",
    )
    max_loss: float = Field(
        0.0, ge=0, description="Reward of a dialogue that the lower bound may be below 0 by."
    )


class NamedFile(NamedTuple):
    """A file that a dialogue's spec names.

    Attributes:
        place: What its fingerprint is called.
        key: Where the spec names it.
        uri: As it stands there.
        sha256: As it stands there; None: not pinned.
        fetched: Whether it may lie in a bucket or a package; else it is a path.
        grows: Whether it changes while a dialogue serves: what reads it is never cached.
    """

    place: str
    key: tuple[str, ...]
    uri: str
    sha256: str | None = None
    fetched: bool = False
    grows: bool = False


class DialogueSpec(Section):
    """A spec of a dialogue: its name, the agents that it is made with, and the section above."""

    name: str = Field(
        pattern="^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$",
        description="Lower-case letters, digits and dashes.",
    )
    description: str = Field("", description="What the agent is for.")
    agents: SubAgents = Field(default_factory=SubAgents)
    dialogue: Dialogue
    judge: JudgePolicy = Field(default_factory=JudgePolicy)
    gates: DialogueGates = Field(default_factory=DialogueGates)
    resources: Resources = Field(
        default_factory=Resources,
        description="Of the dialogue's own steps; those of `agents` get what their specs say.",
    )
    schedule: Schedule = Field(default_factory=Schedule)
    track: Track = Field(default_factory=Track)

    @property
    def files(self) -> list[NamedFile]:
        """Every file that the spec names and its steps read, its agents' sources apart."""
        learn, policy, base = self.dialogue.learn, self.dialogue.policy, self.dialogue.knowledge
        found = [
            NamedFile("knowledge", ("dialogue", "knowledge", "uri"), base.uri, base.sha256, True)
        ]
        if learn.start not in ("rules", "nothing"):
            found.append(NamedFile("start", ("dialogue", "learn", "start"), learn.start))
        if learn.measured is not None:
            found.append(NamedFile("measured", ("dialogue", "learn", "measured"), learn.measured))
        if policy.graph is not None and not learn.enabled:
            found.append(NamedFile("graph", ("dialogue", "policy", "graph"), policy.graph))
        if self.judge.sessions is not None:
            key = ("judge", "sessions")
            found.append(NamedFile("sessions", key, self.judge.sessions, grows=True))
        return found
