"""Protobuf messages of which only the fields that are asked for are described; protobuf skips the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError


class Messages:
    """Messages by their names. Of each its fields: name, number, type.

    A capital letter begins a message's name, ``*`` marks a repeated field: ``"shape 1 int64*, type 3 FeatureType"``.
    """

    def __init__(self, package: str, fields_by_message: Mapping[str, str]) -> None:
        self._package = package
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        for message, fields in fields_by_message.items():
            described = file.message_type.add(name=message)
            for field in fields.split(", "):
                name, number, kind = field.split()
                made = described.field.add(name=name, number=int(number))
                made.label = made.LABEL_REPEATED if kind.endswith("*") else made.LABEL_OPTIONAL
                kind = kind.rstrip("*")
                if kind[0].isupper():
                    made.type, made.type_name = made.TYPE_MESSAGE, f".{package}.{kind}"
                else:
                    made.type = getattr(made, f"TYPE_{kind.upper()}")
        self._pool = descriptor_pool.DescriptorPool()
        self._pool.Add(file)

    def read(self, name: str, data: bytes = b"") -> Any:
        """One of the messages, from its bytes; raises ValueError for what is none."""
        kind = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"{self._package}.{name}"))
        try:
            return kind.FromString(data)
        except DecodeError as error:
            raise ValueError(f"it is not a {name} in protobuf") from error
