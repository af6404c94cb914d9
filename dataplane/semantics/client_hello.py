"""The ClientHello of a TLS connection: which server name and which protocols it asks for, without decrypting anything.

Here: a pure function of the first bytes; the more there are, the more it can say, and it says the same however they were split.
Not here: records (tls_records), what tells one client from another (tls_fingerprints), who reads the bytes
(extensions.filters.listener.tls_inspector).
Spec: RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dataplane.semantics.tls_records import PARSE_FAILED, NoMessage, NotTls, first_message

SERVER_NAME: Final = 0
ALPN: Final = 16
_RANDOM: Final = 32
_LONGEST_SESSION: Final = 32
_LONGEST_NAME: Final = 255
_HOST_NAME: Final = 0
_BROKEN_EXTENSION: Final = NotTls("ERROR_PARSING_EXTENSION", 149)


class NoHello(Enum):
    """Why there is no ClientHello (yet).  ENDED: the peer took its leave instead."""

    INCOMPLETE = "incomplete"
    ENDED = "ended"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class ClientHello:
    """version, ciphers, extensions: numbers as they come; extensions with what they hold.

    server_name: lower case, "" for none.  protocols: of ALPN, in the client's order.
    """

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[tuple[int, bytes], ...]
    server_name: str
    protocols: tuple[str, ...]

    def extension(self, kind: int) -> bytes:
        """What it holds; b"" where it is not there."""
        return dict(self.extensions).get(kind, b"")


def parse_client_hello(data: bytes, most: int) -> ClientHello | NotTls | NoHello:
    """Read *data*, which may go on.  most: bytes that are looked at."""
    found = first_message(data[:most])
    if isinstance(found, bytes):
        return _read(found)
    if isinstance(found, NotTls):
        return found
    if found is NoMessage.ENDED:
        return NoHello.ENDED
    return NoHello.INCOMPLETE if len(data) < most else NoHello.TOO_LARGE


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


def _read(body: bytes) -> ClientHello | NotTls:
    reader = _Reader(body)
    try:
        version = reader.number(2)
        reader.take(_RANDOM)
        session, ciphers, compression = reader.vector(1), reader.vector(2), reader.vector(1)
        extensions = tuple(_extensions(reader.vector(2))) if reader else ()
    except _Short:
        return PARSE_FAILED
    found = dict(extensions)
    if reader or len(found) < len(extensions) or len(session) > _LONGEST_SESSION or not compression:
        return PARSE_FAILED
    if not ciphers or len(ciphers) % 2:
        return PARSE_FAILED
    server_name = _server_name(found[SERVER_NAME]) if SERVER_NAME in found else ""
    if server_name is None:
        return _BROKEN_EXTENSION
    return ClientHello(version, numbers(ciphers), extensions, server_name, _protocols(found.get(ALPN, b"")))


def _extensions(content: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(content)
    while reader:
        yield reader.number(2), reader.vector(2)


def numbers(content: bytes) -> tuple[int, ...]:
    """Of two bytes each."""
    return tuple(int.from_bytes(content[start : start + 2]) for start in range(0, len(content) - 1, 2))


def _server_name(content: bytes) -> str | None:
    """The one that there has to be; None where it is broken."""
    reader = _Reader(content)
    try:
        names = _Reader(reader.vector(2))
        kind, name = names.number(1), names.vector(2)
    except _Short:
        return None
    good = 0 < len(name) <= _LONGEST_NAME and b"\0" not in name
    return name.decode("latin-1").lower() if kind == _HOST_NAME and good and not names and not reader else None


def _protocols(content: bytes) -> tuple[str, ...]:
    """None where anything of them is broken."""
    reader, found = _Reader(content), []
    try:
        names = _Reader(reader.vector(2))
        while names:
            found.append(names.vector(1).decode("latin-1"))
    except _Short:
        return ()
    return tuple(found) if all(found) and not reader else ()
