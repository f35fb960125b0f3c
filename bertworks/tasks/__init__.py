"""The tasks: one file each, with labels, head, targets, metrics and decoding.

Needs numpy alone: serving uses it too.
"""

from bertworks.tasks.registry import for_task

__all__ = ["for_task"]
