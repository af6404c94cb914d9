"""The response of a stream, from the router or a filter to the codec, and the end of the stream.

Here: local replies, the last touch to every response, what is counted and logged.  Not here: its headers' content (http.response_headers,
http.local_reply), filters (http.filter_chain), bytes (http.codec).
Envoy: ConnectionManagerImpl::ActiveStream::encodeHeaders, sendLocalReply.
"""

from __future__ import annotations

from dataplane.api.http_filter import STOP, FilterStatus
from dataplane.http import local_reply, log_moments, upgrade
from dataplane.http.stream_state import StreamState
from dataplane.observe.formatter_context import FormatterContext
from dataplane.semantics.header_map import Field, HeaderMap, ResponseHeaders

_CONTINUE_HEAD = ResponseHeaders(100)


class ResponseSide(StreamState):
    """What goes back to the client."""

    # The response, from the router or a filter

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
        if self.finished:
            return STOP
        if self.response_started:
            self.reset(details, flags)
            return STOP
        self.response_flags |= flags
        self.response_code_details = details
        request = self.request_headers
        if self._run is not None:
            self._name_cluster()
        reply, text = local_reply.make(request, self, self.manager.config.local_reply, status, body, headers, grpc_status)
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

    def send_continue(self) -> None:
        """Answer `expect: 100-continue` ourselves."""
        self._count_response(100)
        self.encoder.encode_informational(_CONTINUE_HEAD)

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.response_headers = headers
        if self._run is not None:
            headers.noticed = None  # filters may change them
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
            self._send_whole(headers, body)
            return
        headers.noticed = None
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
        granted = self.upgrading and upgrade.is_granted(self.request_headers, headers)
        if self.upgrading and not granted and 200 <= headers.status < 300 and self.response_code_details == "via_upstream":
            self.response_code_details = "websocket_handshake_unsuccessful"  # as Envoy: a success that is none has no body
            headers.remove(b"content-length")
            end_stream = True
        self._begin_response(headers, granted)
        self.response_complete = end_stream
        self.encoder.encode_headers(headers, end_stream)
        if granted:
            self.encoder.open_tunnel()
            if self.manager.config.access_log_options.on_tunnel:
                self.log_now(log_moments.TUNNEL)
        if end_stream:
            self._finish(reset=not self.request_complete)

    def _send_whole(self, headers: ResponseHeaders, body: bytes) -> None:
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

    def _begin_response(self, headers: ResponseHeaders, granted: bool = False) -> None:
        """Count the response and give its head the last touch.  granted: what follows it is no HTTP."""
        manager = self.manager
        self.active_at = self.response_first_sent_at = now = manager.clock()
        self.response_started = True
        self.response_code = status = headers.status
        self._count_response(status)
        kept = upgrade.fields_of(headers) if granted and status == 101 else ()
        manager.finish_response(headers, self.request_headers)
        if granted:
            for index, field in kept:
                headers.fields.insert(index, field)
            manager.stats.rq_response_before_rq_complete.inc()
            return
        if not self.request_complete:
            self._answer_early()
        connection = self.connection
        draining = connection.downstream.drain is not None
        if (
            self.close_after or connection.closing or draining or self.protocol == "HTTP/1.0"
        ) and self.encoder.closes_with_header:
            self._tell_whether_it_closes(headers, now)
        elif draining:
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

    def log_now(self, kind: str) -> None:
        """Write the access log before the stream ends.  kind: of `%ACCESS_LOG_TYPE%`."""
        if self._route is not None and not self.upstream_cluster:
            self._name_cluster()
        of_the_end, self.access_log_type = self.access_log_type, kind
        self._log()
        self.access_log_type = of_the_end

    def _log(self) -> None:
        context = FormatterContext(self, self.request_headers, self.response_headers, self.response_trailers)
        for logger in self.manager.loggers:
            logger.log(context)

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
        if manager.loggers:
            self._log()
        self.connection.end_stream(self, delay_close=reset or not self.close_after)
