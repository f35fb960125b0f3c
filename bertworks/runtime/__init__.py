"""The engines that run a bundle, and the agent that answers: needs no TensorFlow."""
