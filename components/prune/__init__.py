"""The prune step: fewer heads and neurons for a measured speed-up, then distillation."""
