"""The Open Inference Protocol over gRPC, behind the same line and limits as HTTP.

messages   the protocol's messages, as protobuf classes
codec      requests and answers to and from these
service    the methods: who is let in, and what is answered
listening  the server that offers them
"""
