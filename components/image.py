"""The image that the steps run in on a cluster; local runs use this environment instead."""

from bertworks import __version__

IMAGE = f"bertworks/pipeline:{__version__}"

LEARNING = f"bertworks/dialogue:{__version__}"
"""The same with what learns policies of dialogues (docker/dialogue.Dockerfile)."""
