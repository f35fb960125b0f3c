"""Policies that are learned: torch, stable-baselines3 and gymnasium are known here alone.

They are in an environment of their own (`make .venv-dialogue/.done`). What is learned is exported to
ONNX, which `policies.graph` runs without them.
"""
