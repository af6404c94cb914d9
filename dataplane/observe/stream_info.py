"""What is known of one request (or one TCP connection) while it lives and when it is logged.

Here: the facts, with their units.  Not here: how they are printed (observe.format), who writes them (http, router).
Envoy: StreamInfo; the operators of the access log read nothing else but this and the two header maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.snapshot.snapshot import Snapshot


class StreamInfo:
    """Facts of one stream.

    Class attributes are the defaults, so that a stream pays only for what it learns; an HTTP stream is a subclass, which saves an
    object per request.  Times named `*_at` are monotonic seconds, 0.0 while unknown; `start_wall` is calendar time.
    """

    def __init__(self) -> None:
        # A compiled class leaves attributes without value whose class-level default is None.
        self.upstream_host = None
        self.upstream_local_address = None
        self.downstream_remote_address = None
        self.downstream_direct_remote_address = None
        self.downstream_local_address = None
        self.downstream_tls = None
        self.upstream_tls = None
        self.dynamic_metadata = None
        self.filter_state = None
        self.connection_metadata = None

    def generation(self) -> Snapshot | None:
        """The configuration that this stream saw; None before it looked."""
        return getattr(self, "snapshot", None)  # an HTTP stream's own

    @property
    def of_connection(self) -> StreamInfo:
        """What is known of the downstream connection, whatever its streams say of themselves."""
        return self  # an HTTP stream has one of its own

    def add_metadata(self, namespace: str, values: Mapping[str, object]) -> None:
        """Merge *values* over what filters left in *namespace* before."""
        found = self.dynamic_metadata or {}
        before = found.get(namespace)
        merged = {**before, **values} if isinstance(before, Mapping) else dict(values)
        self.dynamic_metadata = {**found, namespace: merged}

    # when
    start_wall: float = 0.0
    start_at: float = 0.0
    request_end_at: float = 0.0  # last byte of the request received
    upstream_begin_at: float = 0.0  # first byte of the request sent upstream
    upstream_request_end_at: float = 0.0  # last byte of the request sent upstream
    response_begin_at: float = 0.0  # first byte of the response received from upstream
    upstream_response_end_at: float = 0.0  # last byte of the response received from upstream
    response_first_sent_at: float = 0.0
    end_at: float = 0.0  # everything done; set before logging

    # what came of it
    protocol: str = ""  # "HTTP/1.0", "HTTP/1.1", "HTTP/2"; "" for plain TCP
    response_code: int = 0  # 0: nothing was sent
    response_flags: int = 0  # bits of observe.flags
    response_code_details: str = ""  # "" prints as "-"
    connection_termination_details: str = ""
    local_close_reason: str = ""  # why we closed the downstream connection
    upstream_local_close_reason: str = ""
    access_log_type: str = ""  # when in its life it is logged; "": unsaid
    bytes_received: int = 0  # body bytes from downstream
    bytes_sent: int = 0  # body bytes to downstream
    request_headers_bytes: int = 0
    response_headers_bytes: int = 0
    attempts: int = 0
    local_reply_body: bytes = b""

    # where
    route_name: str = ""
    virtual_host_name: str = ""
    virtual_cluster_name: str = ""
    upstream_cluster: str = ""
    upstream_cluster_stat_name: str = ""
    upstream_host: Address | None
    upstream_host_name: str = ""
    upstream_local_address: Address | None
    upstream_protocol: str = ""
    upstream_connection_id: int = 0
    upstream_transport_failure_reason: str = ""
    upstream_hosts_attempted: tuple[str, ...] = ()

    # who
    connection_id: int = 0
    stream_id: int = 0
    downstream_remote_address: Address | None  # may come from x-forwarded-for
    downstream_direct_remote_address: Address | None  # the peer of the socket
    downstream_local_address: Address | None
    requested_server_name: str = ""
    ja3_fingerprint: str = ""  # of a TLS client, where they are wanted; of a connection
    ja4_fingerprint: str = ""
    downstream_transport_failure_reason: str = ""
    downstream_tls: TlsFacts | None
    upstream_tls: TlsFacts | None
    destination_restored: bool = False  # downstream_local_address is where the connection was bound for, not our socket's
    proxy_protocol_tlvs: tuple[tuple[int, bytes], ...] = ()  # type and value, to be passed on upstream
    introduced: bool = False  # a PROXY header said who is behind the connection
    tells_origin: bool = True  # to upstreams whose connections begin with a PROXY header
    listener_name: str = ""
    filter_chain_name: str = ""

    # what filters left for others: metadata namespace → value
    dynamic_metadata: Mapping[str, object] | None
    filter_state: dict[str, object] | None  # what filters of one kind share while the stream lives
    connection_metadata: Mapping[str, object] | None  # the same, of the connection that carries a stream
    original_path: bytes = b""  # the path before rewrites; b"" when it was not rewritten
