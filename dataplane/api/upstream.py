"""Between the router and the upstream pools: how a request goes out and how its response comes back.

Here: the interfaces, both directions, and why a stream failed.  Not here: choosing (balancing), retrying (resilience), bytes (upstream.pool_h1).
All calls are synchronous, made in the event loop; a callee may call back before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.matching.criteria import Criteria
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
    from dataplane.upstream.cluster import UpstreamCluster
    from dataplane.upstream.cluster_manager import ClusterManager
    from dataplane.upstream.host import UpstreamHost

    # By their own classes, for the sake of types alone: what is asked of them for every request is then found when it is compiled.
    LiveHost: TypeAlias = UpstreamHost
    LiveCluster: TypeAlias = UpstreamCluster
    ClusterDirectory: TypeAlias = ClusterManager


class PoolFailure(Enum):
    """Why no connection could be had.  The value is Envoy's reset-reason text, as it stands in details and bodies."""

    OVERFLOW = "overflow"
    LOCAL_CONNECTION_FAILURE = "local connection failure"
    REMOTE_CONNECTION_FAILURE = "remote connection failure"
    TIMEOUT = "connection timeout"


class StreamReset(Enum):
    """Why a stream that had a connection ended early.  The value is Envoy's reset-reason text."""

    CONNECTION_TERMINATION = "connection termination"
    REMOTE_RESET = "remote reset"
    REMOTE_REFUSED_STREAM = "remote refused stream reset"
    LOCAL_RESET = "local reset"
    CONNECT_ERROR = "remote error with CONNECT request"
    PROTOCOL_ERROR = "protocol error"
    OVERFLOW = "overflow"


class RequestEncoder(Protocol):
    """One request on one upstream connection.  Used until the response ended and the request ended, or until `reset`."""

    def encode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        """Write the head.  Header fields are final: hop-by-hop rules were applied by the caller."""

    def encode_data(self, data: bytes, end_stream: bool) -> None: ...

    def encode_trailers(self, trailers: HeaderMap) -> None: ...

    def reset(self) -> None:
        """Give the exchange up.  No callback is made after this.  The connection is closed if it cannot be used again."""

    def pause_reading(self) -> None:
        """Stop `on_data` soon: who reads the response is slow.  Calls are counted and undone by `resume_reading`."""

    def resume_reading(self) -> None: ...


class ResponseReceiver(Protocol):
    """What a pool calls.  After `end_stream`, `on_whole`, `on_reset` or `on_pool_failure` it calls nothing more."""

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        """Whether this response, whose body came with its head in one read, may be handed over by one `on_whole`.

        Not if the receiver may give the exchange up once it has seen the head: that takes its connection along.
        """

    def on_pool_ready(self, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        """A connection is there; the receiver may encode at once, inside this call."""

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None: ...

    def on_informational(self, headers: ResponseHeaders) -> None:
        """A 1xx head other than 101."""

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None: ...

    def on_data(self, data: bytes, end_stream: bool) -> None: ...

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        """`on_headers(headers, False)` and `on_data(body, True)` in one: most responses are small.  The exchange has ended."""

    def on_trailers(self, trailers: HeaderMap) -> None: ...

    def on_reset(self, reason: StreamReset, details: str) -> None: ...

    def on_write_blocked(self) -> None:
        """The connection's send buffer is above its high watermark: send less."""

    def on_write_ready(self) -> None: ...


class RoutedReceiver(ResponseReceiver, Protocol):
    """A receiver that asks a whole cluster, not one pool."""

    @property
    def downstream_protocol(self) -> str:
        """What the request came in by: "HTTP/1.1", "HTTP/2".  Asked by clusters that speak what their clients do."""

    @property
    def stream_info(self) -> StreamInfo:
        """Asked by clusters whose connections introduce themselves."""

    def named_host(self, header: bytes) -> bytes:
        """Which host the request is for, as it says in *header*, or else as the upstream will see it.  Asked by clusters with AutoNames."""


class UpstreamConnectionInfo(Protocol):
    """Facts of the connection that carries an attempt, for logs."""

    connection_id: int
    local_address: Address | None
    protocol: str  # "HTTP/1.1", "HTTP/2"
    tls: TlsFacts | None


class HostMonitor(Protocol):
    """Wants to know how a host behaves: outlier detection."""

    def on_connected(self) -> None:
        """A connection for a request was there."""

    def on_status(self, status: int) -> None:
        """The host answered."""

    def on_timeout(self) -> None:
        """The host did not answer in time."""

    def on_failure(self) -> None:
        """No connection, or one that broke."""


class Pending(Protocol):
    """A request that waits for a connection."""

    @property
    def host(self) -> LiveHost:
        """Whose pool it waits in."""

    def cancel(self) -> None:
        """No callback is made after this."""


class DestinationContext(Protocol):
    """What a cluster that sends connections where they were bound for asks about one of them."""

    @property
    def info(self) -> StreamInfo: ...

    def request_header(self, name: bytes) -> bytes | None:
        """The first value; None where there is none, or no request."""


class BalancingContext(DestinationContext, Protocol):
    """What a load balancer may ask about the request.  A stream implements it."""

    def hash_key(self) -> int | None:
        """The 64-bit hash of the route's hash policy, None where there is none."""

    def metadata_match(self) -> Criteria | None:
        """What the host's metadata must be, where the cluster has subsets."""

    def excluded(self, host: LiveHost) -> bool:
        """True for hosts that a retry wants to avoid."""

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> Sequence[int] | None:
        """Per cent of the load for each priority, in the place of the cluster's own; None: that will do.  Envoy: RetryPolicy.retry_priority.

        availability: per cent of its share that each priority can carry.
        """

    def selection_attempts(self) -> int:
        """How often to pick again while the picked host is excluded.  Envoy: RetryPolicy.host_selection_retry_max_attempts."""


class NoHealthyHost(Exception):
    """The cluster has no host to offer: 503 UH."""
