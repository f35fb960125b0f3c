"""A learned policy as an ONNX graph: what serves needs no torch.

The graph takes `features`, (turns, features) float32, and `possible`, (turns, actions) bool, and gives
`shares`, (turns, actions) float32: the probability of every action, 0 where it is not possible. Its
metadata name the features and the actions, so that a graph of other slots is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue import features
from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.policies.choice import Choice, chosen
from bertworks.errors import ArtifactError
from bertworks.storage.replacing import replacing

OPSET = 17
_FORMAT = "1"
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def write(file: Path, layers: Sequence[Layer], domain: Domain, facts: Mapping[str, Any]) -> None:
    """Writes a graph, whole or not at all.

    Args:
        file: Where.
        layers: Weights (outputs, inputs) and biases, from features to one logit an action; tanh is
            between them.
        domain: Its features and actions.
        facts: How it was learned, plain JSON; kept beside it.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, last = [], [], "features"
    for number, (weight, bias) in enumerate(layers):
        names_ = (f"weight_{number}", f"bias_{number}")
        weights += [
            numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
            for array, name in zip((weight, bias), names_, strict=True)
        ]
        nodes.append(helper.make_node("Gemm", [last, *names_], [f"sum_{number}"], transB=1))
        last = f"sum_{number}"
        if number + 1 < len(layers):
            nodes.append(helper.make_node("Tanh", [last], [f"layer_{number}"]))
            last = f"layer_{number}"
    weights.append(numpy_helper.from_array(np.array(-1e9, np.float32), "never"))
    nodes += [
        helper.make_node("Where", ["possible", last, "never"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=-1),
    ]
    seen, actions = len(features.names(domain)), len(names(domain))
    graph = helper.make_graph(
        nodes,
        "policy",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["turns", seen]),
            helper.make_tensor_value_info("possible", TensorProto.BOOL, ["turns", actions]),
        ],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["turns", actions])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, {**_of(domain), "facts": json.dumps(dict(facts))})
    onnx.checker.check_model(model)
    with replacing(file) as path:
        path.write_bytes(model.SerializeToString())


class Graph:
    """A learned policy: its most probable action is taken.

    Any number of threads may ask it.

    Args:
        file: What `write` wrote.
        domain: The dialogue's slots.

    Raises:
        ArtifactError: It is missing, no graph of a policy, or was learned for other slots.

    Attributes:
        name: For the trace: "graph: " and the beginning of its sha256.
        facts: How it was learned.
    """

    def __init__(self, file: Path, domain: Domain) -> None:
        import onnxruntime

        fix = "Learn it with this spec: make dialogue SPEC=..."
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"The policy {file} cannot be read: {error.strerror}.", fix
            ) from None
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                content, settings, providers=["CPUExecutionProvider"]
            )
            found = dict(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # onnxruntime's own classes
            raise ArtifactError(f"{file} is no ONNX graph: {str(error)[:200]}", fix) from None
        for key, wanted in _of(domain).items():
            if found.get(key) != wanted:
                raise ArtifactError(
                    f"The policy {file} was learned for another dialogue: its `{key}` are "
                    f"{found.get(key, 'not told'):.300}, and the spec's {wanted:.300}.",
                    fix,
                )
        self.facts: dict[str, Any] = json.loads(found["facts"])
        self.name = f"graph: {hashlib.sha256(content).hexdigest()[:12]}"

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """1 for the action that it takes; see `Policy.probabilities`."""
        return self.taken(features.vector(situation)[None], situation.possible[None])[0]

    def shares(self, seen: NDArray[np.float32], possible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How good each action seems, as shares of 1, from (turns, features) and (turns, actions) to the
        latter."""
        (found,) = self._session.run(["shares"], {"features": seen, "possible": possible})
        return np.where(possible, found, 0.0).astype(np.float64)

    def taken(self, seen: NDArray[np.float32], possible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """1 for the action that is taken in each turn, 0 for the others: what `judge` is to judge."""
        shares = self.shares(seen, possible)
        found = np.zeros_like(shares)
        found[np.arange(len(shares)), shares.argmax(axis=1)] = 1.0
        return found

    def choose(self, situation: Situation) -> Choice:
        """The most probable action."""
        shares = self.shares(features.vector(situation)[None], situation.possible[None])[0]
        return chosen(situation, int(shares.argmax()), shares, self.name, probability=1.0)


def _of(domain: Domain) -> dict[str, str]:
    """What a graph must have been learned for."""
    return {
        "format": _FORMAT,
        "features": " ".join(features.names(domain)),
        "actions": " ".join(names(domain)),
    }
