"""The router: the terminal HTTP filter.  Takes a request to its upstream and the response back.

Here: one request's way through its route's action and its tries.  Not here: what the action says (router.request_plan, routing), the way
back (router.response), deadlines (router.timers), whether to try again (router.retries), bytes (upstream).
Bound once per connection manager, one `RouterStream` per request; every event is a method call, nothing waits.
Envoy: Router::Filter; configuration/http/http_filters/router_filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import random
from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import NoHealthyHost
from dataplane.observe import flags
from dataplane.router import failures, request_plan, tunnels
from dataplane.router.answers import answer_directly
from dataplane.router.attempt import Attempt
from dataplane.router.balancing import BalancedRequest
from dataplane.router.drop_overload import drop
from dataplane.router.failures import Failure
from dataplane.router.mirror import Mirror, mirrors_of
from dataplane.router.retries import EXHAUSTED, OVERFLOW, RETRY, Retries, Verdict
from dataplane.router.state import BoundRouter
from dataplane.routing.actions import choose_cluster, expected_after
from dataplane.routing.route import ConnectConfig, ForwardAction, Route
from dataplane.routing.table import virtual_cluster_of
from dataplane.semantics import grpc
from dataplane.semantics.header_map import HeaderMap, RequestHeaders

if TYPE_CHECKING:
    from dataplane.api.http_filter import HttpStream
    from dataplane.api.network_filter import ServerContext
    from dataplane.api.upstream import LiveHost, Pending, RequestEncoder, UpstreamConnectionInfo
    from dataplane.observe.stats import Scope
    from dataplane.router.config import RouterConfig
    from dataplane.routing.route import WeightedCluster

_INTERNAL: Final = (b"x-envoy-internal", b"true")


class RouterFactory:
    """What the entry of `http_filters` holds (api.http_filter.TerminalFilterFactory)."""

    __slots__ = ("config",)

    def __init__(self, config: RouterConfig) -> None:
        self.config: Final = config

    def bind(self, server: ServerContext, stats: Scope) -> BoundRouterFilter:
        return BoundRouterFilter(self.config, server, stats)


class BoundRouterFilter(BoundRouter):
    """Implements api.http_filter.BoundTerminalFilter."""

    def new_stream(self, stream: HttpStream) -> RouterStream:
        return RouterStream(self, stream)


class RouterStream(BalancedRequest):
    """The way of one request: its plan, its tries, its end."""

    __slots__ = ()

    # The request (api.http_filter.TerminalFilter)

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        bound, stream = self._bound, self.stream
        self.headers = headers
        self.request_complete = end_stream
        self._has_body = not end_stream
        bound.stats.rq_total.value += 1
        route = stream.route
        if route is None:
            bound.stats.no_route.inc()
            stream.local_reply(404, details="route_not_found", flags=flags.NO_ROUTE_FOUND)
            return
        action = route.action
        if type(action) is not ForwardAction:
            answer_directly(stream, action, route.mutations, headers, bound.stats, bound.tells)
            return
        self._route = route
        self._forward(route, action)

    def _forward(self, route: Route, action: ForwardAction) -> None:
        bound, headers, info = self._bound, self.headers, self.info
        self._action = action
        if action.cluster:
            name, choice = action.cluster, None
            self._levels = route.mutations
        else:
            name, choice = choose_cluster(action, headers, self.stream.random_value)
            self._choice = choice
            self._levels = request_plan.levels_of(route, choice)
        cluster = bound.clusters.get(name)
        if cluster is None:
            self._refuse_unknown_cluster(action)
            return
        self.cluster = cluster
        self._counters = cluster.stats.answers
        if route.virtual_clusters:
            info.virtual_cluster_name = kind = virtual_cluster_of(route.virtual_clusters, headers)
            self._counters = bound.counters_of_both(self._counters, route.virtual_host, kind)
        info.upstream_cluster = name
        info.upstream_cluster_stat_name = cluster.stat_name
        self._internal = (headers.noticed is None or _INTERNAL[0] in headers.noticed) and _INTERNAL in headers.fields
        strict = bound.config.strict_check_headers
        if strict and (invalid := request_plan.find_invalid(headers, strict)):
            self.stream.local_reply(
                400, invalid, details="request_headers_failed_strict_check", flags=flags.INVALID_ENVOY_REQUEST_HEADERS
            )
            return
        if cluster.drop_overload and (dropped := drop(cluster.drop_overload, random())) is not None:
            self._drop(dropped)
            return
        if action.idle_timeout is not None:
            self.stream.set_idle_timeout(action.idle_timeout)
        if action.max_stream_duration is not None:
            self.stream.limit_duration(action.max_stream_duration)
        self._plan(route, action, choice)
        self._awaits_tunnel = self.stream.upgrading
        if self.request_complete or self._awaits_tunnel:
            self._arm_timeout()
        copies = action.mirrors if cluster.policies is None else cluster.policies.mirrors or action.mirrors
        mirrors = mirrors_of(bound, copies, headers, self.stream, self._wishes.times.total) if copies else ()
        if self._try() and mirrors:
            self._start_mirrors(mirrors)

    def _start_mirrors(self, mirrors: Sequence[Mirror]) -> None:
        """Copies go out once the request itself has found a host, whatever becomes of it there."""
        if self._over and not self.request_complete:
            return  # nobody will send the rest
        for mirror in mirrors:
            mirror.start(RouterStream(self._bound.for_mirrors, mirror), self.request_complete)
        if not self.request_complete:
            self._mirrors = mirrors

    def _mirror_data(self, data: bytes, end_stream: bool) -> None:
        for mirror in self._mirrors:
            if not mirror.decode_data(data, end_stream):
                self.cluster.stats.request.retry_or_shadow_abandoned.inc()
        if end_stream:
            self._mirrors = ()

    def _plan(self, route: Route, action: ForwardAction, choice: WeightedCluster | None) -> None:
        """Read the request's wishes, then give its headers the form the upstream shall see."""
        bound, headers = self._bound, self.headers
        policies, respect = self.cluster.policies, bound.config.respect_expected_rq_timeout
        wishes = self._wishes = request_plan.take_wishes(action, headers, respect, policies)
        self._alt_name = wishes.alt_stat_name
        if wishes.policy is not None and wishes.policy.retry_on:
            self._retries = Retries(wishes.policy, self.cluster, action.priority, self._counters.virtual)
            self._body = []
        if bound.tells and wishes.times.expected_ms:
            field = request_plan.expected_timeout(wishes.times.expected_ms)
            if wishes.spoke:
                headers.set(*field)
            else:
                headers.fields.append(field)
        if wishes.tells_grpc and wishes.times.expected_ms:
            headers.set(grpc.TIMEOUT, grpc.format_timeout(wishes.times.expected_ms))
        if route.include_attempt_count:
            headers.set(request_plan.ATTEMPT_COUNT, b"1")
        if self._levels or choice is not None or action.changes_target:
            request_plan.rewrite(headers, action, choice, self._levels, self.info, bound.tells)

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        self.request_complete = end_stream
        attempt = self._attempt
        encoder = None if attempt is None or self._awaits_tunnel else attempt.encoder
        if self._body is not None or encoder is None:
            self._keep(data, encoder is None)
        if encoder is not None:
            encoder.encode_data(data, end_stream)
        if self._mirrors:
            self._mirror_data(data, end_stream)
        if end_stream:
            self._request_ended()

    def decode_trailers(self, trailers: HeaderMap) -> None:
        self.request_complete = True
        self._trailers = trailers
        if self._attempt is not None and self._attempt.encoder is not None:
            self._attempt.encoder.encode_trailers(trailers)
        mirrors, self._mirrors = self._mirrors, ()
        for mirror in mirrors:
            mirror.decode_trailers(trailers)
        self._request_ended()

    def _keep(self, data: bytes, unsent: bool) -> None:
        """Hold body bytes that a try still needs.  Over the limit there is no retry; what was never sent makes the sender wait."""
        if self._over:
            return
        if self._body is None:
            self._body = []
        self._body.append(data)
        self._body_size += len(data)
        limit = self._route.request_buffer_limit
        if self._retries is not None and self._body_size > (self.stream.buffer_limit if limit is None else limit):
            self.cluster.stats.request.retry_or_shadow_abandoned.inc()
            self._retries.release()
            self._retries = None
            if not unsent:
                self._body = None
        if unsent and self._body_size > self.stream.buffer_limit and not self._paused:
            self._paused = True
            self.stream.pause_decoding()

    def _request_ended(self) -> None:
        self._arm_timeout()
        if self._attempt is not None and self._attempt.encoder is not None:
            self.info.upstream_request_end_at = self._bound.clock()
            self._arm_per_try(self._attempt)

    # Attempts

    def _try(self) -> bool:
        """Ask the cluster for a connection.  A callback may come before this returns.  False: there is no host to ask."""
        self.info.attempts += 1
        attempt = self._attempt = Attempt(self)
        action = self._action
        choosy = self._retries is not None and self._retries.is_choosy
        context = self if choosy or self.cluster.wants_context else None
        try:
            if action.connect is not None and action.connect.terminates(self.headers.method):
                pending = self._dial(attempt, action.connect)
            else:
                pending = self.cluster.open_stream(attempt, context, action.priority)
        except NoHealthyHost:
            self._attempt = None
            self._reply(503, b"no healthy upstream", "no_healthy_upstream", flags.NO_HEALTHY_UPSTREAM)
            return False
        if pending is not None and self._attempt is attempt:
            attempt.pending = pending
        return True

    def _dial(self, attempt: Attempt, connect: ConnectConfig) -> Pending | None:
        """A CONNECT ends here."""
        return self.cluster.open_tcp(tunnels.TerminatedConnect(attempt, self.info, connect.proxy_protocol), self)

    def on_connected(self, attempt: Attempt, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        info = self.info
        info.upstream_host = host.address
        info.upstream_host_name = host.hostname
        info.upstream_connection_id = connection.connection_id
        info.upstream_local_address = connection.local_address
        info.upstream_protocol = connection.protocol
        if connection.tls is not None:
            info.upstream_tls = connection.tls
        if host.monitor is not None:
            host.monitor.on_connected()
        self._canary = host.canary
        if self._counters.virtual is not None:
            self._counters.virtual.rq_total.inc()
        asked = self._wishes.stream_duration
        limit = self.cluster.max_stream_duration if asked is None else asked
        if limit:
            attempt.duration = self._bound.deadlines.arm(limit, attempt.on_duration_over)
        info.upstream_begin_at = now = self._bound.clock()
        if self._action.auto_host_rewrite and host.hostname:
            request_plan.set_host(self.headers, host.hostname.encode(), self._action.append_x_forwarded_host, self._bound.tells)
        if self._awaits_tunnel:
            self._ask_for_tunnel(encoder, connection.protocol)
        elif self._has_body and (self._body or self._trailers is not None):
            self._send_with_body(encoder)
        else:
            encoder.encode_headers(self.headers, self.request_complete)
        if attempt.encoder is None:
            return
        if self.request_complete:
            info.upstream_request_end_at = now
        if self.request_complete or self._awaits_tunnel:
            self._arm_per_try(attempt)

    def _send_with_body(self, encoder: RequestEncoder) -> None:
        body = self._held()
        encoder.encode_headers(self.headers, False)
        self._send_held(encoder, body)

    def _held(self) -> bytes:
        body = b"".join(self._body or ())
        if self._retries is None:
            self._body = None
        return body

    def _send_held(self, encoder: RequestEncoder, body: bytes) -> None:
        trailers = self._trailers
        if body or (self.request_complete and trailers is None):
            encoder.encode_data(body, self.request_complete and trailers is None)
        if trailers is not None:
            encoder.encode_trailers(trailers)
        if self._paused:
            self._paused = False
            self.stream.resume_decoding()

    def _ask_for_tunnel(self, encoder: RequestEncoder, protocol: str) -> None:
        headers = tunnels.request_for(protocol, self.headers)
        if protocol == "HTTP/2" and headers.path and not headers.protocol:  # a rewrite gave a CONNECT a path
            details = "filter_removed_required_request_headers{missing_required_header:_:protocol}"
            text, flag = b"missing required header: :protocol", flags.DOWNSTREAM_PROTOCOL_ERROR
            self.stream.local_reply(503, text, details=details, flags=flag)
        else:
            encoder.encode_headers(headers, False)

    def _open_tunnel(self, attempt: Attempt) -> None:
        self._awaits_tunnel = False
        body = self._held()
        self._body = None
        if attempt.encoder is not None:
            self._send_held(attempt.encoder, body)

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """The try ended without a whole response."""
        if attempt is not self._attempt or self._over:
            return
        if attempt.host is not None:
            self.info.upstream_host = attempt.host.address
            if not failure.overflow:
                attempt.host.rq_error += 1
                if attempt.host.monitor is not None:
                    attempt.host.monitor.on_failure()
        self._log_attempt(attempt)
        self.info.upstream_transport_failure_reason = failure.transport.replace(" ", "_")
        attempt.disarm()
        if self._started:
            self._break_off(failure)
            return
        if self._retries is not None and self._again(self._retries.after_failure(failure, attempt.sent), attempt):
            return
        details = f"upstream_reset_before_response_started{{{failure.details}}}"
        if failure.overflow and self._bound.config.dynamic_stats:
            self.cluster.rq_dropped += 1
        overloaded = (failures.OVERLOADED,) if failure.overflow and self._bound.tells else ()
        self._reply(failure.status, failures.body(failure, self.info.attempts > 1), details, failure.flag, overloaded)

    def _break_off(self, failure: Failure) -> None:
        self._bound.stats.rq_reset_after_downstream_response_started.inc()
        details = f"upstream_reset_after_response_started{{{failure.details}}}"
        self.stream.reset(details, failure.flag)

    def _again(self, verdict: Verdict, attempt: Attempt) -> bool:
        """Whether another try follows; if so, it is under way."""
        if verdict is EXHAUSTED:
            self.info.response_flags |= flags.UPSTREAM_RETRY_LIMIT_EXCEEDED
        elif verdict is OVERFLOW:
            self.info.response_flags |= flags.UPSTREAM_OVERFLOW
        if verdict is not RETRY or self._retries is None:
            return False
        if attempt.host is not None:
            self._retries.on_tried(attempt.host)
        self._log_attempt(attempt)
        attempt.abandon()
        self._attempt = None
        self.info.upstream_transport_failure_reason = ""  # of the last try alone
        self._backoff = self._bound.deadlines.arm(self._retries.delay, self._retry)
        return True

    def _retry(self) -> None:
        self._backoff = None
        times, headers = self._wishes.times, self.headers
        if self._route.include_attempt_count:
            headers.set(request_plan.ATTEMPT_COUNT, b"%d" % (self.info.attempts + 1))
        spent = round((self._bound.clock() - self.info.request_end_at) * 1000) if self.request_complete else 0
        expected = expected_after(times, spent)
        if expected and self._bound.tells:
            headers.set(*request_plan.expected_timeout(expected))
        if expected and self._wishes.tells_grpc:
            headers.set(grpc.TIMEOUT, grpc.format_timeout(expected))
        self._try()

    # Back-pressure and the end (api.http_filter.TerminalFilter)

    def on_downstream_blocked(self) -> None:
        if self._attempt is not None:
            self._attempt.pause_reading()

    def on_downstream_ready(self) -> None:
        if self._attempt is not None:
            self._attempt.resume_reading()

    def on_destroy(self) -> None:
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None  # it holds us: a circle that only the garbage collector would open
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None
        if self._retries is not None:
            self._retries.release()
        for mirror in self._mirrors:
            mirror.cancel()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:  # its response was not complete
            if attempt.pending is not None:  # the log tells where it would have gone
                self.info.upstream_host = attempt.pending.host.address
            self._log_attempt(attempt)
            attempt.abandon()
