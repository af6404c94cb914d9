"""One request and its response: from the codec through the filters to the router and back.

Here: the stream's states, the route it takes, what is counted and logged at its end.  Not here: bytes (http.codec), the run of filters
(http.filter_chain), forwarding (router), idle and other times (http.stream_times).
A stream is its own `StreamInfo`: one object a request.  Everything that can happen calls a method here; nothing waits.

    request:   (begun) ─decode_headers─▶ decoding ─decode_data(end)─▶ request_complete
    response:  (none) ─encode_headers─▶ response_started ─end─▶ response_complete
    both complete, or reset, or the connection is gone  ─▶ _finish, once

Envoy: ConnectionManagerImpl::ActiveStream.
"""

from __future__ import annotations

from random import getrandbits
from time import time
from typing import TYPE_CHECKING

from dataplane.api.http_filter import STOP, FilterStatus
from dataplane.base.errors import DownstreamProtocolError
from dataplane.http import local_reply, upgrade
from dataplane.http.stream_times import StreamDeadlines
from dataplane.observe import flags as response_flags
from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.route import ForwardAction
from dataplane.routing.table import find_route
from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders
from dataplane.semantics.reason import reason

if TYPE_CHECKING:
    from dataplane.api.http_filter import TerminalFilter
    from dataplane.base.errors import ProtocolError
    from dataplane.http.codec.interface import StreamEncoder
    from dataplane.http.connection_manager import HttpConnection
    from dataplane.http.filter_chain import FilterRun
    from dataplane.http.request_headers import Refusal
    from dataplane.routing.route import Route, RouteConfiguration
    from dataplane.snapshot.snapshot import Snapshot

_CONTINUE_HEAD = ResponseHeaders(100)


class Stream(StreamInfo):
    """Implements api.http_filter.HttpStream.

    What every stream has or soon gets is in slots; what it may learn stays a class attribute with its default, as in StreamInfo.  More
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
        "downstream_direct_remote_address",
        "downstream_local_address",
        "downstream_remote_address",
        "encoder",
        "end_at",
        "filter_chain_name",
        "finished",
        "idle_timeout",
        "listener_name",
        "manager",
        "protocol",
        "random_value",
        "request_complete",
        "request_end_at",
        "request_headers",
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
    )

    snapshot: Snapshot
    access_log_type = "DownstreamEnd"
    wants_upgrade = False
    upgrading = False  # an upgrade was asked for and is allowed
    _informed = False  # a 1xx was passed on

    def __init__(self, connection: HttpConnection, encoder: StreamEncoder, now: float) -> None:
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
        downstream = connection.downstream
        self.connection_id = downstream.id
        self.downstream_remote_address = self.downstream_direct_remote_address = downstream.remote_address
        self.downstream_local_address = downstream.local_address
        self.listener_name = downstream.listener.name
        self.filter_chain_name = downstream.filter_chain.name
        if connection.tls is not None:
            self.downstream_tls = connection.tls
        if downstream.info.requested_server_name:
            self.requested_server_name = downstream.info.requested_server_name
        self.idle_timeout = manager.config.stream_idle_timeout
        self._deadlines = StreamDeadlines(self) if manager.has_stream_deadlines else None

    @property
    def info(self) -> StreamInfo:
        return self

    @property
    def buffer_limit(self) -> int:
        return self.connection.downstream.listener.per_connection_buffer_limit

    # The request, as the codec reads it

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, has_host: bool = True) -> None:
        self.request_headers = headers
        if end_stream:
            self._request_ended()
        if self._deadlines is not None:
            self._deadlines.on_request_headers()
        manager = self.manager
        refusal = manager.prepare_request(headers, has_host, self.connection.peer, self)
        if refusal is not None:
            self._refuse(refusal)
            return
        self.snapshot = manager.server.holder.current
        self.random_value = getrandbits(64)
        self._find_route(headers)
        if self.wants_upgrade and self._route is not None:
            if not upgrade.is_allowed(manager.config.upgrade_configs, self._route, headers):
                self._refuse_upgrade(self._route)
                return
            end_stream = self.request_complete = False
            self._begin_upgrade()
        terminal = self._terminal = manager.terminal.new_stream(self)
        if manager.filters is None:
            terminal.decode_headers(headers, end_stream)
        else:
            self._run = manager.filters.run(self, terminal)
            self._run.decode_headers(headers, end_stream)

    def _begin_upgrade(self) -> None:
        """The request has no end: what follows its head belongs to what the connection becomes."""
        self.upgrading = True
        self.encoder.await_tunnel()
        self.manager.stats.cx_upgrades_total.inc()
        self.manager.stats.cx_upgrades_active.inc()

    def _refuse_upgrade(self, route: Route) -> None:
        """No upgrade is configured.  As Envoy: what follows such a head would not be HTTP, so the request never counts as complete."""
        self.manager.stats.rq_ws_on_non_ws_route.inc()
        self.request_complete = False
        if isinstance(route.action, ForwardAction) and self.snapshot is not None:
            self.upstream_cluster = route.action.cluster
            cluster = self.snapshot.clusters.get(route.action.cluster)
            self.upstream_cluster_stat_name = "" if cluster is None else cluster.stat_name
        self.local_reply(403, details="upgrade_failed")

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        if self.finished:
            return
        self.active_at = self.manager.clock()
        self.bytes_received += len(data)
        if end_stream:
            self._request_ended()
        if self._run is not None:
            self._run.decode_data(data, end_stream)
        elif self._terminal is not None:
            self._terminal.decode_data(data, end_stream)

    def decode_trailers(self, trailers: HeaderMap) -> None:
        if self.finished:
            return
        self._request_ended()
        if self._run is not None:
            self._run.decode_trailers(trailers)
        elif self._terminal is not None:
            self._terminal.decode_trailers(trailers)

    def _request_ended(self) -> None:
        self.request_complete = True
        self.request_end_at = self.active_at
        if self._deadlines is not None:
            self._deadlines.on_request_end()

    def _refuse(self, refusal: Refusal) -> None:
        """The request goes no further than its head."""
        if refusal.protocol_error:  # as if the codec had found it: no request was seen
            self.request_headers = None
            self.request_complete = False
            self.connection.on_protocol_error(self, DownstreamProtocolError(refusal.status, refusal.details))
            return
        if (
            refusal.status == 400
            and self.encoder.closes_with_header
            and not self.manager.config.stream_error_on_invalid_http_message
        ):
            self.connection.closing = True
        added = ((b"location", refusal.location),) if refusal.location else ()
        self.local_reply(refusal.status, details=refusal.details, headers=added)

    def refuse_protocol(self, error: ProtocolError) -> None:
        """What was read is not HTTP as we accept it.  Called by the connection, which closes."""
        if self.finished:
            return
        self.response_flags |= response_flags.DOWNSTREAM_PROTOCOL_ERROR
        if self.response_started:
            self.response_code_details = error.details
            self._finish(reset=True)
        else:
            self.local_reply(error.status, reason(error.status), details=error.details)

    def on_connection_lost(self, details: str, flag: int = response_flags.DOWNSTREAM_CONNECTION_TERMINATION) -> None:
        """The client, or we, closed the connection under the stream, or the stream itself; flag says which."""
        if not self.finished:
            self.response_flags |= flag
            self.response_code_details = details
            self._finish(reset=True)

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
        return None if route is None else route.per_filter_config.get(name)

    def _find_route(self, headers: RequestHeaders) -> None:
        self._route_stale = False
        table = self.route_configuration = self.manager.routes(self.snapshot)
        self._route = route = None if table is None else find_route(table, headers, self.random_value)
        if route is not None:
            self.route_name = route.name
            self.virtual_host_name = route.virtual_host

    def set_idle_timeout(self, seconds: float) -> None:
        """A route has its own.  0: none."""
        self.idle_timeout = seconds
        if seconds and not self.finished:
            self.connection.watch(seconds)

    def set_max_duration(self, seconds: float) -> None:
        if self._deadlines is None:
            self._deadlines = StreamDeadlines(self)
        self._deadlines.limit_duration(seconds)

    def check_idle(self, now: float) -> float:
        """End the stream if nothing has happened for too long.  Returns how many seconds are left, 0.0 for no limit."""
        if not self.idle_timeout:
            return 0.0
        left = self.active_at + self.idle_timeout - now
        if left <= 0:
            self.manager.stats.rq_idle_timeout.inc()
            flag = response_flags.STREAM_IDLE_TIMEOUT
            self.time_out(504 if self.request_complete else 408, b"stream timeout", "stream_idle_timeout", flag)
        return left

    def time_out(self, status: int, body: bytes, details: str, flags: int = 0) -> None:
        """Give up waiting: answer if nothing was answered yet, else break off."""
        if self.response_started:
            self.reset(details, flags)
        else:
            self.local_reply(status, body, details=details, flags=flags)

    # The response, from the router or a filter

    def local_reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        details: str,
        headers: tuple[Field, ...] = (),
        flags: int = 0,
    ) -> FilterStatus:
        if self.finished:
            return STOP
        if self.response_started:
            self.reset(details, flags)
            return STOP
        self.response_flags |= flags
        self.response_code_details = details
        request = self.request_headers
        reply, text = local_reply.make(request, self, self.manager.config.local_reply, status, body, headers)
        head_only = not text or (request is not None and request.method == b"HEAD")
        self.response_headers = reply
        if self._run is not None:
            self._run.encode_local_reply(reply, b"" if head_only else text)
        else:
            self.send_headers(reply, head_only)
            if not head_only:
                self.send_data(text, True)
        return STOP

    def encode_informational(self, headers: ResponseHeaders) -> None:
        """As Envoy: only where 100-continue is proxied, and only the first of a response."""
        if self.manager.config.proxy_100_continue and not self._informed and not self.response_started:
            self._informed = True
            self._count_response(headers.status)
            self.encoder.encode_informational(headers)

    def end_connection(self) -> None:
        """The client wants no request after this one."""
        self.connection.closing = True

    def send_continue(self) -> None:
        """Answer `expect: 100-continue` ourselves."""
        self._count_response(100)
        self.encoder.encode_informational(_CONTINUE_HEAD)

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.response_headers = headers
        if self._run is not None:
            self._run.encode_headers(headers, end_stream)
        else:
            self.send_headers(headers, end_stream)

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if self._run is not None:
            self._run.encode_data(data, end_stream)
        else:
            self.send_data(data, end_stream)

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.response_headers = headers
        if self._run is None:
            self.send_whole(headers, body)
            return
        self._run.encode_headers(headers, False)
        if not self.finished:
            self._run.encode_data(body, True)

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self.response_trailers = trailers
        if self._run is not None:
            self._run.encode_trailers(trailers)
        else:
            self.send_trailers(trailers)

    def reset(self, details: str, flags: int = 0) -> None:
        if self.finished:
            return
        self.response_flags |= flags
        self.response_code_details = details
        self.manager.stats.rq_tx_reset.inc()
        self._finish(reset=True)

    # Behind all filters

    def send_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        if self.upgrading and 200 <= headers.status < 300 and self.response_code_details == "via_upstream":
            self.response_code_details = "websocket_handshake_unsuccessful"  # as Envoy: a success that is none has no body
            headers.remove(b"content-length")
            end_stream = True
        self._begin_response(headers)
        self.response_complete = end_stream
        self.encoder.encode_headers(headers, end_stream)
        if self.upgrading and headers.status == 101:
            self.encoder.open_tunnel()
        if end_stream:
            self._finish(reset=not self.request_complete)

    def send_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        if self.upgrading:
            self.send_headers(headers, False)
            if not self.finished:
                self.send_data(body, True)
            return
        self._begin_response(headers)
        self.response_complete = True
        self.bytes_sent = len(body)
        self.encoder.encode_whole(headers, body)
        self._finish(reset=not self.request_complete)

    def _begin_response(self, headers: ResponseHeaders) -> None:
        """Count the response and give its head the last touch."""
        self.active_at = self.response_first_sent_at = now = self.manager.clock()
        self.response_started = True
        self.response_code = headers.status
        self._count_response(headers.status)
        kept = upgrade.fields_of(headers) if self.upgrading and headers.status == 101 else ()
        self.manager.finish_response(headers, self.request_headers)
        if kept:
            headers.fields[:0] = kept
            self.manager.stats.rq_response_before_rq_complete.inc()
            return
        if not self.request_complete:
            self._answer_early()
        connection = self.connection
        ends = self.close_after or connection.closing or connection.downstream.drain is not None
        if (ends or self.protocol == "HTTP/1.0") and self.encoder.closes_with_header:
            self._tell_whether_it_closes(headers, now)
        elif connection.downstream.drain is not None:
            connection.should_close(now)

    def send_data(self, data: bytes, end_stream: bool) -> None:
        self.bytes_sent += len(data)
        self.encoder.encode_data(data, end_stream)
        if end_stream:
            self.response_complete = True
            self._finish(reset=not self.request_complete)
        else:
            self.active_at = self.manager.clock()

    def send_trailers(self, trailers: HeaderMap) -> None:
        self.encoder.encode_trailers(trailers)
        self.response_complete = True
        self._finish(reset=not self.request_complete)

    def _answer_early(self) -> None:
        """The response does not wait for the request's end, and an HTTP/1 connection does not wait for it either."""
        self.manager.stats.rq_response_before_rq_complete.inc()
        if self.encoder.closes_with_header:
            self.connection.closing = True

    def _tell_whether_it_closes(self, headers: ResponseHeaders, now: float) -> None:
        """The `connection` field of an HTTP/1 response."""
        if self.protocol == "HTTP/1.0":
            if b"content-length" not in headers:
                self.close_after = True
            if not self.close_after:
                headers.add(b"connection", b"keep-alive")
        if self.close_after:
            self.connection.closing = True
        if self.connection.closing or self.connection.should_close(now):
            headers.set(b"connection", b"close")

    def _count_response(self, status: int) -> None:
        manager = self.manager
        digit = status // 100 if status < 1000 else 0
        manager.stats.rq_completed.value += 1
        manager.stats.rq_by_class[digit].value += 1
        manager.listener_stats.rq_completed.value += 1
        manager.listener_stats.rq_by_class[digit].value += 1

    def _finish(self, reset: bool) -> None:
        """The end, whatever brought it.  reset: one direction was not complete."""
        if self.finished:
            return
        self.finished = True
        if self._deadlines is not None:
            self._deadlines.cancel()
        # The two sides of a stream know each other: let go, or only the garbage collector could free them (4 µs a request).
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.on_destroy()
        run, self._run = self._run, None
        if run is not None:
            run.destroy()
        manager = self.manager
        if self.upgrading:
            manager.stats.cx_upgrades_active.dec()
        self.end_at = now = manager.clock()
        manager.stats.rq_time.record(int((now - self.start_at) * 1000))
        if reset:
            manager.stats.rq_rx_reset.inc()
            if self.encoder.closes_with_header:
                self.connection.closing = True
        for logger in manager.loggers:
            logger.log(self.request_headers, self.response_headers, self.response_trailers, self)
        self.connection.end_stream(self, delay_close=reset or not self.close_after)

    # Back-pressure

    def pause_decoding(self) -> None:
        self.encoder.pause_reading()

    def resume_decoding(self) -> None:
        if not self.finished:
            self.encoder.resume_reading()

    def on_downstream_blocked(self) -> None:
        if self._terminal is not None:
            self._terminal.on_downstream_blocked()

    def on_downstream_ready(self) -> None:
        self.active_at = self.manager.clock()
        if self._terminal is not None:
            self._terminal.on_downstream_ready()

    def continue_decoding(self) -> None:
        if self._run is not None:  # the stream may have ended under a filter that waited
            self._run.continue_decoding()

    def continue_encoding(self) -> None:
        if self._run is not None:
            self._run.continue_encoding()

    def __repr__(self) -> str:
        state = "finished" if self.finished else "responding" if self.response_started else "requesting"
        return f"<Stream C{self.connection_id} {self.request_headers and self.request_headers.path!r} {state}>"
