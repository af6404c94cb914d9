"""Http2ProtocolOptions.custom_settings_parameters: what a SETTINGS frame says beside what has fields of its own.

Envoy: config.core.v3.Http2ProtocolOptions.SettingsParameter; Http2::Utility::initializeAndValidateOptions.
"""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports

supports(Http2ProtocolOptions, "custom_settings_parameters")
supports(Http2ProtocolOptions.SettingsParameter, "identifier", "value")

# RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1.
_PUSH: Final = 2
_CONNECT_PROTOCOL: Final = 8
_FIELDS: Final = {1: "hpack_table_size", 3: "max_concurrent_streams", 4: "initial_stream_window_size"}
_RANGES: Final = {_PUSH: (0, 1), 4: (0, (1 << 31) - 1), 5: (1 << 14, (1 << 24) - 1), 9: (0, 1)}


def compile_custom_settings(message: Http2ProtocolOptions, at: FieldPath) -> tuple[tuple[int, int], ...]:
    """Identifiers and values in their order, each once."""
    found: dict[int, int] = {}
    inconsistent: dict[int, None] = {}
    for index, parameter in enumerate(message.custom_settings_parameters):
        identifier, value = parameter.identifier.value, parameter.value.value
        if found.setdefault(identifier, value) != value:
            inconsistent[identifier] = None
        _check(identifier, value, at / index)
    if inconsistent:
        names = ",".join(f"0x{identifier:02x}" for identifier in inconsistent)
        raise ConfigError(at, f"inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {{{names}}}")
    twice = [name for identifier, name in _FIELDS.items() if identifier in found and message.HasField(name)]
    if twice:
        names = ",".join(twice)
        reason = f"the {{{names}}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"
        raise ConfigError(at, reason)
    return tuple(found.items())


def _check(identifier: int, value: int, at: FieldPath) -> None:
    if identifier == _PUSH and value == 1:
        raise ConfigError(at, "server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.")
    if identifier == _CONNECT_PROTOCOL:
        raise ConfigError(at, 'the "allow_connect" SETTINGS parameter must only be configured through the named field')
    least, most = _RANGES.get(identifier, (0, value))
    if not least <= value <= most:  # Envoy differs: it accepts the value, and then sends no SETTINGS at all
        raise ConfigError(at / "value", f"value must be inside range [{least}, {most}]")
