"""A BERT as torch.onnx.export writes it: named biases, norms and embeddings, nameless matrices."""

import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

PREFIX = "model."


class _Writer:
    def __init__(self):
        self.nodes, self.constants, self.count = [], {}, 0

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def node(self, kind, *inputs, **attributes):
        self.count += 1
        out = f"{kind}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def number(self, value):
        self.count += 1
        return self.constant(f"onnx::Number_{self.count}", np.float32(value))

    def linear(self, value, name, weights):
        self.count += 1
        matrix = self.constant(f"onnx::MatMul_{self.count}", weights[f"{name}.weight"].T)
        own = f"{PREFIX}{name.removeprefix('bert.')}.bias"
        bias = self.constant(own, weights[f"{name}.bias"])
        return self.node("Add", bias, self.node("MatMul", value, matrix))

    def norm(self, value, name, weights, eps):
        parts = [
            self.constant(f"{PREFIX}{name.removeprefix('bert.')}.{part}", weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        ]
        return self.node("LayerNormalization", value, *parts, axis=-1, epsilon=eps)


def torch_like_graph(config, weights):
    """The model; inputs are input_ids, attention_mask and token_type_ids, all int64."""
    to = _Writer()

    def looked_up(kind, ids):
        name = f"embeddings.{kind}_embeddings.weight"
        table = to.constant(PREFIX + name, weights[f"bert.{name}"])
        return to.node("Gather", table, ids)

    length = to.node("Slice", to.node("Shape", "input_ids"), to.constant("one", np.array([1])),
                     to.constant("two", np.array([2])))  # fmt: skip
    places = to.node("Range", to.constant("from", np.int64(0)), to.node("Squeeze", length),
                     to.constant("step", np.int64(1)))  # fmt: skip
    state = to.node(
        "Add", looked_up("word", "input_ids"), looked_up("token_type", "token_type_ids")
    )
    state = to.node("Add", state, looked_up("position", places))
    state = to.norm(state, "bert.embeddings.LayerNorm", weights, config.layer_norm_eps)
    mask = to.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    mask = to.node("Mul", to.node("Sub", to.number(1), mask), to.number(-1e9))
    mask = to.node("Unsqueeze", mask, to.constant("axes", np.array([1, 2])))
    heads, width = config.uniform_heads, config.head_size
    split = to.constant("onnx::Reshape_split", np.array([0, 0, heads, width]))
    joined = to.constant("onnx::Reshape_joined", np.array([0, 0, heads * width]))
    for layer in range(config.num_layers):
        name = f"bert.encoder.layer.{layer}"
        query, key, value = (
            to.node(
                "Transpose",
                to.node(
                    "Reshape", to.linear(state, f"{name}.attention.self.{part}", weights), split
                ),
                perm=[0, 2, 3, 1] if part == "key" else [0, 2, 1, 3],
            )
            for part in ("query", "key", "value")
        )
        scores = to.node("Div", to.node("MatMul", query, key), to.number(math.sqrt(width)))
        chances = to.node("Softmax", to.node("Add", scores, mask), axis=-1)
        mixed = to.node("Transpose", to.node("MatMul", chances, value), perm=[0, 2, 1, 3])
        mixed = to.linear(
            to.node("Reshape", mixed, joined), f"{name}.attention.output.dense", weights
        )
        state = to.norm(to.node("Add", mixed, state), f"{name}.attention.output.LayerNorm", weights,
                        config.layer_norm_eps)  # fmt: skip
        inner = to.linear(state, f"{name}.intermediate.dense", weights)
        share = to.node("Erf", to.node("Div", inner, to.number(math.sqrt(2))))
        gelu = to.node("Mul", to.node("Mul", inner, to.node("Add", share, to.number(1))),
                       to.number(0.5))  # fmt: skip
        outer = to.linear(gelu, f"{name}.output.dense", weights)
        state = to.norm(to.node("Add", outer, state), f"{name}.output.LayerNorm", weights,
                        config.layer_norm_eps)  # fmt: skip
    to.nodes[-1].output[0] = "last_hidden_state"
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    out = helper.make_tensor_value_info(
        "last_hidden_state", TensorProto.FLOAT, ["rows", "tokens", config.hidden_size]
    )
    graph = helper.make_graph(to.nodes, "bert", inputs, [out], list(to.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
