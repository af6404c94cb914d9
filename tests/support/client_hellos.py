"""ClientHellos as bytes, well formed or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def record(body: bytes, kind: int = 0x16, version: bytes = b"\3\1") -> bytes:
    return bytes((kind,)) + version + vector(body)


def vector(body: bytes, width: int = 2) -> bytes:
    return len(body).to_bytes(width) + body


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(2) for value in values)


def extension(kind: int, content: bytes = b"") -> bytes:
    return numbers(kind) + vector(content)


def server_name(name: bytes) -> bytes:
    return extension(0, vector(b"\0" + vector(name)))


def protocols(*names: bytes) -> bytes:
    return extension(16, vector(b"".join(vector(name, 1) for name in names)))


def client_hello(
    extensions: Iterable[bytes] | None = (),
    *,
    version: int = 0x303,
    ciphers: Sequence[int] = (0x1301, 0x1302, 0xC02B, 0x2F),
    session: bytes = b"",
    compression: bytes = b"\0",
    rest: bytes = b"",
) -> bytes:
    """In one record.  extensions: None for a hello that ends before them."""
    body = numbers(version) + b"r" * 32 + vector(session, 1) + vector(numbers(*ciphers)) + vector(compression, 1)
    if extensions is not None:
        body += vector(b"".join(extensions))
    body += rest
    return record(b"\1" + len(body).to_bytes(3) + body)
