"""The image that the steps run in on a cluster; local runs use this environment instead."""

from bertworks import __version__

IMAGE = f"bertworks/pipeline:{__version__}"
