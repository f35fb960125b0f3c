"""Who chooses what is done next."""

from bertworks.dialogue.policies.chance import Chance, Softened
from bertworks.dialogue.policies.choice import Candidate, Choice, Policy
from bertworks.dialogue.policies.rules import Rules
from bertworks.dialogue.policies.tried import CHALLENGER, Tried

__all__ = [
    "CHALLENGER", "Candidate", "Chance", "Choice", "Policy", "Rules", "Softened", "Tried",
]  # fmt: skip
