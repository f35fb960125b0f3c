"""Puts a registered version behind the agent's server on the cluster."""
