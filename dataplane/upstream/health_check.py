"""Active health checks, the sending part: asks every host of a cluster, again and again, and sets its flags.

Here: HTTP/1.1 and TCP checks over connections of their own, which the cluster's stats do not see.  Not here: what a result means
(resilience.health), who is balanced to (balancing).
A new host begins as failed and pending: it gets no traffic and counts neither way, until its first result.
Envoy: HttpHealthCheckerImpl, TcpHealthCheckerImpl; stats cluster.<name>.health_check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from dataplane.balancing.hosts import HealthFlag
from dataplane.base.address import SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.resilience.circuit import Breakers
from dataplane.resilience.health import CheckedHealth, Transition
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import ResponseHeadParser
from dataplane.snapshot.health_check import TcpHealthCheck
from dataplane.upstream.cluster_stats import ConnectionStats
from dataplane.upstream.findings import CheckResult
from dataplane.upstream.health_probe import HttpProbe, Result, TcpProbe
from dataplane.upstream.pool_settings import PoolSettings

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.observe.stats import Scope
    from dataplane.snapshot.health_check import HealthCheck
    from dataplane.upstream.connector import Connector
    from dataplane.upstream.host import UpstreamHost

FAILED: Final = int(HealthFlag.FAILED_ACTIVE_HC)
PENDING: Final = int(HealthFlag.PENDING_ACTIVE_HC)
DEGRADED: Final = int(HealthFlag.DEGRADED_ACTIVE_HC)
TIMEOUT: Final = int(HealthFlag.ACTIVE_HC_TIMEOUT)
EXCLUDED: Final = int(HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL)
ALL_CHECK_FLAGS: Final = FAILED | PENDING | DEGRADED | TIMEOUT | EXCLUDED

_UNLIMITED: Final = 1 << 30


class HealthCheckStats:
    """`cluster.<name>.health_check.`"""

    def __init__(self, scope: Scope) -> None:
        self.attempt: Final = scope.counter("attempt")
        self.success: Final = scope.counter("success")
        self.failure: Final = scope.counter("failure")
        self.network_failure: Final = scope.counter("network_failure")
        self.passive_failure: Final = scope.counter("passive_failure")
        self.verify_cluster: Final = scope.counter("verify_cluster")
        self.healthy: Final = scope.gauge("healthy")
        self.degraded: Final = scope.gauge("degraded")


class HealthChecker:
    """Runs one `HealthCheck` of a cluster.

    connector_for: what dials a host.  had_traffic: whether the cluster ever connected for a request.  on_change: some host's flags changed.
    on_checked: a check ended (host, whether it succeeded, whether the host turned from one to the other).
    """

    def __init__(
        self,
        config: HealthCheck,
        cluster_name: str,
        scope: Scope,
        connector_for: Callable[[UpstreamHost], Connector],
        deadlines: DeadlineWheel,
        clock: Callable[[], float],
        chance: Callable[[], float],
        had_traffic: Callable[[], bool],
        on_change: Callable[[], None],
        on_checked: Callable[[UpstreamHost, bool, bool], None],
    ) -> None:
        self.config = config
        self.cluster_name = cluster_name
        self.stats = HealthCheckStats(scope)
        self.connector_for = connector_for
        self.deadlines = deadlines
        self.chance = chance
        self.had_traffic = had_traffic
        self.on_change = on_change
        self.on_checked = on_checked
        self._clock = clock
        self._sessions: dict[UpstreamHost, _Session] = {}

    def follow(self, hosts: Iterable[UpstreamHost]) -> None:
        """Check these hosts from now on, and no others."""
        wanted = {host for host in hosts if not host.health_check_disabled}
        for host in [host for host in self._sessions if host not in wanted]:
            self._sessions.pop(host).stop()
        for host in wanted:
            if host not in self._sessions:
                host.flags |= FAILED | PENDING
                self._sessions[host] = _Session(self, host)
        self.show()

    def stop(self) -> None:
        """No more checks; what they said is forgotten."""
        for host, session in self._sessions.items():
            session.stop()
            host.flags &= ~ALL_CHECK_FLAGS
        self._sessions.clear()

    def results(self) -> dict[Address, CheckResult]:
        """What is known of every host."""
        return {
            host.address: CheckResult(host.flags & ALL_CHECK_FLAGS, session.successes) for host, session in self._sessions.items()
        }

    def show(self) -> None:
        self.stats.healthy.set(sum(1 for host in self._sessions if not host.flags & FAILED))
        self.stats.degraded.set(sum(1 for host in self._sessions if host.flags & DEGRADED))

    def breakers(self) -> Breakers:
        return Breakers(StatsStore().scope(""), _UNLIMITED, _UNLIMITED, _UNLIMITED, 0)

    def pool_settings(self, connector: Connector) -> PoolSettings:
        """Like a cluster's, but counted where nobody looks."""
        fields = FieldParser()
        return PoolSettings(
            connector=connector,
            stats=ConnectionStats(StatsStore().scope("")),
            heads=ResponseHeadParser(fields),
            fields=fields,
            deadlines=self.deadlines,
            clock=self._clock,
            next_connection_id=count(1).__next__,
            idle_timeout=0.0,
            max_requests_per_connection=0 if self.config.reuse_connection else 1,
        )


class _Session:
    """One host under check: probe, verdict, wait, and again."""

    __slots__ = ("_checker", "_deadline", "_health", "_host", "_probe", "_target", "successes")

    def __init__(self, checker: HealthChecker, host: UpstreamHost) -> None:
        config = checker.config
        self._checker = checker
        self._host = host
        self.successes = 0
        self._health = CheckedHealth(config.healthy_threshold, config.unhealthy_threshold)
        self._target = self._current_target()
        self._probe = self._make_probe()
        self._deadline: Deadline | None = None
        if config.initial_jitter:
            self._deadline = checker.deadlines.arm(config.initial_jitter * checker.chance(), self._check)
        else:
            self._check()

    def _current_target(self) -> tuple[Address, str]:
        """Whom to ask, and by which name: both may change while the host stays."""
        host = self._host
        address, port = host.address, host.health_check_port or self._checker.config.alt_port
        if port and isinstance(address, SocketAddress):
            address = SocketAddress(address.host, port)
        return address, host.health_check_hostname or host.hostname or self._checker.cluster_name

    def _make_probe(self) -> HttpProbe | TcpProbe:
        checker = self._checker
        kind = checker.config.kind
        connector = checker.connector_for(self._host)
        address, name = self._target
        if isinstance(kind, TcpHealthCheck):
            return TcpProbe(kind, address, connector, self._on_result)
        named = kind if kind.host else replace(kind, host=name.encode())
        return HttpProbe(named, address, checker.pool_settings(connector), checker.breakers(), self._on_result)

    def _check(self) -> None:
        target = self._current_target()
        if target != self._target:
            self._probe.stop()
            self._target = target
            self._probe = self._make_probe()
        self._checker.stats.attempt.inc()
        self._deadline = self._checker.deadlines.arm(self._checker.config.timeout, self._on_timeout)
        self._probe.start()

    def _on_timeout(self) -> None:
        self._probe.give_up()
        self._on_result(Result.TIMEOUT)

    def _on_result(self, result: Result, degraded: bool = False) -> None:
        checker, host = self._checker, self._host
        if self._deadline is not None:
            self._deadline.cancel()
        before = host.flags
        host.flags &= ~(PENDING | TIMEOUT | DEGRADED)
        transition = self._judge(result)
        if self._health.failed:
            host.flags |= FAILED
        else:
            host.flags &= ~FAILED
        if degraded:
            host.flags |= DEGRADED
        if result is Result.TIMEOUT and self._health.failed:
            host.flags |= TIMEOUT
        delay = checker.config.intervals.next_delay(result is Result.SUCCESS, transition, checker.had_traffic(), checker.chance())
        self._deadline = checker.deadlines.arm(delay, self._check)
        checker.show()
        checker.on_checked(host, result is Result.SUCCESS, transition is Transition.CHANGED)
        if host.flags != before:
            checker.on_change()

    def _judge(self, result: Result) -> Transition:
        stats = self._checker.stats
        if result is Result.SUCCESS:
            stats.success.inc()
            self.successes += 1
            return self._health.succeeded()
        stats.failure.inc()
        if result in (Result.NETWORK, Result.TIMEOUT):
            stats.network_failure.inc()
        return self._health.did_not(at_once=result is Result.REFUSED)

    def stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._probe.stop()
