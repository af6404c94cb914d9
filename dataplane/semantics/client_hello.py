"""The ClientHello of a TLS connection: which server name and which protocols it asks for, without decrypting anything.

Here: a pure function of the first bytes; the more there are, the more it can say, and it says the same however they were split.
Not here: who reads the bytes (extensions.filters.listener.tls_inspector).
Spec: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 7301.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_HANDSHAKE: Final = 0x16
_MAJOR: Final = 3
_CLIENT_HELLO: Final = 1
_RECORD_HEAD: Final = 5
_MESSAGE_HEAD: Final = 4
_MOST_IN_RECORD: Final = 16384 + 256
_FIXED: Final = 2 + 32  # version and random, before the session id
_SERVER_NAME: Final = 0
_ALPN: Final = 16
_HOST_NAME: Final = 0


class NoHello(Enum):
    """Why there is no ClientHello (yet)."""

    INCOMPLETE = "incomplete"
    NOT_TLS = "not TLS"
    BROKEN = "broken"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class ClientHello:
    """server_name: lower case, "" for none.  protocols: of ALPN, in the client's order."""

    server_name: str
    protocols: tuple[str, ...]


def parse_client_hello(data: bytes, most: int) -> ClientHello | NoHello:
    """Read *data*, which may go on.  most: bytes that a ClientHello may have."""
    message = b""
    position = 0
    while True:
        verdict = _look_at_record(data, position)
        if verdict is not None:
            return verdict
        size = int.from_bytes(data[position + 3 : position + _RECORD_HEAD])
        body = data[position + _RECORD_HEAD : position + _RECORD_HEAD + size]
        message += body
        if message and message[0] != _CLIENT_HELLO:
            return NoHello.NOT_TLS
        if len(message) >= _MESSAGE_HEAD:
            length = int.from_bytes(message[1:_MESSAGE_HEAD])
            if length + _MESSAGE_HEAD > most:
                return NoHello.TOO_LARGE
            if len(message) >= length + _MESSAGE_HEAD:
                return _read(message[_MESSAGE_HEAD : _MESSAGE_HEAD + length])
        if len(body) < size:
            return NoHello.INCOMPLETE
        position += _RECORD_HEAD + size


def _look_at_record(data: bytes, position: int) -> NoHello | None:
    """Why no record begins at *position*; None where the head of one does."""
    head = data[position : position + _RECORD_HEAD]
    if len(head) < _RECORD_HEAD:  # Envoy's library looks at nothing less, and so says the same however bytes come
        return NoHello.INCOMPLETE
    if head[0] != _HANDSHAKE or head[1] != _MAJOR:
        return NoHello.NOT_TLS
    size = int.from_bytes(head[3:])
    return NoHello.NOT_TLS if not 0 < size <= _MOST_IN_RECORD else None


class _Short(Exception):
    """A length says more than there is."""


class _Reader:
    """Bytes with a position."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise _Short
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> bytes:
        """What stands behind its length."""
        return self.take(self.number(width))


def _read(body: bytes) -> ClientHello | NoHello:
    reader = _Reader(body)
    server_name = ""
    protocols: tuple[str, ...] = ()
    try:
        reader.take(_FIXED)
        reader.vector(1)  # session id
        reader.vector(2)  # cipher suites
        reader.vector(1)  # compression methods
        extensions = _Reader(reader.vector(2) if reader else b"")
        while extensions:
            kind, content = extensions.number(2), extensions.vector(2)
            if kind == _SERVER_NAME:
                server_name = _server_name(content)
            elif kind == _ALPN:
                protocols = _protocols(content)
    except _Short:
        return NoHello.BROKEN
    return ClientHello(server_name, protocols)


def _server_name(content: bytes) -> str:
    names = _Reader(_Reader(content).vector(2))
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == _HOST_NAME:
            return name.decode("latin-1").lower()
    return ""


def _protocols(content: bytes) -> tuple[str, ...]:
    names = _Reader(_Reader(content).vector(2))
    found = []
    while names:
        found.append(names.vector(1).decode("latin-1"))
    return tuple(found)
