"""Texts of the agent's acts: templates with the values filled in, checked before they go out."""

from bertworks.dialogue.answers.check import faults
from bertworks.dialogue.answers.saying import Answers, Said
from bertworks.dialogue.answers.templates import DEFAULT, FIXED, Templates

__all__ = ["DEFAULT", "FIXED", "Answers", "Said", "Templates", "faults"]
