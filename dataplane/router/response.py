"""The response on its way back through the router, and the answers the router makes in its place.

Not here: bytes of the body, which an attempt hands to the stream directly (router.attempt).
Envoy: Router::Filter::onUpstreamHeaders, sendLocalReply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.observe import flags
from dataplane.router import request_plan, tunnels
from dataplane.router.answers import route_headers
from dataplane.router.state import RequestState
from dataplane.routing.header_mutations import mutate_response
from dataplane.semantics import grpc

if TYPE_CHECKING:
    from dataplane.router.attempt import Attempt
    from dataplane.router.drop_overload import Drop
    from dataplane.router.retries import Retries
    from dataplane.routing.route import ForwardAction
    from dataplane.semantics.header_map import Field, ResponseHeaders

_CANARY: Final = b"x-envoy-upstream-canary"
_SERVICE_TIME: Final = b"x-envoy-upstream-service-time"
_SERVICE_TIMES: Final = tuple((_SERVICE_TIME, b"%d" % milliseconds) for milliseconds in range(256))


class ResponseSide(RequestState):
    """What comes back."""

    __slots__ = ()

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        """A tunnel's answer decides about what is still to come; what is tried again is given up at its head."""
        if self._retries is None:
            return not self._awaits_tunnel
        return not self._awaits_tunnel and not self._retries.policy.after_response(headers)

    def on_informational(self, headers: ResponseHeaders) -> None:
        """What was passed on of a response rules out another try.  As Envoy, the first interim response stands for all."""
        if self._was_informed:
            return
        self._was_informed = True
        self._counters.count(headers.status, self._internal, self._alt_name)
        self._retries = None
        self.stream.encode_informational(headers)

    def on_response(self, attempt: Attempt, headers: ResponseHeaders, end_stream: bool) -> None:
        if attempt is not self._attempt or self._over:
            return
        attempt.response = headers
        if self._retries is not None and self._tried_again(self._retries, attempt, headers):
            return
        now = self._bound.clock()
        granted = self._awaits_tunnel and tunnels.take_response(self.info.upstream_protocol, self.headers, headers)
        self._take_head(attempt, headers, now, granted)
        if end_stream:
            self._take_end(now)
        self.stream.encode_headers(headers, end_stream)
        if granted:
            self._open_tunnel(attempt)

    def on_whole_response(self, attempt: Attempt, headers: ResponseHeaders, body: bytes) -> None:
        """`on_response` and the whole body in one, for an answer that is not tried again (`takes_whole`)."""
        if attempt is not self._attempt or self._over:
            return
        attempt.response = headers
        if self._retries is not None:
            self._retries.accept()
        now = self._bound.clock()
        self._take_head(attempt, headers, now)
        self._take_end(now)
        self.stream.encode_whole(headers, body)

    def _tried_again(self, retries: Retries, attempt: Attempt, headers: ResponseHeaders) -> bool:
        """Whether this answer is dropped for another try."""
        if not self._again(retries.after_response(headers), attempt):
            return False
        self._count_for_host(attempt, headers)
        self._counters.count_retried(headers.status)
        return True

    def _open_tunnel(self, attempt: Attempt) -> None:
        """From here on what the client sends goes on as it comes.  Defined where requests are sent (router.router)."""
        raise NotImplementedError

    def _take_head(self, attempt: Attempt, headers: ResponseHeaders, now: float, granted: bool = False) -> None:
        """Count the response and give its head the form it is passed on in.  granted: a tunnel follows."""
        info, status = self.info, headers.status
        info.response_begin_at = now
        self._count_for_host(attempt, headers)
        if not granted:
            self._body = None
        if self._bound.config.dynamic_stats and (granted or not (self._awaits_tunnel and 200 <= status < 300)):
            if (headers.noticed is None or _CANARY in headers.noticed) and headers.get(_CANARY) == b"true":
                self._canary = True
            self._counters.count(status, self._internal, self._alt_name, self._canary)
        if self._bound.tells and self.request_complete:
            spent = int((now - info.request_end_at) * 1000)
            took = _SERVICE_TIMES[spent] if 0 <= spent < 256 else (_SERVICE_TIME, b"%d" % spent)
            if headers.noticed is None or _SERVICE_TIME in headers.noticed:
                headers.set(*took)
            else:
                headers.fields.append(took)
        info.response_code = status
        info.response_code_details = "via_upstream"
        if self._levels or self._route.include_attempt_count_in_response:
            self._change_response(headers)
        if self._set_cookies:
            headers.noticed = None
            headers.fields += [(b"set-cookie", cookie) for cookie in self._set_cookies]
        self._started = True
        if granted:
            self._let_tunnel_last(attempt)

    def _let_tunnel_last(self, attempt: Attempt) -> None:
        """As Envoy: what was upgraded has only the stream's idle timeout."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if attempt.idle is not None:
            attempt.idle.cancel()
            attempt.idle = None

    def _count_for_host(self, attempt: Attempt, headers: ResponseHeaders) -> None:
        host, status = attempt.host, headers.status
        if host is not None:
            if status < 500:
                host.rq_success += 1
            else:
                host.rq_error += 1
            if host.monitor is not None:
                host.monitor.on_status(self._judged_status(headers))

    def _judged_status(self, headers: ResponseHeaders) -> int:
        """What outlier detection takes the response for."""
        status, policies = headers.status, self.cluster.policies
        grpc_status = headers.get(grpc.STATUS)
        if grpc_status is not None and grpc.is_grpc(self.headers):
            status = grpc.http_status(grpc_status)
        return status if policies is None else policies.judged_status(headers, status)

    def _change_response(self, headers: ResponseHeaders) -> None:
        headers.noticed = None
        mutate_response(self._levels, self.headers, headers, self.info)
        if self._route.include_attempt_count_in_response:
            headers.set(request_plan.ATTEMPT_COUNT, b"%d" % self.info.attempts)

    def on_response_end(self) -> None:
        """The last byte of the response is here; it is passed on next."""
        self._take_end(self._bound.clock())

    def _take_end(self, now: float) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            if attempt.deadline is not None or attempt.idle is not None or attempt.duration is not None:
                attempt.disarm()
            self._log_attempt(attempt)
        self.info.upstream_response_end_at = now
        if self.request_complete:
            milliseconds = int((now - self.info.request_end_at) * 1000)
            self._counters.record_time(milliseconds, self._internal, self._alt_name, self._canary)

    def _reply(self, status: int, body: bytes, details: str, flag: int, own: tuple[Field, ...] = ()) -> None:
        """An answer of ours in the place of the upstream's."""
        if self._bound.config.dynamic_stats:
            self._counters.count(status, self._internal, self._alt_name)
        added = route_headers(self._levels, self.headers, self.stream, status, own)
        self.stream.local_reply(status, body, details=details, headers=added, flags=flag)

    def _drop(self, dropped: Drop) -> None:
        """The cluster's endpoints are overloaded: the request does not even try."""
        self.cluster.rq_drop_overload += 1
        if self._bound.config.dynamic_stats:
            self.cluster.rq_dropped += 1
            self._counters.count(503, self._internal, self._alt_name)
        own = (dropped.field,) if self._bound.tells else ()
        added = (*route_headers(self._levels, self.headers, self.stream, 503, ()), *own)
        self.stream.local_reply(503, dropped.body, details=dropped.details, headers=added, flags=dropped.flag)

    def _refuse_unknown_cluster(self, action: ForwardAction) -> None:
        self._bound.stats.no_cluster.inc()
        status = action.cluster_not_found_status
        added = route_headers(self._levels, self.headers, self.stream, status, ())
        self.stream.local_reply(status, details="cluster_not_found", headers=added, flags=flags.NO_CLUSTER_FOUND)
