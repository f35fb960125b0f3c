"""Dialogues over HTTP: turns are answered, kept in a store, and can be read with what was decided."""
