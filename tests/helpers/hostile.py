"""Requests that are near to good ones, and damaged: from a seeded stream."""

import json
import struct

CE = [(b"ce-specversion", b"1.0"), (b"ce-id", b"1"), (b"ce-source", b"s"), (b"ce-type", b"t")]

ONE = struct.pack("<I", 4) + b"good"
BINARY = {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 8}}


def tensor(data, shape=None, **more):
    return {
        "name": "text",
        "shape": shape or [len(data)],
        "datatype": "BYTES",
        "data": data,
        **more,
    }


ATOMS = [None, True, 0, -1, 2**40, 1.5, "", "a", "good film", "\x00", "\n\u2028", "[MASK]", "é" * 50,
         "a" * 300, [], {}, [[]], ["a", "b"], {"text": "a"}, {"text_a": "a", "text_b": "b"},
         {"tokens": ["a", ""]}, {"tokens": []}]  # fmt: skip
KEYS = ["instances", "inputs", "outputs", "id", "parameters", "name", "shape", "datatype", "data",
        "text", "tokens", "binary_data_size", "binary_data_output", "specversion", "source", "type",
        "time", "bad\nkey", "\x1b[31m"]  # fmt: skip


def _anything(stream, depth=3):
    kind = stream.random()
    if depth == 0 or kind < 0.4:
        return stream.choice(ATOMS)
    if kind < 0.7:
        return [_anything(stream, depth - 1) for _ in range(stream.randint(0, 3))]
    return {stream.choice(KEYS): _anything(stream, depth - 1) for _ in range(stream.randint(0, 3))}


def damaged_request(stream):
    """Something near to a request, then damaged."""
    value = stream.choice([
        {"instances": [_anything(stream, 2) for _ in range(stream.randint(0, 3))]},
        {"inputs": [tensor([_anything(stream, 1) for _ in range(stream.randint(0, 3))])]},
        {"inputs": [tensor(["a"], _anything(stream, 1)), {"name": _anything(stream, 1)}]},
        {"inputs": [{**BINARY, stream.choice(list(BINARY)): _anything(stream, 2)}]},
        {"inputs": [tensor(["a"])], stream.choice(KEYS): _anything(stream)},
        {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": _anything(stream)},
        _anything(stream),
    ])  # fmt: skip
    body = json.dumps(value).encode()
    damage = stream.random()
    if damage < 0.2 and body:
        place = stream.randrange(len(body))
        body = body[:place] + stream.randbytes(stream.randint(0, 3)) + body[place + 1 :]
    elif damage < 0.3:
        body = body[: stream.randrange(len(body) + 1)] + ONE
    headers = []
    if stream.random() < 0.4:
        length = stream.choice([len(body), len(body) - len(ONE), 0, "x", "", 1, 10**30, -3])
        headers.append((b"inference-header-content-length", str(length).encode()))
    if stream.random() < 0.3:
        headers += [(name, stream.choice([value, b"", b"\xe9"])) for name, value in
                    stream.sample(CE, stream.randint(1, 4))]  # fmt: skip
    if stream.random() < 0.4:
        kind = stream.choice(["text/plain", "application/cloudevents+json", "application/json", ""])
        headers.append((b"content-type", kind.encode()))
    return body, headers
