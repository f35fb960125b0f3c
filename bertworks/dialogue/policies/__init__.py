"""Who chooses what is done next."""

from bertworks.dialogue.policies.chance import Chance, Softened
from bertworks.dialogue.policies.choice import Candidate, Choice, Policy
from bertworks.dialogue.policies.rules import Rules

__all__ = ["Candidate", "Chance", "Choice", "Policy", "Rules", "Softened"]
