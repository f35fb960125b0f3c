"""Runs a pipeline on this machine: kfp.local's SubprocessRunner, with progress, resume and a record."""
