"""From a generation in the main process to facts on the board.

Here: which resources a generation is made of, as bytes; findings about hosts.  Not here: who is told when (fleet).
Only what differs from the generation before is put: an update of one cluster among ten thousand is one fact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from dataplane.api.network_filter import CountingFilter, count_name
from dataplane.server.workers.board import GENERATION, Board, Key, ResourceFact
from dataplane.server.workers.shared_counts import Allotment, of_cluster, of_filter, of_listener
from dataplane.server.workers.shared_failures import FailureBlocks
from dataplane.snapshot.diff import diff
from dataplane.snapshot.listener import chains_of
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.base.failures import Failures
    from dataplane.server.resources import InUse
    from dataplane.snapshot.snapshot import Snapshot
    from dataplane.upstream.findings import Answers, Results


class Publisher:
    """Implements configuration.Follower.  allotment: of counts.  findings: of the same board.  on_change: something is on it."""

    def __init__(self, board: Board, allotment: Allotment, findings: FindingsPublisher, on_change: Callable[[], None]) -> None:
        self._board = board
        self._allotment = allotment
        self._findings = findings
        self._on_change = on_change

    def follow(self, previous: Snapshot, current: Snapshot, in_use: InUse) -> None:
        for type_url, before, after in (
            (SECRET, previous.secrets, current.secrets),
            (CLUSTER, previous.clusters, current.clusters),
            (ENDPOINT, previous.assignments, current.assignments),
            (ROUTE, previous.route_configurations, current.route_configurations),
            (SCOPED_ROUTE, previous.scopes, current.scopes),
            (LISTENER, previous.listeners, current.listeners),
        ):
            self._put(type_url, before, after, in_use)
        for name in previous.clusters.keys() - current.clusters.keys():
            self._findings.forget(name)
        self._allot({of_cluster(name) for name in previous.clusters}, {of_cluster(name) for name in current.clusters})
        self._allot(_filters(previous), _filters(current))
        self._allot(_listeners(previous), _listeners(current))
        self._board.put(Key(GENERATION), current.generation)
        self._on_change()

    def _allot(self, before: set[str], after: set[str]) -> None:
        """Every cluster has counts, and every filter that keeps to a number.  Their names, as shared_counts has them."""
        for name in before - after:
            self._allotment.free(name)
            self._board.drop(Key("counts", name))
        for name in after - before:
            block = self._allotment.block(name)
            if block is not None:
                self._board.put(Key("counts", name), block)

    def _put(self, type_url: str, before: Mapping[str, Any], after: Mapping[str, Any], in_use: InUse) -> None:
        changes = diff(before, after)
        for name in (*changes.added, *changes.changed):
            resource = in_use[type_url][name]
            self._board.put(Key("resource", name, type_url), ResourceFact(resource.body, resource.added_via_api))
        for name in changes.removed:
            self._board.drop(Key("resource", name, type_url))


def _listeners(snapshot: Snapshot) -> set[str]:
    """Names of the counts of listeners whose connections are to be spread evenly, or limited."""
    return {
        of_listener(name)
        for name, listener in snapshot.listeners.items()
        if listener.exact_balance or listener.connection_limit is not None
    }


def _filters(snapshot: Snapshot) -> set[str]:
    """Names of the counts of all network filters that count."""
    return {
        of_filter(count_name(listener, chain, each))
        for listener in snapshot.listeners.values()
        for chain in chains_of(listener)
        for each in chain.network_filters
        if isinstance(each, CountingFilter)
    }


class FindingsPublisher:
    """Implements upstream.findings.FindingsSink.  failures: which cells are whose.  had_traffic: told by the workers' stats."""

    def __init__(
        self, board: Board, failures: FailureBlocks, on_change: Callable[[], None], had_traffic: Callable[[str], bool]
    ) -> None:
        self._board = board
        self._failures = failures
        self._on_change = on_change
        self._had_traffic = had_traffic

    def names(self, cluster: str, answers: Answers) -> None:
        self._put(Key("names", cluster), dict(answers))

    def checks(self, cluster: str, results: Results) -> None:
        self._put(Key("checks", cluster), dict(results))

    def ejections(self, cluster: str, ejected: frozenset[Address]) -> None:
        self._put(Key("ejections", cluster), ejected)

    def failures(self, cluster: str, hosts: Collection[Address]) -> Mapping[Address, Failures]:
        blocks = self._failures.follow(cluster, hosts)
        key = Key("failures", cluster)
        if blocks:
            self._put(key, blocks)
        elif key in self._board.facts:
            self._board.drop(key)
            self._on_change()
        return {host: self._failures.table.failures(block) for host, block in blocks.items()}

    def had_traffic(self, stat_name: str) -> bool:
        return self._had_traffic(stat_name)

    def forget(self, cluster: str) -> None:
        """There is no such cluster any more."""
        for key in (Key("names", cluster), Key("checks", cluster), Key("ejections", cluster)):
            self._board.drop(key)
        self.failures(cluster, ())

    def _put(self, key: Key, fact: object) -> None:
        if self._board.facts.get(key) != fact:
            self._board.put(key, fact)
            self._on_change()
