"""Between streams and the protocol that carries them.

A codec reads a connection's bytes and calls `Stream.decode_*`; a stream answers through its `StreamEncoder`.  HTTP/1 has one stream at a
time, so its codec is that encoder; HTTP/2 makes one encoder per stream.  Everything is synchronous; a callee may call back before it returns.
Not here: what streams do with what they get (http.stream), when connections end (http.connection_manager).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.http.stream import Stream
    from dataplane.semantics.header_map import HeaderMap, ResponseHeaders


class StreamEncoder(Protocol):
    """Where the response of one stream goes."""

    protocol: str  # "HTTP/1.1", as in the access log

    @property
    def closes_with_header(self) -> bool:
        """Whether `connection: close` says that the connection ends: HTTP/1."""

    def encode_informational(self, headers: ResponseHeaders) -> None: ...

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None: ...

    def encode_data(self, data: bytes, end_stream: bool) -> None: ...

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        """Head and whole body; *body* is not empty."""

    def encode_trailers(self, trailers: HeaderMap) -> None: ...

    def await_tunnel(self) -> None:
        """An upgrade was asked for and is allowed: keep what comes until `open_tunnel`, or until the stream ends."""

    def open_tunnel(self) -> None:
        """The upgrade was granted: what comes, and what was kept, is data of the stream, which only the peer's end ends."""

    def pause_reading(self) -> None:
        """Stop `decode_data` of this stream soon."""

    def resume_reading(self) -> None: ...

    def end_stream(self) -> None:
        """The stream is done, as it should be or not: nothing more is decoded or encoded for it."""


class Codec(Protocol):
    """The protocol of one connection."""

    protocol: str

    def on_data(self, data: bytes) -> None: ...

    def open_streams(self) -> Iterable[Stream]:
        """Those that have begun and not ended; one that has only begun to be read as well."""

    @property
    def is_idle(self) -> bool:
        """No stream is open, and nothing of one that ended still waits to be sent."""

    def flush(self) -> None:
        """Write what is held back to be written together."""

    def on_close(self) -> None:
        """The connection is gone: nothing can be written any more."""
