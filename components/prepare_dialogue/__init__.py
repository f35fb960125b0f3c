"""Reads the knowledge base of a dialogue and makes of it what needs no learning."""
