"""The collect step."""
