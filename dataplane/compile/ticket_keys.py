"""TlsSessionTicketKeys → snapshot.secret.SessionTicketKeys.  Envoy: extensions.transport_sockets.tls.v3.TlsSessionTicketKeys."""

from __future__ import annotations

from typing import Final

from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsSessionTicketKeys

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.support import supports
from dataplane.snapshot.secret import SessionTicketKeys

supports(TlsSessionTicketKeys, "keys")

_KEY_BYTES: Final = 80


def compile_ticket_keys(message: TlsSessionTicketKeys, at: FieldPath) -> SessionTicketKeys:
    found = []
    for index, source in enumerate(message.keys):
        key = read_data_source(source, at / "keys" / index)
        if not key:
            raise ConfigError(at / "keys" / index, "DataSource cannot be empty")
        if len(key) != _KEY_BYTES:
            reason = f"Incorrect TLS session ticket key length. Length {len(key)}, expected length {_KEY_BYTES}."
            raise ConfigError(at / "keys" / index, reason)
        found.append(key)
    return SessionTicketKeys(tuple(found))
