"""Puts the agent that finds documents into a dialogue."""
