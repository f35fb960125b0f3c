"""Checkpoints in other forms: taken apart into the weights that they were made of."""

import dataclasses
import json
import struct

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from random_bert import CONFIG, HEADS, random_inputs, random_weights
from torch_like_graph import torch_like_graph

from bertworks.data.sources.base import fetch_base
from bertworks.data.sources.fetch import fetch
from bertworks.errors import SourceError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.depth import keep_layers
from bertworks.models.importers import onnx_graph, q4
from bertworks.models.importers.imported import write_imported
from bertworks.models.layout import MASKED_BIAS, WORDS, encoder_shapes
from bertworks.models.model import build
from bertworks.models.rows import keep_rows
from bertworks.models.weights import load_folder, read_tensors, save_folder
from bertworks.spec import Base
from bertworks.text.tokenizer import Tokenizer

ENCODER = Head("encoder")
INPUTS = random_inputs(seed=6)
REAL = INPUTS["mask"] == 1


@pytest.fixture
def weights():
    return random_weights(CONFIG, ENCODER, 5)


@pytest.fixture
def exported(tmp_path, weights):
    file = tmp_path / "model.onnx"
    onnx.save_model(torch_like_graph(CONFIG, weights), str(file))
    return file


def quantized(file, **settings):
    target = file.with_name("int8.onnx")
    quantize_dynamic(file, target, **settings)
    return target


def of_the_graph(file):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = {"input_ids": "input_ids", "mask": "attention_mask", "type_ids": "token_type_ids"}
    given = {theirs: INPUTS[ours].astype(np.int64) for ours, theirs in names.items()}
    return session.run(["last_hidden_state"], given)[0]


def of_ours(config, weights):
    return build(config, ENCODER, weights)(INPUTS, hidden_states=True)["hidden"][-1].numpy()


def imported(file):
    found = onnx_graph.read(file, file.name)
    config = EncoderConfig.from_huggingface(found.config)
    assert {name: found.weights[name].shape for name in encoder_shapes(config)} == encoder_shapes(
        config
    )
    return found, config


def test_a_graph_in_floating_point_gives_back_its_weights_and_sizes(exported, weights):
    found, config = imported(exported)
    assert config == CONFIG
    assert found.quantized is None
    assert {*found.weights} == {*weights}
    for name, array in weights.items():
        np.testing.assert_array_equal(found.weights[name], array, err_msg=name)
    difference = np.abs(of_ours(config, found.weights) - of_the_graph(exported))[REAL]
    assert difference.max() < 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_type": QuantType.QInt8},
        {"weight_type": QuantType.QUInt8},
        {"weight_type": QuantType.QInt8, "per_channel": True},
    ],
    ids=["int8", "uint8", "a scale a column"],
)
def test_a_quantized_graph_gives_weights_within_half_a_step(exported, weights, settings):
    found, config = imported(quantized(exported, **settings))
    assert config == CONFIG
    assert found.quantized == "int8"
    for name, array in weights.items():
        step = 2 * np.abs(array).max() / 254 if array.ndim > 1 else 0.0
        assert np.abs(found.weights[name] - array).max() <= 1.05 * step, name


def test_only_rounded_activations_tell_a_quantized_graph_from_its_weights(exported):
    """What dynamic quantization adds beside the weights' rounding is that of each product's input."""
    file = quantized(exported, weight_type=QuantType.QUInt8)
    found, config = imported(file)
    ours, theirs = of_ours(config, found.weights)[REAL], of_the_graph(file)[REAL]
    cosine = (
        (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    )
    assert cosine.min() > 0.99


def test_weights_behind_a_dequantize_node_are_scaled_by_it(exported, weights):
    model = onnx.load(str(exported))
    (own,) = [one for one in model.graph.node if one.op_type == "MatMul"][:1]
    name = own.input[1]
    matrix = onnx.numpy_helper.to_array(
        next(one for one in model.graph.initializer if one.name == name)
    )
    scale = (np.abs(matrix).max(0) / 127).astype(np.float32)
    integers = np.round(matrix / scale).astype(np.int8)
    parts = {"q": integers, "s": scale, "z": np.zeros(len(scale), np.int8)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, f"w_{part}") for part, value in parts.items()
    )
    node = helper.make_node("DequantizeLinear", ["w_q", "w_s", "w_z"], ["w"], axis=1)
    model.graph.node.insert(0, node)
    own.input[1] = "w"
    onnx.save_model(model, str(exported))
    found, _ = imported(exported)
    assert found.quantized == "int8"
    np.testing.assert_allclose(
        found.weights["bert.encoder.layer.0.attention.self.query.weight"], (integers * scale).T
    )


def test_equal_weights_that_the_exporter_shares_are_given_their_names(exported, tmp_path):
    same = {name: np.zeros_like(array) if name.endswith("bias") else array
            for name, array in random_weights(CONFIG, ENCODER, 5).items()}  # fmt: skip
    model = torch_like_graph(CONFIG, same)
    kept, copy = (f"model.encoder.layer.{layer}.output.dense.bias" for layer in (0, 1))
    (own,) = [one for one in model.graph.initializer if one.name == copy]
    model.graph.initializer.remove(own)
    model.graph.node.insert(0, helper.make_node("Identity", [kept], [copy]))
    onnx.save_model(model, str(exported))
    found, _ = imported(exported)
    assert {*found.weights} == {*same}


def damaged(kind, weights):
    if kind == "pointer":
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    model = torch_like_graph(CONFIG, weights)
    if kind == "nameless":
        for one in model.graph.initializer:
            if "word_embeddings" in one.name:
                one.name = "table"
    if kind == "fused":
        for one in model.graph.node:
            one.op_type = "FusedMatMul" if one.op_type == "MatMul" else one.op_type
    if kind == "relu":
        for one in model.graph.node:
            one.op_type = "Tanh" if one.op_type == "Erf" else one.op_type
    if kind == "outside":
        one = model.graph.initializer[0]
        one.ClearField("raw_data")
        one.data_location = onnx.TensorProto.EXTERNAL
        one.external_data.add(key="location", value="../../etc/passwd")
    if kind == "short":
        next(one for one in model.graph.initializer if "word" in one.name).raw_data = b"12"
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("kind", "says", "fix"),
    [
        ("pointer", "cannot be read as an ONNX graph", "Git LFS"),
        ("nameless", "word_embeddings", "without fusing or renaming"),
        ("fused", "added to no linear layer", "without fusing or renaming"),
        ("relu", "another activation than exact GELU", "safetensors"),
        ("outside", "weights in other files", "onnx.save_model"),
        ("short", "damaged weight", "safetensors"),
    ],
)
def test_what_is_no_plain_bert_is_refused(tmp_path, weights, kind, says, fix):
    file = tmp_path / "model.onnx"
    file.write_bytes(damaged(kind, weights))
    with pytest.raises(SourceError, match=says) as caught:
        onnx_graph.read(file, "there/model.onnx")
    assert "there/model.onnx" in caught.value.message
    assert fix in caught.value.fix


def test_a_config_beside_the_graph_must_agree(exported, tmp_path):
    found, config = imported(exported)
    folder = tmp_path / "base"
    folder.mkdir()
    write_imported(found, folder, "there")
    assert load_folder(folder)[0] == config
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**raw, "num_attention_heads": 6}))
    with pytest.raises(SourceError, match="num_attention_heads 6, an ONNX graph beside it has 3"):
        write_imported(found, folder, "there")
    (folder / "config.json").unlink()
    untold = {key: value for key, value in found.config.items() if key != "num_attention_heads"}
    with pytest.raises(SourceError, match="does not tell num_attention_heads") as caught:
        write_imported(dataclasses.replace(found, config=untold), folder, "there")
    assert "config.json beside it" in caught.value.fix


def test_the_first_layers_alone_compute_what_they_computed(tmp_path, weights):
    save_folder(tmp_path, CONFIG, weights, ENCODER)
    keep_layers(tmp_path, 1)
    config, kept, _ = load_folder(tmp_path)
    assert config.num_layers == 1
    assert {*kept} == {name for name in weights if "layer.1." not in name}
    whole = build(CONFIG, ENCODER, weights)(INPUTS, hidden_states=True)["hidden"]
    np.testing.assert_allclose(of_ours(config, kept), whole[1].numpy(), atol=1e-6)


def test_the_first_layers_of_a_pruned_encoder_keep_their_widths(tmp_path):
    narrow = dataclasses.replace(CONFIG, num_heads=(2, 1), intermediate_sizes=(30, 9))
    save_folder(tmp_path, narrow, random_weights(narrow, ENCODER, 5), ENCODER)
    keep_layers(tmp_path, 1)
    config, *_ = load_folder(tmp_path)
    assert (config.num_heads, config.intermediate_sizes) == ((2,), (30,))


PACKED = dataclasses.replace(
    CONFIG, vocab_size=64, layer_norm_eps=1e-5, pad_id=1
)  # blocks of 32 weights


def in_four_bits(array):
    """Q4_0: blocks of a float16 scale and 32 halves of bytes, and the values that they stand for."""
    blocks = array.reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / 7).astype(np.float16)
    halves = np.clip(np.round(blocks / scale.astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    packed = halves[:, :16] | (halves[:, 16:] << 4)
    content = b"".join(s.tobytes() + row.tobytes() for s, row in zip(scale, packed, strict=True))
    return content, ((halves.astype(np.float32) - 8) * scale.astype(np.float32)).reshape(
        array.shape
    )


def packed_file(config, weights):
    """The file, and the weights that it holds."""
    sizes = (1, config.hidden_size, config.num_layers, config.uniform_heads,
             config.intermediate_sizes[0], config.vocab_size, config.max_positions,
             config.type_vocab_size)  # fmt: skip
    pieces = [b"<s>", b"<pad>", b"a"]
    blob = b"".join(pieces)
    offsets = np.cumsum([0, *map(len, pieces)]).astype("<u4")
    head = b"E5S1" + struct.pack("<8ifi", *sizes, config.layer_norm_eps, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 0, 1, 0, len(blob)) + offsets.tobytes()
    head += np.zeros(len(pieces), "<f4").tobytes() + blob + struct.pack("<iI", 2, 5) + b"rules"
    held, tensors = {}, []
    for name, array in weights.items():
        if array.ndim == 2 and "position" not in name and "type" not in name:
            content, held[name] = in_four_bits(array)
            tensors.append((q4._name(name).encode(), 1, array.size, content))
        else:
            held[name] = array
            tensors.append((q4._name(name).encode(), 0, array.size, array.tobytes()))
    head += struct.pack("<i", len(tensors))
    place = len(head) + sum(2 + len(name) + 21 for name, *_ in tensors)
    for name, kind, count, content in tensors:
        head += struct.pack("<H", len(name)) + name
        head += struct.pack("<BIQQ", kind, count, place, len(content))
        place += len(content)
    return head + b"".join(content for *_, content in tensors), held


def test_a_file_of_four_bits_gives_back_what_it_holds(tmp_path):
    content, held = packed_file(PACKED, random_weights(PACKED, ENCODER, 5))
    (tmp_path / "e5.bin").write_bytes(content)
    found = q4.read(tmp_path / "e5.bin", "e5.bin")
    assert EncoderConfig.from_huggingface(found.config) == PACKED
    assert found.config["pad_token_id"] == 1
    assert (found.kind, found.quantized) == ("a Q4_0 file", "four bits")
    assert {*found.weights} == {*held}
    for name, array in held.items():
        np.testing.assert_array_equal(found.weights[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: b"PK" + content[2:], "does not begin with E5S1"),
        (lambda content: content[:300], "is damaged"),
        (lambda content: content[:-40], "is damaged"),
        (lambda content: content[:4] + b"\x02" + content[5:], "version 2"),
        (lambda content: content.replace(b"l1.q.w", b"l9.q.w"), "no weight 'l1.q.w'"),
    ],
    ids=["another", "short", "cut", "newer", "a weight less"],
)
def test_a_file_of_four_bits_that_is_damaged_is_refused(tmp_path, change, says):
    content, _ = packed_file(PACKED, random_weights(PACKED, ENCODER, 5))
    (tmp_path / "e5.bin").write_bytes(change(content))
    with pytest.raises(SourceError, match=says):
        q4.read(tmp_path / "e5.bin", "e5.bin")


def test_some_rows_of_a_vocabulary_keep_their_places(tmp_path):
    weights = random_weights(CONFIG, HEADS["mlm"], 5)
    save_folder(tmp_path, CONFIG, weights, HEADS["mlm"])
    kept = np.array([0, 3, 60])
    keep_rows(tmp_path, kept)
    found = read_tensors(tmp_path / "model.safetensors")
    config, *_ = load_folder(tmp_path)
    assert config.vocab_size == 3
    for name, array in weights.items():
        own = array[kept] if name in (WORDS, MASKED_BIAS) else array
        np.testing.assert_array_equal(found[name], own, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minilm-l3", "bge-small-en"])
def test_the_catalogues_graphs_compute_the_same_in_onnxruntime(tmp_path, name):
    """In floating point to 1e-4; where products round their inputs to int8, nearly."""
    base = Base(name=name)
    fetch_base(base, tmp_path)
    config, weights, _ = load_folder(tmp_path)
    uri = base.uri if base.uri.endswith(".onnx") else f"{base.uri}/model.onnx"
    texts = ["a warm, clever and moving film", "how do i top up my card?", "dull"]
    encoded = Tokenizer.load(tmp_path).encode_batch(texts)
    length = max(len(ids) for ids, _ in encoded)
    ids = np.array([[*row, *[0] * (length - len(row))] for row, _ in encoded], np.int64)
    mask = (ids != 0).astype(np.int64)
    with fetch(uri, base.sha256, tmp_path) as files:
        session = onnxruntime.InferenceSession(str(files[0].path))
        wanted = {one.name for one in session.get_inputs()}
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        outputs = session.run(None, {name: given[name] for name in wanted})
    theirs = next(one for one in outputs if one.shape == (*ids.shape, config.hidden_size))[
        mask == 1
    ]
    inputs = {"input_ids": ids, "mask": mask, "type_ids": np.zeros_like(ids)}
    narrow = {key: array.astype(np.int32) for key, array in inputs.items()}
    states = build(config, ENCODER, weights)(narrow, hidden_states=True)["hidden"]
    ours = states[-1].numpy()[mask == 1]
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    cosine = ((ours * theirs).sum(-1) / norms).min()
    print(
        f"{name}: largest difference {np.abs(ours - theirs).max():.2e}, least cosine {cosine:.5f}"
    )
    if name == "minilm-l3":
        assert np.abs(ours - theirs).max() < 1e-4
    else:
        assert cosine > 0.99
