"""From a type URL to the Python class of a message, importing the module that defines it on first use.

Importing all of the xDS modules takes half a second, and which are needed is known only from the configuration.  In the xDS
repositories the package of a message is its directory, so the modules that may define `envoy.config.core.v3.Address` are those
of `envoy/config/core/v3/`: no index is needed, and the network can only choose among the packages below.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from dataplane.base.errors import ConfigError, FieldPath

TYPE_URL_PREFIX = "type.googleapis.com/"

# Top-level packages with messages that a configuration may hold.
_ROOTS = frozenset({"envoy", "xds", "udpa", "opencensus"})
_WELL_KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")


def type_url_of(message: Message | type[Message]) -> str:
    """`type.googleapis.com/` and the full name."""
    return TYPE_URL_PREFIX + message.DESCRIPTOR.full_name


def full_name_of(type_url: str) -> str:
    """What follows the last slash; Envoy, too, accepts any prefix."""
    return type_url.rpartition("/")[2]


def is_v2(full_name: str) -> bool:
    """Whether the message belongs to the API's version 2, which nobody serves any more."""
    return any(part in ("v2", "v2alpha", "v2alpha1") for part in full_name.split(".")) and full_name.startswith("envoy.")


@lru_cache(maxsize=4096)
def message_class(full_name: str) -> type[Message] | None:
    """The class of a message, or None where no installed package defines it."""
    pool = descriptor_pool.Default()
    for attempt in (_nothing, _import_package):
        attempt(full_name)
        try:
            return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))
        except KeyError:
            continue
    return None


def unpack(packed: AnyMessage, at: FieldPath) -> Message:
    """The message inside *packed*; ConfigError where its type is unknown, of version 2, or its bytes are broken."""
    full_name = full_name_of(packed.type_url)
    if is_v2(full_name):
        raise ConfigError(at, f"type {full_name} is of the v2 API, which is not supported")
    found = message_class(full_name)
    if found is None:
        raise ConfigError(at, f"unknown type {packed.type_url!r}")
    message = found()
    try:
        message.ParseFromString(packed.value)
    except DecodeError as error:
        raise ConfigError(at, f"not a serialized {full_name}") from error
    return message


def _nothing(full_name: str) -> None:
    """The message may be known already."""


def _import_package(full_name: str) -> None:
    """Import the modules of the longest package that full_name begins with (the rest are the names of nested messages)."""
    parts = full_name.split(".")
    if full_name.startswith("google.protobuf."):
        for name in _WELL_KNOWN:
            importlib.import_module(f"google.protobuf.{name}_pb2")
        return
    if parts[0] not in _ROOTS or not all(part.isidentifier() for part in parts):
        return
    for length in range(len(parts) - 1, 1, -1):
        if _import_modules_of(".".join(parts[:length])):
            return


def _import_modules_of(package_name: str) -> bool:
    try:
        package = importlib.import_module(package_name)
    except ModuleNotFoundError:
        return False
    modules = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name.endswith("_pb2")]
    for name in modules:
        importlib.import_module(f"{package_name}.{name}")
    return bool(modules)
