"""Asks a server with Triton's clients, over HTTP (binary tensors) and gRPC; prints what it heard.

python ask_triton.py REST_PORT GRPC_PORT
"""

import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http

heard = {}
for module, port in ((tritonclient.http, sys.argv[1]), (tritonclient.grpc, sys.argv[2])):
    name = module.__name__.rpartition(".")[2]
    client = module.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mood")
    assert client.get_server_metadata() and client.get_model_metadata("mood")
    tensor = module.InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(np.array([b"good film", b"bad"], dtype=object))
    wanted = [module.InferRequestedOutput(one) for one in ("label", "score", "truncated")]
    answer = client.infer("mood", [tensor], outputs=wanted)
    assert answer.as_numpy("score").shape == (2,) and not answer.as_numpy("truncated").any()
    heard[name] = [label.decode() for label in answer.as_numpy("label").tolist()]
    client.close()
print(json.dumps(heard))
