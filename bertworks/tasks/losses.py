"""The tasks' losses; they need TensorFlow and live with training."""

from bertworks.training.losses import Loss, loss_for

__all__ = ["Loss", "loss_for"]
