"""Artifacts, places on disk and in buckets, the model store, checkpoints, locks, temporary folders."""
