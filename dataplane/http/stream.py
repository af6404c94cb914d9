"""One request and its response: from the codec through the filters to the router and back.

Here: the request side, idle times, back-pressure.  Not here: what a stream knows (http.stream_state), the way back and the end
(http.stream_response), bytes (http.codec), the run of filters (http.filter_chain), forwarding (router).
A stream is its own `StreamInfo`: one object a request.  Everything that can happen calls a method here; nothing waits.

    request:   (begun) ─decode_headers─▶ decoding ─decode_data(end)─▶ request_complete
    response:  (none) ─encode_headers─▶ response_started ─end─▶ response_complete
    both complete, or reset, or the connection is gone  ─▶ _finish, once

Envoy: ConnectionManagerImpl::ActiveStream.
"""

from __future__ import annotations

from random import getrandbits
from typing import TYPE_CHECKING

from dataplane.base.errors import DownstreamProtocolError
from dataplane.http import upgrade
from dataplane.http.stream_response import ResponseSide
from dataplane.http.stream_times import StreamDeadlines
from dataplane.observe import flags as response_flags
from dataplane.routing.route import ForwardAction
from dataplane.semantics.header_map import HeaderMap, RequestHeaders
from dataplane.semantics.reason import reason

if TYPE_CHECKING:
    from dataplane.base.errors import ProtocolError
    from dataplane.http.request_headers import Refusal
    from dataplane.routing.route import Route
    from dataplane.routing.stream_duration import StreamDuration


class Stream(ResponseSide):
    """Implements api.http_filter.HttpStream."""

    def arm_deadlines(self) -> None:
        """The limits that the connection manager sets to every stream."""
        self._deadlines = StreamDeadlines(self)

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
        if manager.mark_trace is not None:
            manager.mark_trace(headers, self._route, self.random_value)
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
            headers.noticed = None  # filters may change them
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
        self.connection.refuse_more()
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
        self.local_reply(refusal.status, refusal.body, details=refusal.details, headers=added)

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

    def end_connection(self) -> None:
        """The client wants no request after this one."""
        self.connection.closing = True

    def set_idle_timeout(self, seconds: float) -> None:
        """A route has its own.  0: none."""
        self.idle_timeout = seconds
        if seconds and not self.finished:
            self.connection.watch(seconds)

    def limit_duration(self, limit: StreamDuration) -> None:
        if self._deadlines is None:
            self._deadlines = StreamDeadlines(self)
        self._deadlines.follow_route(limit)

    def check_idle(self, now: float) -> float:
        """End the stream if nothing has happened for too long.  Returns how many seconds are left, 0.0 for no limit."""
        if not self.idle_timeout:
            return 0.0
        reduced = self.manager.reduced
        left = self.active_at + (self.idle_timeout if reduced is None else reduced.stream_idle(self.idle_timeout)) - now
        if left <= 0:
            self.manager.stats.rq_idle_timeout.inc()
            flag = response_flags.STREAM_IDLE_TIMEOUT
            self.time_out(504 if self.request_complete else 408, b"stream timeout", "stream_idle_timeout", flag)
        return left

    def time_out(self, status: int, body: bytes, details: str, flags: int = 0, grpc_status: int | None = None) -> None:
        """Give up waiting: answer if nothing was answered yet, else break off."""
        if self.response_started:
            self.reset(details, flags)
        else:
            self.local_reply(status, body, details=details, flags=flags, grpc_status=grpc_status)

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
