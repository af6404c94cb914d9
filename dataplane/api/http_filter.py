"""HTTP filters: plain methods that look at a stream on its way through and return a status.

Here: the interfaces between the filter chain and filters.  Not here: running the chain (http.filter_chain).
A compiled filter configuration is shared by all streams and immutable.  If it has `bind`, that is called once per connection manager and
gives what takes its place.  If the result has `new_stream`, the chain calls that once per stream and runs what it returns; otherwise it
is the filter itself.  Methods that a filter does not define are not called at all.
Envoy: StreamDecoderFilter, StreamEncoderFilter.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Scope
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.routing.route import Route, RouteConfiguration
    from dataplane.routing.stream_duration import StreamDuration
    from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders
    from dataplane.snapshot.snapshot import Snapshot


class FilterStatus(Enum):
    """CONTINUE: go on to the next filter.  STOP: hold here until `continue_decoding`/`continue_encoding`, or until a local reply was sent."""

    CONTINUE = 0
    STOP = 1


CONTINUE: Final = FilterStatus.CONTINUE  # bound once: an Enum attribute costs 77 ns each time
STOP: Final = FilterStatus.STOP


class StreamCallbacks(Protocol):
    """What a filter may ask of its stream."""

    request_headers: RequestHeaders | None
    response_headers: ResponseHeaders | None

    @property
    def info(self) -> StreamInfo: ...

    @property
    def route(self) -> Route | None: ...

    def local_reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        details: str,
        headers: tuple[Field, ...] = (),
        flags: int = 0,
        grpc_status: int | None = None,
    ) -> FilterStatus:
        """Answer the request ourselves and stop it from going on.  Returns STOP, to be returned by the filter.

        grpc_status: what a gRPC client is told; None: what *status* stands for.
        """

    def continue_decoding(self) -> None: ...

    def continue_encoding(self) -> None: ...

    def filter_config(self, name: str) -> object | None:
        """The most specific typed_per_filter_config for the filter of that name: route, virtual host, route configuration."""

    def clear_route(self) -> None:
        """Match again when the route is needed next: a filter changed what routing looks at."""


class HttpFilter(Protocol):
    """All methods are optional (see the module's docstring); a filter defines those it needs.

    def new_stream(self) -> HttpFilter
    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus
    def decode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus | bytes
    def decode_trailers(self, trailers: HeaderMap, stream: StreamCallbacks) -> FilterStatus | bytes
    def encode_headers(self, headers: ResponseHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus
    def encode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus | bytes
    def encode_trailers(self, trailers: HeaderMap, stream: StreamCallbacks) -> FilterStatus | bytes
    def on_destroy(self, stream: StreamCallbacks) -> None

    Bytes go on in the place of the piece that was given, or ahead of the trailers.
    """


class HttpFilterFactory(Protocol):
    """The compiled configuration of a filter that counts, or needs to know its own name."""

    def bind(self, server: ServerContext, stats: Scope, name: str) -> object:
        """stats: the connection manager's scope, `http.<stat_prefix>.`.  name: the filter's key in typed_per_filter_config."""


class NamedFilter(Protocol):
    """A compiled entry of `http_filters`."""

    name: str
    config: object
    disabled: bool


PerFilterConfig = Mapping[str, object]


class HttpStream(StreamCallbacks, Protocol):
    """What the terminal filter may do to its stream, beyond what every filter may."""

    snapshot: Snapshot
    route_configuration: RouteConfiguration | None
    random_value: int  # 64 random bits of this stream
    upgrading: bool  # the connection is to carry something else from the answer on: the request has no end

    @property
    def buffer_limit(self) -> int:
        """How many body bytes may be held for the stream."""

    def encode_informational(self, headers: ResponseHeaders) -> None:
        """Send a 1xx head other than 101."""

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None: ...

    def encode_data(self, data: bytes, end_stream: bool) -> None: ...

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        """A whole response with a body: `encode_headers` and `encode_data` in one."""

    def encode_trailers(self, trailers: HeaderMap) -> None: ...

    def reset(self, details: str, flags: int = 0) -> None:
        """Break off a response that has begun."""

    def set_idle_timeout(self, seconds: float) -> None:
        """In the place of the connection manager's stream_idle_timeout; 0 for none."""

    def limit_duration(self, limit: StreamDuration) -> None:
        """In the place of the connection manager's max_stream_duration.  Changes grpc-timeout of a gRPC request."""

    def pause_decoding(self) -> None:
        """Stop `decode_data` soon: who takes the request body is slow.  Undone by `resume_decoding`."""

    def resume_decoding(self) -> None: ...


class TerminalFilter(Protocol):
    """The last filter of one stream: it takes the request and answers it.  Methods return nothing: there is no next filter."""

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None: ...

    def decode_data(self, data: bytes, end_stream: bool) -> None: ...

    def decode_trailers(self, trailers: HeaderMap) -> None: ...

    def on_downstream_blocked(self) -> None:
        """Who reads the response is slow: send less until `on_downstream_ready`."""

    def on_downstream_ready(self) -> None: ...

    def on_destroy(self) -> None:
        """The stream is over, finished or not.  Called once; nothing may be sent afterwards."""


class BoundTerminalFilter(Protocol):
    """A terminal filter bound to a server and its stats: one per connection manager."""

    def new_stream(self, stream: HttpStream) -> TerminalFilter: ...


class TerminalFilterFactory(Protocol):
    """The compiled configuration of a terminal filter."""

    def bind(self, server: ServerContext, stats: Scope) -> BoundTerminalFilter:
        """stats: the connection manager's scope, `http.<stat_prefix>.`."""
