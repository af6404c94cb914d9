"""The router's deadlines: of the whole response, of each try and of its silence, and of each exchange with the upstream.

All but the last start when the request is complete: until then the client is the slow one.  The last starts with the connection.
Envoy: RouteAction.timeout, RetryPolicy.per_try_timeout and per_try_idle_timeout, a cluster's HttpProtocolOptions.max_stream_duration;
504, UT or UMSDR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import StreamReset
from dataplane.observe import flags
from dataplane.router.answers import route_headers
from dataplane.router.failures import Failure
from dataplane.router.response import ResponseSide

if TYPE_CHECKING:
    from dataplane.router.attempt import Attempt

_TIMEOUT_BODY: Final = b"upstream request timeout"
_DURATION_BODY: Final = b"upstream max stream duration reached"


class TimedRequest(ResponseSide):
    """What happens when nothing comes back in time."""

    __slots__ = ()

    def _arm_timeout(self) -> None:
        total = self._wishes.times.total
        if total and not self._over:
            if self._deadline is not None:  # of a tunnel that is still asked for: its client has ended already
                self._deadline.cancel()
            self._deadline = self._bound.deadlines.arm(total, self._on_timeout)

    def _arm_per_try(self, attempt: Attempt) -> None:
        times = self._wishes.times
        if times.per_try and attempt.deadline is None:
            attempt.deadline = self._bound.deadlines.arm(times.per_try, self._on_per_try_timeout)
        if times.per_try_idle and attempt.idle is None:
            attempt.heard_at = self.now()
            attempt.idle = self._bound.deadlines.arm(times.per_try_idle, self._on_idle_try)

    def now(self) -> float:
        return self._bound.clock()

    def _on_timeout(self) -> None:
        """The whole response took too long."""
        self._deadline = None
        self.cluster.stats.request.rq_timeout.inc()
        if self._counters.virtual is not None:
            self._counters.virtual.rq_timeout.inc()
        self._give_up("response_timeout")

    def _on_per_try_timeout(self) -> None:
        attempt = self._attempt
        if attempt is None or self._started or self._was_informed:
            return
        self.cluster.stats.request.rq_per_try_timeout.inc()
        attempt.deadline = None
        self._give_up_try(attempt, "upstream_per_try_timeout")

    def _on_idle_try(self) -> None:
        """Unlike the time of a try, that of its silence goes on while a response is passed on."""
        attempt = self._attempt
        if attempt is None:
            return
        left = attempt.heard_at + self._wishes.times.per_try_idle - self.now()
        if left > 0:
            attempt.idle = self._bound.deadlines.arm(left, self._on_idle_try)
            return
        attempt.idle = None
        self.cluster.stats.request.rq_per_try_idle_timeout.inc()
        self._give_up_try(attempt, "upstream_per_try_idle_timeout")

    def _give_up_try(self, attempt: Attempt, details: str) -> None:
        failure = Failure(504, flags.UPSTREAM_REQUEST_TIMEOUT, "per try timeout")
        self._count_host_timeout()
        retries = None if self._started else self._retries
        if retries is not None and self._again(retries.after_failure(failure, attempt.sent), attempt):
            return
        self._give_up(details)

    def on_duration_over(self, attempt: Attempt) -> None:
        """The exchange with the upstream took longer than its cluster allows.  As Envoy: a reset of ours, and no answer of the cluster's."""
        self.cluster.stats.request.rq_max_duration_reached.inc()
        if attempt is not self._attempt:
            return
        if self._retries is not None and not self._started:
            failure = Failure(504, flags.UPSTREAM_MAX_STREAM_DURATION_REACHED, StreamReset.LOCAL_RESET.value)
            if self._again(self._retries.after_failure(failure, attempt.sent), attempt):
                return
        attempt.abandon()
        status = 504 if self.request_complete else 408
        added = route_headers(self._levels, self.headers, self.stream, status, ())
        flag = flags.UPSTREAM_MAX_STREAM_DURATION_REACHED
        self.stream.local_reply(status, _DURATION_BODY, details="upstream_max_stream_duration_reached", headers=added, flags=flag)

    def _give_up(self, details: str) -> None:
        """504, or the end of a response that has begun."""
        flag = flags.UPSTREAM_REQUEST_TIMEOUT
        if self._started:
            self.stream.reset(details, flag)
            return
        if details == "response_timeout":
            self._count_host_timeout()
        if self._attempt is not None:
            self._attempt.abandon()
        if self._wishes.alt_response:
            self._reply(204, b"", details, flag)
        else:
            self._reply(504, _TIMEOUT_BODY, details, flag)

    def _count_host_timeout(self) -> None:
        if self._attempt is not None and self._attempt.host is not None:
            self._attempt.host.rq_timeout += 1
            if self._attempt.host.monitor is not None:
                self._attempt.host.monitor.on_timeout()
