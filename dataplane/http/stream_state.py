"""What a stream knows: of its request, its response, the connection it came on, and the route it takes.

Here: state and the look-up of the route.  Not here: what happens to it (http.stream, http.stream_response).
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.actions import choose_cluster, choose_weighted
from dataplane.routing.route import ForwardAction
from dataplane.routing.table import find_route

if TYPE_CHECKING:
    from dataplane.api.http_filter import TerminalFilter
    from dataplane.http.codec.interface import StreamEncoder
    from dataplane.http.connection_manager import HttpConnection
    from dataplane.http.filter_chain import FilterRun
    from dataplane.http.stream_times import StreamDeadlines
    from dataplane.routing.route import Route, RouteConfiguration
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
    from dataplane.snapshot.snapshot import Snapshot


class StreamState(StreamInfo):
    """What every stream has or soon gets is in slots; what it may learn stays a class attribute with its default, as in StreamInfo.  More
    than 29 attributes in an object's dictionary cost it the compact form: 1 µs a stream.
    """

    __slots__ = (
        "_deadlines",
        "_route",
        "_route_stale",
        "_run",
        "_terminal",
        "active_at",
        "bytes_received",
        "bytes_sent",
        "close_after",
        "connection",
        "connection_id",
        "connection_metadata",
        "destination_restored",
        "downstream_direct_remote_address",
        "downstream_local_address",
        "downstream_remote_address",
        "downstream_tls",
        "dynamic_metadata",
        "encoder",
        "end_at",
        "filter_chain_name",
        "filter_state",
        "finished",
        "idle_timeout",
        "listener_name",
        "manager",
        "protocol",
        "random_value",
        "request_complete",
        "request_end_at",
        "request_headers",
        "requested_server_name",
        "response_code",
        "response_complete",
        "response_flags",
        "response_headers",
        "response_started",
        "response_trailers",
        "route_configuration",
        "snapshot",
        "start_at",
        "start_wall",
        "upstream_host",
        "upstream_local_address",
        "upstream_tls",
    )

    snapshot: Snapshot
    access_log_type = "DownstreamEnd"
    wants_upgrade = False
    upgrading = False  # an upgrade was asked for and is allowed
    _informed = False  # a 1xx was passed on

    def __init__(self, connection: HttpConnection, encoder: StreamEncoder, now: float) -> None:
        super().__init__()
        self.connection = connection
        self.manager = manager = connection.manager
        self.encoder = encoder
        self.start_at = self.active_at = now
        self.start_wall = time()
        self.request_end_at = self.end_at = 0.0
        self.protocol = encoder.protocol
        self.request_headers: RequestHeaders | None = None
        self.response_headers: ResponseHeaders | None = None
        self.response_trailers: HeaderMap | None = None
        self.request_complete = False  # the last byte of the request is here
        self.response_started = False
        self.response_complete = False
        self.close_after = False  # the request says that its connection ends with it
        self.finished = False
        self.response_code = self.response_flags = self.bytes_received = self.bytes_sent = 0
        self.random_value = 0
        self.route_configuration: RouteConfiguration | None = None
        self._route: Route | None = None
        self._route_stale = False
        self._terminal: TerminalFilter | None = None
        self._run: FilterRun | None = None
        info = connection.info
        self.connection_id = info.connection_id
        self.connection_metadata = info.dynamic_metadata
        self.listener_name = info.listener_name
        self.filter_chain_name = info.filter_chain_name
        self.requested_server_name = info.requested_server_name
        self.downstream_tls = info.downstream_tls
        self.downstream_remote_address = info.downstream_remote_address
        self.downstream_direct_remote_address = info.downstream_direct_remote_address
        self.downstream_local_address = info.downstream_local_address
        self.destination_restored = info.destination_restored
        self.idle_timeout = manager.stream_idle_timeout
        self._deadlines: StreamDeadlines | None = None

    @property
    def info(self) -> StreamInfo:
        return self

    @property
    def of_connection(self) -> StreamInfo:
        return self.connection.info

    @property
    def tells_origin(self) -> bool:  # type: ignore[override]
        return self.manager.config.add_proxy_protocol_connection_state

    @property
    def buffer_limit(self) -> int:
        return self.connection.downstream.listener.per_connection_buffer_limit

    # The route (api.http_filter.StreamCallbacks)

    @property
    def route(self) -> Route | None:
        if self._route_stale and self.request_headers is not None:
            self._find_route(self.request_headers)
        return self._route

    def clear_route(self) -> None:
        self._route_stale = True

    def filter_config(self, name: str) -> object | None:
        route = self.route
        if route is None:
            return None
        action = route.action
        if isinstance(action, ForwardAction) and action.weighted_clusters and self.request_headers is not None:
            return choose_weighted(action, self.request_headers, self.random_value).per_filter_config.get(name)
        return route.per_filter_config.get(name)

    def _name_cluster(self) -> None:
        """A filter answers: the log tells where the request would have gone.  The router says so itself."""
        route, headers = self._route, self.request_headers
        if self.upstream_cluster or headers is None or route is None or not isinstance(route.action, ForwardAction):
            return
        name, _ = choose_cluster(route.action, headers, self.random_value)
        cluster = self.snapshot.clusters.get(name)
        if cluster is not None:
            self.upstream_cluster, self.upstream_cluster_stat_name = name, cluster.stat_name

    def _find_route(self, headers: RequestHeaders) -> None:
        self._route_stale = False
        table = self.route_configuration = self.manager.routes(self.snapshot, headers)
        self._route = route = None if table is None else find_route(table, headers, self.random_value)
        if route is not None:
            self.route_name = route.name
            self.virtual_host_name = route.virtual_host
