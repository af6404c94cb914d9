"""The retries of one request: asks the policy, counts what is left, holds a place in the circuit breaker.

Here: the live state around resilience.retry's decisions.  Not here: sending again (router.router).
Envoy: RetryStateImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from random import random
from time import time
from typing import TYPE_CHECKING, Final

from dataplane.resilience.retry_priority import PreviousPriorities

if TYPE_CHECKING:
    from dataplane.api.upstream import LiveCluster, LiveHost
    from dataplane.resilience.circuit import Resource
    from dataplane.resilience.retry import RetryPolicy
    from dataplane.router.failures import Failure
    from dataplane.router.virtual_clusters import VirtualClusterStats
    from dataplane.semantics.header_map import ResponseHeaders
    from dataplane.upstream.cluster_stats import RequestStats


class Verdict(Enum):
    """NO: nothing asks for it.  EXHAUSTED: the policy's number is used up (URX).  OVERFLOW: the breaker is full (UO)."""

    NO = 0
    RETRY = 1
    EXHAUSTED = 2
    OVERFLOW = 3


NO: Final = Verdict.NO
RETRY: Final = Verdict.RETRY
EXHAUSTED: Final = Verdict.EXHAUSTED
OVERFLOW: Final = Verdict.OVERFLOW

# Envoy adds up to half of what the upstream asked for, so that the crowd does not come back at once.
_RATE_LIMIT_JITTER: Final = 0.5


class Retries:
    """delay: seconds to wait before the next try, after a verdict of RETRY."""

    __slots__ = ("_cluster", "_done", "_holds", "_left", "_priorities", "_priority", "_tried", "_virtual", "delay", "policy")

    def __init__(
        self, policy: RetryPolicy, cluster: LiveCluster, priority: int, virtual: VirtualClusterStats | None = None
    ) -> None:
        """virtual: what else counts the retries."""
        self._virtual = virtual
        self.policy = policy
        self.delay = 0.0
        self._tried: list[LiveHost] = []
        self._priorities: PreviousPriorities | None = None
        self._left = policy.num_retries
        self._done = 0
        self._holds = False
        self._cluster = cluster
        self._priority = priority

    def accept(self) -> None:
        """The answer is one that the policy does not ask to try again."""
        if self._holds:
            for stats in self._stats:
                stats.rq_retry_success.inc()
            self.release()

    def after_response(self, response: ResponseHeaders) -> Verdict:
        verdict = self._decide(self.policy.after_response(response))
        if verdict is RETRY:
            self._set_delay(response)
        return verdict

    def after_failure(self, failure: Failure, sent: bool) -> Verdict:
        wanted = not failure.overflow and self.policy.after_reset(
            connect_failure=failure.connect_failure, refused_stream=failure.refused, request_sent=sent
        )
        verdict = self._decide(wanted)
        if verdict is RETRY:
            self._set_delay(None)
        return verdict

    # Where the next try goes: a first try goes anywhere

    def on_tried(self, host: LiveHost) -> None:
        self._tried.append(host)
        if self.policy.priority_update_frequency:
            if self._priorities is None:
                self._priorities = PreviousPriorities(self.policy.priority_update_frequency)
            self._priorities.on_tried(host.priority)

    @property
    def is_choosy(self) -> bool:
        """Whether the next try wants to be asked where it goes."""
        return bool(self._tried) and self.policy.is_choosy

    @property
    def selection_attempts(self) -> int:
        return self.policy.host_selection_attempts if self._tried else 0

    def avoids(self, host: LiveHost) -> bool:
        if self.policy.avoid_previous_hosts and host in self._tried:
            return True
        return any(avoids(host) for avoids in self.policy.avoids)

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> Sequence[int] | None:
        return None if self._priorities is None else self._priorities.loads(availability())

    def release(self) -> None:
        """Give the place in the breaker back."""
        if self._holds:
            self._holds = False
            self._breaker.dec()

    @property
    def _breaker(self) -> Resource:
        return self._cluster.breakers(self._priority).retries

    def _decide(self, wanted: bool) -> Verdict:
        if not wanted:
            self.accept()
            return NO
        self.release()
        if not self._left:
            for stats in self._stats:
                stats.rq_retry_limit_exceeded.inc()
            return EXHAUSTED
        self._left -= 1
        if not self._cluster.breakers(self._priority).may_retry():
            for stats in self._stats:
                stats.rq_retry_overflow.inc()
            return OVERFLOW
        self._breaker.inc()
        self._holds = True
        self._done += 1
        for stats in self._stats:
            stats.rq_retry.inc()
        return RETRY

    @property
    def _stats(self) -> tuple[RequestStats | VirtualClusterStats, ...]:
        stats = self._cluster.stats.request
        return (stats,) if self._virtual is None else (stats, self._virtual)

    def _set_delay(self, response: ResponseHeaders | None) -> None:
        rate_limited = self.policy.rate_limited
        asked = rate_limited.delay(response, time()) if rate_limited is not None and response is not None else None
        if asked is not None:
            self._cluster.stats.request.rq_retry_backoff_ratelimited.inc()
            self.delay = asked * (1 + random() * _RATE_LIMIT_JITTER)
        else:
            self._cluster.stats.request.rq_retry_backoff_exponential.inc()
            self.delay = self.policy.delay(self._done, random())
