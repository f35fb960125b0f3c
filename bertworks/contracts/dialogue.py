"""What a dialogue is made of, and how good it is with simulated users."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.decision import Interval
from bertworks.contracts.files import OMIT, File
from bertworks.spec.dialogue import Dialogue


@dataclass(frozen=True)
class Talk:
    """dialogue.json of a dialogue's bundle; the files that it names lie beside it.

    Attributes:
        name: The agent.
        description: What it is for.
        dialogue: The spec's section as JSON in a text, its paths from the bundle's folder on: the order
            of its keys, which is that of asking, means something.
        knowledge: What tells the content of the knowledge base: 16 hex digits.
        understanding: Digest of the agent that understands turns, which lies in understanding/; null
            where values of the knowledge base and lists of words do.
        matching: Digest of the agent that finds documents for questions that the flow does not know,
            which lies in matching/; null: nothing does.
        learned: Whether this run learned the policy; else it was given, or rules choose.
    """

    name: str
    description: str
    dialogue: str
    knowledge: str
    understanding: str | None = None
    matching: str | None = None
    learned: bool = False

    @property
    def section(self) -> Dialogue:
        """The section."""
        return Dialogue.model_validate_json(self.dialogue)


@dataclass(frozen=True)
class WithUsers:
    """A policy with simulated users, at one rate of errors.

    Attributes:
        errors: "0.1" for a rate that the spec says, "measured" for that of the understanding.
        rate: Share of acts that are misunderstood.
        success: Share of dialogues whose goal was met, true to the knowledge base.
        turns: Of the agent's in a dialogue, on average.
        reward: Of a dialogue, on average.
        rules_success: Likewise of the rules, with the same users.
        rules_turns: Likewise.
        rules_reward: Likewise.
        endings: How the policy's dialogues ended, to how many did.
    """

    errors: str
    rate: float
    success: float
    turns: float
    reward: float
    rules_success: float
    rules_turns: float
    rules_reward: float
    endings: dict[str, int]


@dataclass(frozen=True)
class Offline:
    """What kept dialogues say of a policy that did not have them.

    Attributes:
        told: Whether they say enough to judge by.
        reason: Why not; "" where they do.
        dialogues: That were kept, and can be judged by.
        effective: How many they are worth for this policy.
        logged: Reward of a dialogue as it was.
        value: As it would be under the policy; null where that is not told.
        gain: `value` less `logged`; null likewise.
        gain_low: Lower end of its 95 % interval; null likewise.
        gain_high: Upper end; null likewise.
    """

    told: bool
    reason: str
    dialogues: int
    effective: float = 0.0
    logged: float | None = None
    value: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


@dataclass(frozen=True)
class Serving:
    """The dialogue that serves, beside the one that is to replace it.

    Attributes:
        version: Its number.
        digest: Of its bundle.
        alike: Whether both know and understand the same, so that only the policy may be another.
        success: Its policy's, with the same simulated users; null where it was not compared: it is the
            same, or of other slots.
        gain: Reward of a dialogue above its policy's with the same user, on average; null likewise.
        more: Success above its policy's; null likewise.
    """

    version: int
    digest: str
    alike: bool
    success: float | None = None
    gain: Interval | None = None
    more: Interval | None = None


@dataclass(frozen=True)
class Judgement:
    """judgement.json: how good a dialogue's policy is, before it may talk to anybody.

    Attributes:
        learned: Whether the policy is a learned one; else it is the rules.
        dialogues: With simulated users, at each rate.
        users: The policy with them, a record a rate.
        against_rules: Reward of a dialogue above the rules' with the same user, on average over all.
        against_rules_low: Lower end of its 95 % interval.
        against_rules_high: Upper end.
        answers: That were said in these dialogues.
        untrue: Of them with a value that is not in the knowledge base, or not what they should say.
        offline: What kept dialogues say; null where none were named.
        serving: In a retraining, the dialogue that serves; null without one.
    """

    learned: bool
    dialogues: int
    users: list[WithUsers]
    against_rules: float
    against_rules_low: float
    against_rules_high: float
    answers: int
    untrue: int
    offline: Offline | None = None
    serving: Serving | None = field(default=None, metadata=OMIT)

    @property
    def success(self) -> float:
        """Mean over the rates."""
        return sum(one.success for one in self.users) / len(self.users)

    @property
    def turns(self) -> float:
        """Mean over the rates."""
        return sum(one.turns for one in self.users) / len(self.users)

    @property
    def reward(self) -> float:
        """Mean over the rates."""
        return sum(one.reward for one in self.users) / len(self.users)


TALK: File[Talk] = File("dialogue.json", Talk)
JUDGEMENT: File[Judgement] = File("judgement.json", Judgement)
