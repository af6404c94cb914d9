"""What is counted by virtual cluster: requests of one virtual host that are alike, whatever cluster they go to.

Here: the stats, and the counters that count for both.  Not here: which one a request belongs to (routing.table).
Envoy: config.route.v3.VirtualCluster; configuration/http/http_filters/router_filter, "Virtual clusters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.upstream.answer_counters import AnswerCounters

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope


class VirtualClusterStats:
    """`vhost.<virtual host>.vcluster.<name>.`"""

    def __init__(self, scope: Scope) -> None:
        self.answers: Final = AnswerCounters(scope)
        self.rq_total: Final = scope.counter("upstream_rq_total")
        self.rq_timeout: Final = scope.counter("upstream_rq_timeout")
        self.rq_retry: Final = scope.counter("upstream_rq_retry")
        self.rq_retry_limit_exceeded: Final = scope.counter("upstream_rq_retry_limit_exceeded")
        self.rq_retry_overflow: Final = scope.counter("upstream_rq_retry_overflow")
        self.rq_retry_success: Final = scope.counter("upstream_rq_retry_success")


class CountersOfBoth(AnswerCounters):
    """Of a cluster and of a virtual cluster, which keeps no others than the plain ones."""

    __slots__ = ("_of_cluster", "_plain")

    def __init__(self, of_cluster: AnswerCounters, virtual: VirtualClusterStats) -> None:
        super().__init__(of_cluster.scope)
        self._of_cluster = of_cluster
        self.virtual = virtual
        self._plain = virtual.answers

    def count(self, status: int, internal: bool, alt_name: str = "", canary: bool = False) -> None:
        self._of_cluster.count(status, internal, alt_name, canary)
        self._plain.count_plain(status)

    def record_time(self, milliseconds: int, internal: bool, alt_name: str = "", canary: bool = False) -> None:
        self._of_cluster.record_time(milliseconds, internal, alt_name, canary)
        self._plain.record_plain_time(milliseconds)
