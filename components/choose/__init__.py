"""The choose step."""
