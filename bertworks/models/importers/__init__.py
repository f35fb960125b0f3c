"""Checkpoints in other forms than safetensors, read into our sizes and weights: a module a format."""
