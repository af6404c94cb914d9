"""Mirrored requests: copies that go to another cluster, and whose answers nobody reads.

A copy is a stream of its own, routed by a router of its own, so it is counted and timed like any other; it has no client.  What happens to
it never reaches the request it was made from.  Until the request is complete the copy takes the body piece by piece and ends with it;
from then on it is on its own.
Not here: which requests are mirrored and what the copy's head says (routing.mirror).
Envoy: Router::ShadowWriterImpl, Http::AsyncStreamImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dataplane.api.http_filter import STOP, FilterStatus
from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.mirror import mirror_cluster, mirrored_headers
from dataplane.routing.route import ForwardAction, Route

if TYPE_CHECKING:
    from dataplane.api.http_filter import HttpStream, TerminalFilter
    from dataplane.router.state import BoundRouter
    from dataplane.routing.mirror import MirrorPolicy
    from dataplane.routing.route import RouteConfiguration
    from dataplane.routing.stream_duration import StreamDuration
    from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders
    from dataplane.snapshot.snapshot import Snapshot


def mirrors_of(
    bound: BoundRouter, policies: Sequence[MirrorPolicy], headers: RequestHeaders, stream: HttpStream, timeout: float
) -> list[Mirror]:
    """The copies that *policies* ask for, not sent yet.  timeout: seconds for the whole answer, 0 for any.

    A copy is copied, too, where its cluster asks for it.  Envoy differs: clusters that mirror to each other end it, by overflow of its
    stack; here no copy goes where a copy came from.
    """
    been_to = stream.been_to if isinstance(stream, Mirror) else ()
    mirrors = []
    for policy in policies:
        name = mirror_cluster(policy, headers, stream.random_value)
        if name and name not in been_to and bound.clusters.get(name) is not None:
            head = mirrored_headers(policy, headers, stream.info, bound.local_address)
            mirrors.append(Mirror(stream, head, _route_to(name, timeout), bound.clock, (*been_to, name)))
    return mirrors


@lru_cache(maxsize=256)
def _route_to(cluster: str, timeout: float) -> Route:
    return Route("", _never_asked, ForwardAction(cluster=cluster, timeout=timeout), b"")


def _never_asked(headers: RequestHeaders, path: bytes, query: bytes, random_value: int) -> bool:
    raise AssertionError("a mirror has its route from the beginning")


class Mirror:
    """Implements api.http_filter.HttpStream, for a router that nobody listens to."""

    def __init__(
        self, stream: HttpStream, head: RequestHeaders, route: Route, clock: Callable[[], float], been_to: tuple[str, ...] = ()
    ) -> None:
        """stream: whose request is copied.  been_to: the clusters of the copies that it was made from, and its own."""
        self.request_headers: RequestHeaders | None = head
        self.response_headers: ResponseHeaders | None = None
        self.route: Route | None = route
        self.route_configuration: RouteConfiguration | None = None
        self.snapshot: Snapshot = stream.snapshot
        self.random_value = stream.random_value
        self.upgrading = stream.upgrading
        self.buffer_limit = stream.buffer_limit
        self.been_to: Final = been_to
        self.info: Final = _info_of(stream)
        self._head: Final = head
        self._clock: Final = clock
        self._terminal: TerminalFilter | None = None  # None: not begun, or over
        self._blocks = 0
        self._behind = 0  # bytes that came while the upstream took no more

    # From the request that is copied

    def start(self, terminal: TerminalFilter, end_stream: bool) -> None:
        self._terminal = terminal
        terminal.decode_headers(self._head, end_stream)

    def decode_data(self, data: bytes, end_stream: bool) -> bool:
        """Returns False where the copy had to be given up: its upstream is slower than the client by more than may be held."""
        if self._terminal is None:
            return True
        if self._blocks:
            self._behind += len(data)
            if self._behind > self.buffer_limit:
                self.cancel()
                return False
        if end_stream:
            self.info.request_end_at = self._clock()
        self._terminal.decode_data(data, end_stream)
        return True

    def decode_trailers(self, trailers: HeaderMap) -> None:
        if self._terminal is not None:
            self.info.request_end_at = self._clock()
            self._terminal.decode_trailers(trailers)

    def cancel(self) -> None:
        """The request will never be complete, or everything is over."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.on_destroy()

    # From its router: an end of the answer, of whatever kind, is the end

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
        self.cancel()
        return STOP

    def reset(self, details: str, flags: int = 0) -> None:
        self.cancel()

    def encode_informational(self, headers: ResponseHeaders) -> None: ...

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        if end_stream:
            self.cancel()

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if end_stream:
            self.cancel()

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.cancel()

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self.cancel()

    def pause_decoding(self) -> None:
        """The client does not wait for a copy: what cannot be sent is held, up to the buffer limit."""
        self._blocks += 1

    def resume_decoding(self) -> None:
        self._blocks -= 1
        if not self._blocks:
            self._behind = 0

    # What its route never asks for, and filters it has none

    def set_idle_timeout(self, seconds: float) -> None: ...

    def limit_duration(self, limit: StreamDuration) -> None: ...

    def continue_decoding(self) -> None: ...

    def continue_encoding(self) -> None: ...

    def filter_config(self, name: str) -> object | None:
        return None

    def clear_route(self) -> None: ...


def _info_of(stream: HttpStream) -> StreamInfo:
    """What the copy knows of itself.  It is in no access log."""
    info = StreamInfo()
    info.protocol, info.request_end_at = stream.info.protocol, stream.info.request_end_at
    return info
