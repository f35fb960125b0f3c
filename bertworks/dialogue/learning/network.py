"""The network of a learned policy, inside of stable-baselines3's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO

from bertworks.dialogue.actions import Situation
from bertworks.dialogue.features import vector
from bertworks.dialogue.policies.choice import Choice, chosen
from bertworks.dialogue.policies.graph import Layer

WIDTHS = [64, 64]


class Network:
    """What MaskablePPO has learned so far, as a policy: its most probable action is taken.

    The layers are taken as they are now, and run by numpy: for one turn at a time torch takes ten times
    as long.

    Args:
        learner: The algorithm that owns the network.
    """

    name = "what is being learned"

    def __init__(self, learner: MaskablePPO) -> None:
        self._layers = layers(learner)

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """See `policies.Policy`."""
        found = vector(situation)
        *hidden, (weight, bias) = self._layers
        for inner, shift in hidden:
            found = np.tanh(inner @ found + shift)
        logits = np.where(situation.possible, weight @ found + bias, -np.inf)
        shares = np.exp(logits - logits.max()).astype(np.float64)
        return np.asarray(shares / shares.sum())

    def choose(self, situation: Situation) -> Choice:
        """See `policies.Policy`."""
        shares = self.probabilities(situation)
        return chosen(situation, int(shares.argmax()), shares, "network in training")


def layers(learner: MaskablePPO) -> list[Layer]:
    """Weights (outputs, inputs) and biases from features to logits; tanh is between them."""
    policy: Any = learner.policy
    linear = [one for one in policy.mlp_extractor.policy_net if isinstance(one, torch.nn.Linear)]
    return [
        (one.weight.detach().numpy().copy(), one.bias.detach().numpy().copy())
        for one in (*linear, policy.action_net)
    ]
