"""Judges the policy of a dialogue before it may talk to anybody."""
