"""An agent in three lines of Python: `bertworks.Agent`, for notebooks and programs."""
