"""Answers from a bundle: the runtime that loads it, and the server around it."""
