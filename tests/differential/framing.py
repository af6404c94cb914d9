"""Where HTTP/1 messages end, for the scripted peers: just enough to know when to answer and when an answer is complete.

Deliberately naive and separate from the proxy's parser: a shared mistake would hide itself.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """One message found in a byte stream."""

    start_line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    end: int
    """Offset just behind the message."""

    def field(self, name: bytes) -> bytes:
        return next((value for key, value in self.fields if key == name), b"")

    @property
    def method(self) -> bytes:
        return self.start_line.split(b" ")[0]

    @property
    def status(self) -> int:
        parts = self.start_line.split(b" ")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def read_head(data: bytes, start: int) -> Message | None:
    """The head that begins at *start*; `end` is where its body begins.  None: not complete yet."""
    end = data.find(HEAD_END, start)
    if end < 0:
        return None
    lines = data[start:end].split(b"\r\n")
    fields = []
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields.append((name.strip().lower(), value.strip()))
    return Message(lines[0], tuple(fields), end + len(HEAD_END))


def _chunked_end(data: bytes, start: int) -> int | None:
    at = start
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(data[at:line_end].split(b";")[0] or b"0", 16)
        at = line_end + 2
        if size == 0:
            return _trailers_end(data, at)
        at += size + 2
        if at > len(data):
            return None


def _trailers_end(data: bytes, at: int) -> int | None:
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        if line_end == at:
            return at + 2
        at = line_end + 2


def _body_end(data: bytes, head: Message) -> int | None:
    if b"chunked" in head.field(b"transfer-encoding").lower():
        return _chunked_end(data, head.end)
    length = head.field(b"content-length")
    end = head.end + (int(length) if length.isdigit() else 0)
    return end if end <= len(data) else None


def read_request(data: bytes, start: int) -> Message | None:
    """The request that begins at *start*, body included, or None while it is incomplete."""
    head = read_head(data, start)
    if head is None:
        return None
    end = _body_end(data, head)
    return None if end is None else Message(head.start_line, head.fields, end)


def read_response(data: bytes, start: int, method: bytes) -> Message | None:
    """The response that begins at *start*; None while incomplete and for one that ends with its connection."""
    head = read_head(data, start)
    if head is None:
        return None
    if method == b"HEAD" or head.status in (204, 304) or 100 <= head.status < 200:
        return head
    delimited = head.field(b"content-length") or b"chunked" in head.field(b"transfer-encoding").lower()
    if not delimited:
        return None
    end = _body_end(data, head)
    return None if end is None else Message(head.start_line, head.fields, end)


def count_final_responses(data: bytes, methods: list[bytes]) -> int:
    """How many complete responses other than 1xx *data* begins with; *methods* are those of the requests, in order."""
    at = count = 0
    while True:
        method = methods[count] if count < len(methods) else b""
        message = read_response(data, at, method)
        if message is None:
            return count
        at = message.end
        if message.status == 101 or not 100 <= message.status < 200:
            count += 1
