"""The protocol's messages, made from a table of their fields; nothing is generated beforehand.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
The classes live in a pool of their own, so that a client of the same protocol, which registers messages
of the same names, may run in the same process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

# Of each message its fields, numbered from 1: name, type, and `*` where it is repeated. A map leads from
# names to InferParameter.
_MESSAGES: dict[str, str] = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live:bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready:bool",
    "ModelReadyRequest": "name:string version:string",
    "ModelReadyResponse": "ready:bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name:string version:string extensions:string*",
    "ModelMetadataRequest": "name:string version:string",
    "ModelMetadataResponse": "name:string versions:string* platform:string "
    "inputs:ModelMetadataResponse.TensorMetadata* outputs:ModelMetadataResponse.TensorMetadata*",
    "ModelMetadataResponse.TensorMetadata": "name:string datatype:string shape:int64*",
    "ModelInferRequest": "model_name:string model_version:string id:string parameters:map "
    "inputs:ModelInferRequest.InferInputTensor* "
    "outputs:ModelInferRequest.InferRequestedOutputTensor* raw_input_contents:bytes*",
    "ModelInferRequest.InferInputTensor": "name:string datatype:string shape:int64* parameters:map "
    "contents:InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": "name:string parameters:map",
    "ModelInferResponse": "model_name:string model_version:string id:string parameters:map "
    "outputs:ModelInferResponse.InferOutputTensor* raw_output_contents:bytes*",
    "ModelInferResponse.InferOutputTensor": "name:string datatype:string shape:int64* parameters:map "
    "contents:InferTensorContents",
    "InferParameter": "bool_param:bool int64_param:int64 string_param:string",
    "InferTensorContents": "bool_contents:bool* int_contents:int32* int64_contents:int64* "
    "uint_contents:uint32* uint64_contents:uint64* fp32_contents:float* fp64_contents:double* "
    "bytes_contents:bytes*",
    "RepositoryModelLoadRequest": "model_name:string",
    "RepositoryModelLoadResponse": "model_name:string isLoaded:bool",
    "RepositoryModelUnloadRequest": "model_name:string",
    "RepositoryModelUnloadResponse": "model_name:string isUnloaded:bool",
}
_ONE_OF = {"InferParameter": "parameter_choice"}
_SCALARS = {
    "bool": Field.TYPE_BOOL, "string": Field.TYPE_STRING, "bytes": Field.TYPE_BYTES,
    "int32": Field.TYPE_INT32, "int64": Field.TYPE_INT64, "uint32": Field.TYPE_UINT32,
    "uint64": Field.TYPE_UINT64, "float": Field.TYPE_FLOAT, "double": Field.TYPE_DOUBLE,
}  # fmt: skip


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="bertworks/open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    made: dict[str, descriptor_pb2.DescriptorProto] = {}
    for name, fields in _MESSAGES.items():
        outer, _, inner = name.rpartition(".")
        message = (made[outer].nested_type if outer else file.message_type).add(name=inner)
        made[name] = message
        if name in _ONE_OF:
            message.oneof_decl.add(name=_ONE_OF[name])
        _add_fields(message, name, fields.split())
    return file


def _add_fields(message: descriptor_pb2.DescriptorProto, path: str, fields: Sequence[str]) -> None:
    for number, told in enumerate(fields, 1):
        name, _, kind = told.partition(":")
        field = message.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL)
        if kind.endswith("*") or kind == "map":
            field.label = Field.LABEL_REPEATED
        if kind == "map":
            entry = message.nested_type.add(name="ParametersEntry")
            entry.options.map_entry = True
            _add_fields(entry, f"{path}.ParametersEntry", ["key:string", "value:InferParameter"])
            kind = f"{path}.ParametersEntry"
        kind = kind.rstrip("*")
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type, field.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
        if path in _ONE_OF:
            field.oneof_index = 0


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message(name: str) -> Any:
    """The class of a message, for example "ModelInferRequest"."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))
