"""One HTTP/2 connection without I/O: bytes in, events out; calls in, bytes out.

The only module that knows `ngh2` (libnghttp2, the library that Envoy uses): what the engine needs of it stands here, so that it can be
replaced.  Not here: what events mean for streams (http.codec.h2, upstream.h2_reader), how headers are converted (h2_headers).
What we rely on, checked in this module's tests:
- events come in the order of the frames; what a peer sent wrongly on one stream is no event, but closes the stream with an error code;
- windows are given back only by `acknowledge`; data beyond the peer's windows is kept, and `queued` tells how much;
- data that was kept is dropped by `reset_stream`.
Spec: RFC 9113, RFC 8441.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import ngh2
from ngh2 import (
    ConnectionClosed,
    DataReceived,
    Event,
    GoAwayReceived,
    InformationalResponseReceived,
    PingAcknowledged,
    RequestReceived,
    ResponseReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)

if TYPE_CHECKING:
    from dataplane.semantics.h2_options import Http2Options

__all__ = [
    "ConnectionClosed",
    "DataReceived",
    "Event",
    "GoAwayReceived",
    "H2Session",
    "InformationalResponseReceived",
    "PingAcknowledged",
    "RequestReceived",
    "ResponseReceived",
    "SessionError",
    "SettingsReceived",
    "StreamClosed",
    "StreamReset",
    "TrailersReceived",
    "WindowUpdated",
]

SessionError = ngh2.NGH2Error

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Error codes (RFC 9113 section 7).
NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2
FLOW_CONTROL_ERROR: Final = 3
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
CONNECT_ERROR: Final = 10
ENHANCE_YOUR_CALM: Final = 11
HTTP_1_1_REQUIRED: Final = 13

_SETTINGS: Final = {"table": 1, "push": 2, "streams": 3, "window": 4, "connect": 8}
MAX_CONCURRENT_STREAMS: Final = _SETTINGS["streams"]

# Envoy answers a head over its limits on its stream.  The library breaks the connection off over its own, so those are far above.
_HARD_HEADER_COUNT: Final = 4
_HARD_HEADER_BYTES: Final = 2
_FIELD_OVERHEAD: Final = 32  # RFC 9113 section 10.5.1 counts it, Envoy does not
_MAX_CONTINUATIONS: Final = 1024  # bounded by the size of the head all the same


class H2Session:
    """See the module.  The methods that are bound at construction are the library's own: a call each would cost more than its work.

    error: what broke the connection, "" while nothing has.  What is asked of a connection that has ended already is not done, and no error.
    """

    __slots__ = (
        "_acknowledge",
        "_connection",
        "_output",
        "_receive",
        "error",
        "events",
        "ping",
        "queued",
        "send_data",
        "send_informational",
        "send_request",
        "send_response",
        "send_trailers",
    )

    events: Callable[[], list[Event]]
    queued: Callable[[int], int]
    _output: Callable[[], bytes]

    def __init__(self, options: Http2Options, *, client: bool, max_header_bytes: int, max_header_count: int) -> None:
        role = ngh2.Role.CLIENT if client else ngh2.Role.SERVER
        connection = self._connection = ngh2.Connection(role, _configuration(options, max_header_bytes, max_header_count))
        connection.initiate_connection(_settings(options, client))
        connection.set_local_window_size(options.initial_connection_window_size)
        self.error = ""
        self._receive = connection.receive_data
        self._output = connection.data_to_send
        self._acknowledge = connection.acknowledge_received_data
        self.events = connection.events
        self.queued = connection.queued_body_size
        self.ping = connection.ping
        self.send_data = connection.send_data
        self.send_informational = connection.send_informational_response
        self.send_request = connection.send_request
        self.send_response = connection.send_response
        self.send_trailers = connection.send_trailers

    def receive(self, data: bytes) -> list[Event]:
        """What *data* brings.  After an unbearable mistake of the peer `error` is set; the events before it are still returned."""
        try:
            self._receive(data)
        except ngh2.NGH2Error as error:
            self.error = str(error) or type(error).__name__
        return self.events()

    def take_output(self) -> bytes:
        """The bytes to write now.  Call `events` afterwards: sending closes streams."""
        try:
            return self._output()
        except ngh2.NGH2Error as error:
            self.error = self.error or str(error)
            return b""

    def acknowledge(self, stream_id: int, size: int) -> None:
        """*size* bytes of body are dealt with: the peer may send as many more.

        The session may have ended under the events that it gave: the last response may come in one read with a GOAWAY.
        """
        try:  # noqa: SIM105  # for every body: `suppress` would cost as much as the call
            self._acknowledge(size, stream_id)
        except ngh2.NGH2Error:
            pass

    def reset_stream(self, stream_id: int, code: int) -> None:
        """A stream that is closed already stays so."""
        with suppress(ngh2.NGH2Error):
            self._connection.reset_stream(stream_id, code)

    def shutdown_notice(self) -> None:
        """The first half of a graceful end: streams that are on their way are still taken."""
        with suppress(ngh2.NGH2Error):
            self._connection.send_shutdown_notice()

    def goaway(self, code: int = NO_ERROR) -> None:
        """No stream beyond those that have begun."""
        with suppress(ngh2.NGH2Error):
            self._connection.send_goaway(code)

    def terminate(self, code: int) -> None:
        """Say why, then nothing more."""
        with suppress(ngh2.NGH2Error):
            self._connection.terminate_connection(code)

    @property
    def wants_write(self) -> bool:
        return not self.error and self._connection.want_write

    @property
    def can_request(self) -> bool:
        """Whether the peer would still take a new stream, its limit of concurrent ones aside."""
        return not self.error and self._connection.can_send_request


def _configuration(options: Http2Options, max_header_bytes: int, max_header_count: int) -> ngh2.Configuration:
    return ngh2.Configuration(
        auto_window_update=False,
        peer_max_concurrent_streams=options.max_concurrent_streams,
        max_send_header_block_length=1 << 20,
        max_deflate_dynamic_table_size=options.hpack_table_size,
        max_outbound_ack=options.max_outbound_control_frames,
        max_continuations=_MAX_CONTINUATIONS,
        stream_reset_rate_limit=(options.stream_reset_burst, options.stream_reset_rate),
        max_inbound_header_count=max_header_count * _HARD_HEADER_COUNT,
        max_inbound_header_list_size=max_header_bytes * _HARD_HEADER_BYTES + max_header_count * _FIELD_OVERHEAD,
    )


def _settings(options: Http2Options, client: bool) -> dict[int, int]:
    """As Envoy sends them: a custom value for something that is known by name yields to the name's, even to its default."""
    settings = {
        **dict(options.custom_settings),
        _SETTINGS["table"]: options.hpack_table_size,
        _SETTINGS["connect"]: int(options.allow_connect),
        _SETTINGS["streams"]: options.max_concurrent_streams,
        _SETTINGS["window"]: options.initial_stream_window_size,
    }
    if client:
        settings = {_SETTINGS["push"]: 0, **settings}
    return settings
