"""Protobuf messages of Envoy's API, by type URL.

Here: finding message classes and decoding bodies.  Not here: parsing and checking what operators write (preflight).
All of Envoy's v3 messages are loaded at once (0.7 s, when the control plane starts): a resource may contain any of them in an Any, and
rendering it needs the class.
"""

from __future__ import annotations

import importlib
import pkgutil

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from controlplane.base.type_url import message_name

_ROOTS = ("envoy", "udpa", "xds", "google.rpc")


class UnknownType(Exception):
    """No message of that name is known."""


def load_all() -> None:
    """Import every message that a resource may contain.  A second call costs little."""
    for root in _ROOTS:
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, root + "."):
            if module.name.endswith("_pb2") and not _is_old(module.name):
                importlib.import_module(module.name)


def decode(type_url: str, body: bytes) -> Message:
    """Raises UnknownType, google.protobuf.message.DecodeError."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(message_name(type_url))
    except KeyError as error:
        raise UnknownType(f"unknown type {type_url}") from error
    message: Message = message_factory.GetMessageClass(descriptor)()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise DecodeError(f"not a {message_name(type_url)}") from error
    return message


def encode(message: Message) -> bytes:
    """Equal messages give equal bytes, so that a version changes only when the content does."""
    return message.SerializeToString(deterministic=True)


def _is_old(module: str) -> bool:
    """API v2 is gone from Envoy; its files would only cost start-up time."""
    return module.startswith("envoy.") and ".v2" in module
