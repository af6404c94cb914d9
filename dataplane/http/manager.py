"""A connection manager bound to its server: everything that its connections share.

Work is done here once so that no request has to: parsers, header steps, counters and filters are made when the first connection comes.
Not here: connections (http.connection_manager), streams (http.stream).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, cast

from dataplane.base.write_queue import WriteQueue
from dataplane.http.date import DateField
from dataplane.http.filter_chain import FilterProgram
from dataplane.http.load_shedding import DispatchPoints, shedding_terminal
from dataplane.http.log_moments import logging_terminal
from dataplane.http.overload import ReducedTimes, Times, refusing
from dataplane.http.request_headers import RequestPreparation
from dataplane.http.request_id import RequestIds
from dataplane.http.response_headers import ResponseFinish
from dataplane.http.stats import Http1Stats, HttpStats, ListenerHttpStats
from dataplane.http.trace_marks import TraceMarks
from dataplane.observe.http2_stats import Http2Stats
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.spelt_heads import request_heads

if TYPE_CHECKING:
    from dataplane.api.http_filter import TerminalFilterFactory
    from dataplane.api.network_filter import ServerContext
    from dataplane.http.config import HttpConnectionManagerConfig
    from dataplane.routing.route import RouteConfiguration
    from dataplane.semantics.header_map import RequestHeaders
    from dataplane.snapshot.snapshot import Snapshot

log = logging.getLogger("http")

_ANY_COUNT: Final = 1 << 20


class BoundManager:
    """One `HttpConnectionManager` on one event loop."""

    def __init__(self, config: HttpConnectionManagerConfig, server: ServerContext, listener_prefix: str) -> None:
        """listener_prefix: `listener.<address>.`"""
        self.config: Final = config
        self.server: Final = server
        self.clock: Final = server.clock
        scope = server.stats.scope(f"http.{config.stat_prefix}.")
        self.stats: Final = HttpStats(scope)
        self.listener_stats: Final = ListenerHttpStats(server.stats.scope(f"{listener_prefix}http.{config.stat_prefix}."))
        self.writes: Final = WriteQueue(server.loop.call_soon)
        self.stream_idle_timeout: Final = config.stream_idle_timeout
        self.max_head_bytes: Final = config.max_request_headers_kb * 1024
        fields = FieldParser(config.max_headers_count)
        # As Envoy, trailers that are dropped are read but not counted.
        self.trailer_fields: Final = fields if config.http1.enable_trailers else FieldParser(_ANY_COUNT)
        parser = request_heads(fields, self.max_head_bytes, config.http1)
        self.parse_head: Final = parser.parse
        self.parse_known_head: Final = parser.parse_known
        self.http2_stats: Final = Http2Stats(server.stats)
        http1_stats = Http1Stats(server.stats.scope("http1."))
        preparation = RequestPreparation(config, server, self.stats, http1_stats, RequestIds())
        self.peer: Final = preparation.peer
        self.prepare_request: Final = refusing(preparation.prepare, server.overload, self.stats)
        self.finish_response: Final = ResponseFinish(config, DateField()).apply
        self.loggers: Final = config.access_log
        self.has_stream_deadlines: Final = bool(
            config.request_timeout or config.request_headers_timeout or config.max_stream_duration
        )
        *filters, terminal = config.http_filters
        self.filters: Final = FilterProgram.of(filters, server, scope)
        forwarding = cast("TerminalFilterFactory", terminal.config).bind(server, scope)
        checked = shedding_terminal(forwarding, server.overload, scope)
        self.terminal: Final = logging_terminal(checked, config.access_log_options, server.deadlines)
        self.dispatch_points: Final = DispatchPoints.of(server.overload)
        self.mark_trace: Final = (
            None if config.trace_sampling is None else TraceMarks(config.trace_sampling, config.request_id, scope)
        )
        levels = server.overload
        self.reduced: Final = ReducedTimes(config, levels) if levels is not None and levels.reduces_times else None
        self.times: Final[Times] = config if self.reduced is None else self.reduced

    def routes(self, snapshot: Snapshot, headers: RequestHeaders) -> RouteConfiguration | None:
        """The route table for a request in a generation; None while RDS has not brought it, and where no scope is meant for the request."""
        config = self.config
        if config.scoped_routes is None:
            return config.route_configuration or snapshot.route_configurations.get(config.rds_name)
        key = config.scoped_routes.key_of(headers)
        if key is None:
            return None
        if config.scoped_routes.tables is not None:
            return config.scoped_routes.tables.get(key)
        return snapshot.route_configurations.get(snapshot.scopes_by_key.get(key, ""))
