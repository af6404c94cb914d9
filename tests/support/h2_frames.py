"""HTTP/2 frames by hand: for peers that do what no library would, and for looking at what was sent.

Header blocks are written without compression (RFC 7541 section 6.2.2); what comes back is read with the protocol library.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM: Final = 1
ACK: Final = 1
END_HEADERS: Final = 4

Field = tuple[bytes, bytes]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def number(self) -> int:
        """The payload of RST_STREAM and WINDOW_UPDATE; the error code of GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload[:4], "big")


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def block(*fields: Field) -> bytes:
    """A header block of literal fields, whatever they hold."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, size = len(text) - 127, bytearray(b"\x7f")
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    return bytes(size) + bytes((rest,)) + text


def request_block(*fields: Field, path: bytes = b"/", method: bytes = b"GET", host: bytes = b"h.test") -> bytes:
    head = ((b":method", method), (b":path", path), (b":scheme", b"http"), (b":authority", host))
    return block(*head, *fields)


def headers(stream_id: int, header_block: bytes, end_stream: bool = True) -> bytes:
    """HEADERS, and CONTINUATION as long as it takes."""
    pieces = [header_block[at : at + 16000] for at in range(0, len(header_block), 16000)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(
            CONTINUATION if index else HEADERS,
            (END_STREAM if end_stream and not index else 0) | (END_HEADERS if index == last else 0),
            stream_id,
            piece,
        )
        for index, piece in enumerate(pieces)
    )


def data(stream_id: int, body: bytes, end_stream: bool = True) -> bytes:
    return frame(DATA, END_STREAM if end_stream else 0, stream_id, body)


def reset(stream_id: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int = 0) -> bytes:
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big"))


def window_update(stream_id: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4, "big"))


def settings(**values: int) -> bytes:
    """By name: table, push, streams, window."""
    numbers = {"table": 1, "push": 2, "streams": 3, "window": 4}
    return frame(
        SETTINGS, 0, 0, b"".join(numbers[name].to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items())
    )


def split(received: bytes) -> list[Frame]:
    """The whole frames in *received*."""
    frames = []
    while len(received) >= 9:
        end = 9 + int.from_bytes(received[:3], "big")
        if len(received) < end:
            break
        frames.append(Frame(received[3], received[4], int.from_bytes(received[5:9], "big") & 0x7FFFFFFF, received[9:end]))
        received = received[end:]
    return frames


def await_kind(connection: socket.socket, kind: int) -> bool:
    """Read a client's frames, from its preface on, until one is of *kind*.  Returns whether it came."""
    received = b""
    while not any(frame.kind == kind for frame in split(received[len(PREFACE) :])):
        data = connection.recv(65536)
        if not data:
            return False
        received += data
    return True
