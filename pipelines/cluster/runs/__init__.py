"""Runs on the cluster: their steps, pods, logs, and reasons of failure."""
