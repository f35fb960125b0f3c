"""Asks a server with kserve's own clients, over REST and gRPC; prints what it heard.

python ask_kserve.py REST_PORT GRPC_PORT
"""

import asyncio
import json
import sys

from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def request():
    tensor = InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(__import__("numpy").array([b"good film", b"bad"], dtype=object))
    return InferRequest(model_name="mood", infer_inputs=[tensor])


async def main(rest_port, grpc_port):
    base = f"http://127.0.0.1:{rest_port}"
    first = InferenceRESTClient(RESTConfig(protocol="v1"))
    second = InferenceRESTClient(RESTConfig(protocol="v2"))
    told = await first.infer(base, {"instances": ["good film", "bad"]}, model_name="mood")
    heard = {
        "v1": [one["label"] for one in told["predictions"]],
        "live": await second.is_server_live(base),
        "ready": await second.is_server_ready(base) and await second.is_model_ready(base, "mood"),
    }
    answer = await second.infer(base, request(), model_name="mood")
    heard["v2"] = _labels(answer)
    client = InferenceGRPCClient(f"127.0.0.1:{grpc_port}")
    assert await client.is_server_ready() and await client.is_model_ready("mood")
    heard["grpc"] = _labels(await client.infer(request()))
    await client.close()
    print(json.dumps(heard))


def _labels(answer):
    (label,) = [one for one in answer.outputs if one.name == "label"]
    values = label.as_numpy().reshape(-1).tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]


asyncio.run(main(*sys.argv[1:]))
