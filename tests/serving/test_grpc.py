"""The Open Inference Protocol over gRPC: by kserve's generated messages, and by what is no message."""

import asyncio
import importlib.util
import json
import random
import struct
import sys
from pathlib import Path

import grpc
import pytest
from served import serving_of
from tiny_model import make_model

from bertworks.runtime.agent import Agent
from bertworks.serving.grpc import messages
from bertworks.serving.grpc.listening import made
from bertworks.serving.grpc.service import Service
from bertworks.spec.limits import Limits

INFER = f"/{messages.SERVICE}/ModelInfer"
LIMITS = Limits(rows=8, characters=200, body_mb=0.05)


@pytest.fixture(scope="module")
def theirs():
    """kserve's generated messages, without the rest of kserve, which takes seconds to import."""
    folder = Path(importlib.util.find_spec("kserve").submodule_search_locations[0])
    file = folder / "protocol/grpc/grpc_predict_v2_pb2.py"
    spec = importlib.util.spec_from_file_location("grpc_predict_v2_pb2", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc") / "model"
    return Agent.from_model(make_model(folder, {"type": "classification"}, ["bad", "good"]))


@pytest.fixture
def serving(agent):
    return serving_of({"mood": agent}, LIMITS, repository=True)


def asking(serving, ask):
    """Runs `ask(channel)` against a server on a free port."""

    async def whole():
        _, gate = serving.application()
        server = made(Service(serving, gate), serving.limits)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await ask(channel)
        finally:
            await server.stop(None)

    return asyncio.run(asyncio.wait_for(whole(), 120))


def infer(serving, request, **more):
    """The bytes of an answer, or the error that a call ended with."""
    packed = request if isinstance(request, bytes) else request.SerializeToString()

    async def ask(channel):
        try:
            return await channel.unary_unary(INFER)(packed, **more)
        except grpc.aio.AioRpcError as error:
            return error

    return asking(serving, ask)


def request_of(theirs, texts, raw=False, **more):
    request = theirs.ModelInferRequest(model_name="mood", id="7", **more)
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    if raw:
        encoded = [text.encode() for text in texts]
        request.raw_input_contents.append(
            b"".join(struct.pack("<I", len(one)) + one for one in encoded)
        )
    else:
        tensor.contents.bytes_contents.extend(text.encode() for text in texts)
    return request


def test_the_messages_are_the_protocols(theirs):
    from google.protobuf import descriptor_pb2

    def told(message):
        found = descriptor_pb2.DescriptorProto()
        message.DESCRIPTOR.CopyToProto(found)
        for field in found.field:
            field.ClearField("json_name")
        return {
            (one.name, one.number, one.type, one.label, one.type_name) for one in found.field
        }, {one.name for one in found.nested_type}

    for name in messages._MESSAGES:
        if "." not in name:
            assert told(messages.message(name)) == told(getattr(theirs, name)), name


@pytest.mark.parametrize("raw", [False, True])
def test_answers_are_those_of_the_agent(serving, agent, theirs, raw):
    texts = ["good film", "bad"]
    packed = infer(serving, request_of(theirs, texts, raw))
    answer = theirs.ModelInferResponse.FromString(packed)
    assert (answer.model_name, answer.model_version, answer.id) == ("mood", "3", "7")
    assert answer.parameters["digest"].string_param == "d" * 64
    names = [one.name for one in answer.outputs]
    assert names == ["prediction", "label", "score", "truncated"]
    assert [list(one.shape) for one in answer.outputs] == [[2]] * 4
    if raw:
        scores = list(struct.unpack("<2d", answer.raw_output_contents[2]))
        assert answer.raw_output_contents[3] == b"\x00\x00"
    else:
        scores = list(answer.outputs[2].contents.fp64_contents)
        whole = [json.loads(one) for one in answer.outputs[0].contents.bytes_contents]
        assert whole == [dict(one) for one in agent.predict(texts)]
    assert scores == pytest.approx([one["score"] for one in agent.predict(texts)], abs=1e-6)


def test_outputs_and_top_are_heeded(serving, theirs):
    request = request_of(theirs, ["good film"])
    request.outputs.add(name="label")
    request.outputs.add(name="prediction")
    request.parameters["top"].int64_param = 1
    answer = theirs.ModelInferResponse.FromString(infer(serving, request))
    assert [one.name for one in answer.outputs] == ["label", "prediction"]
    (whole,) = answer.outputs[1].contents.bytes_contents
    assert len(json.loads(whole)["scores"]) == 1


CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (lambda one: one.inputs.add().CopyFrom(one.inputs[0]), CODE.INVALID_ARGUMENT, "row"),
        (lambda one: one.outputs.add(name="logits"), CODE.INVALID_ARGUMENT, "row"),
        (lambda one: setattr(one, "model_name", "none"), CODE.NOT_FOUND, "model"),
        (lambda one: setattr(one, "model_version", "9"), CODE.NOT_FOUND, "version"),
        (lambda one: setattr(one.inputs[0], "datatype", "FP32"), CODE.INVALID_ARGUMENT, "row"),
        (lambda one: one.inputs[0].shape.append(9), CODE.INVALID_ARGUMENT, "row"),
        (lambda one: one.raw_input_contents.append(b"x"), CODE.INVALID_ARGUMENT, "raw"),
        (lambda one: one.inputs[0].contents.bytes_contents.append(b"\xff"), CODE.INVALID_ARGUMENT,
         "row"),
        (lambda one: one.inputs[0].contents.bytes_contents.append(b"a" * 201),
         CODE.INVALID_ARGUMENT, "characters"),
        (lambda one: one.inputs[0].contents.bytes_contents.extend([b"a"] * 9),
         CODE.INVALID_ARGUMENT, "rows"),
    ],
)  # fmt: skip
def test_refusals_have_a_code_and_a_reason(serving, theirs, change, code, reason):
    request = request_of(theirs, ["good film"])
    change(request)
    if reason == "characters":
        request.inputs[0].shape[0] = 2
    error = infer(serving, request)
    assert error.code() == code, error
    assert dict(error.trailing_metadata())["reason"] == reason and error.details()


def test_bytes_that_are_no_message_are_the_clients_fault(serving, theirs):
    stream = random.Random(0)
    good = request_of(theirs, ["good film", "bad"], raw=True).SerializeToString()

    async def ask(channel):
        call, codes = channel.unary_unary(INFER), set()
        for _ in range(150):
            place = stream.randrange(len(good))
            body = good[:place] + stream.randbytes(stream.randint(0, 4)) + good[place + 1 :]
            try:
                await call(body)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
        return codes

    assert asking(serving, ask) <= {CODE.INVALID_ARGUMENT, CODE.NOT_FOUND}


def test_a_message_that_is_too_large_and_a_call_that_is_too_late(serving, theirs):
    large = request_of(theirs, ["a" * 150] * 500)
    assert infer(serving, large).code() == CODE.RESOURCE_EXHAUSTED
    late = infer(serving, request_of(theirs, ["good film"]), timeout=0)
    assert late.code() == CODE.DEADLINE_EXCEEDED


def test_a_message_that_never_comes_is_not_waited_for(agent):
    serving = serving_of({"mood": agent}, LIMITS.model_copy(update={"body_seconds": 0.05}))

    async def ask(channel):
        codes = []
        for name in ("ModelInfer", "ServerLive"):
            call = channel.stream_unary(
                f"/{messages.SERVICE}/{name}"
            )()  # Opened, and nothing sent.
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            codes.append(raised.value.code())
        return codes

    assert asking(serving, ask) == [CODE.DEADLINE_EXCEEDED] * 2


def test_a_full_line_says_so(serving, theirs):
    serving.line._waiting.extend([None] * serving.limits.waiting)
    error = infer(serving, request_of(theirs, ["good film"]))
    assert error.code() == CODE.RESOURCE_EXHAUSTED
    trailers = dict(error.trailing_metadata())
    assert trailers["reason"] == "busy" and int(trailers["retry-after"]) >= 1


def test_health_metadata_and_the_repository(serving, theirs):
    async def ask(channel):
        async def call(name, /, **asked):
            request = getattr(theirs, f"{name}Request")(**asked)
            method = channel.unary_unary(
                f"/{messages.SERVICE}/{name}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=getattr(theirs, f"{name}Response").FromString,
            )
            return await method(request)

        assert (await call("ServerLive")).live and (await call("ServerReady")).ready
        assert (await call("ModelReady", name="mood", version="3")).ready
        assert (await call("ServerMetadata")).name == "bertworks"
        told = await call("ModelMetadata", name="mood")
        assert [one.name for one in told.inputs] == ["text"] and list(told.versions) == ["3"]
        assert (await call("RepositoryModelUnload", model_name="mood")).isUnloaded
        assert not (await call("ServerReady")).ready
        assert (await call("RepositoryModelLoad", model_name="mood")).isLoaded
        assert (await call("ModelReady", name="mood")).ready
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call("ModelReady", name="none")
        return raised.value.code()

    assert asking(serving, ask) == CODE.NOT_FOUND
