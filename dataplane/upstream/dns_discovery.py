"""Hosts of a cluster found by DNS: which names to ask for, when to ask again, and what a cluster's endpoints are with the answers.

Here: STRICT_DNS (every address is a host) and LOGICAL_DNS (the first address is the one host's).  Not here: asking (resolver), hosts (cluster).
A name whose name servers fail keeps the addresses it had.  Envoy: StrictDnsClusterImpl, LogicalDnsCluster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import Cluster, DiscoveryType, Endpoint, LoadAssignment, LocalityEndpoints
from dataplane.upstream.findings import Answers
from dataplane.upstream.resolver import DnsAnswer, DnsFailure, Resolver, is_ip

if TYPE_CHECKING:
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.upstream.cluster_stats import MembershipStats

_log = logging.getLogger("dns")


class DnsDiscovery:
    """Keeps the endpoints of one DNS cluster resolved until `stop`.

    on_update: called with the endpoints whenever they changed, and once when every name was answered or failed for the first time.
    on_answers: called before that, for whoever wants to know the addresses.
    """

    def __init__(
        self,
        config: Cluster,
        resolver: Resolver,
        deadlines: DeadlineWheel,
        chance: Callable[[], float],
        stats: MembershipStats,
        on_update: Callable[[LoadAssignment], None],
        on_answers: Callable[[], None] | None = None,
    ) -> None:
        assert config.load_assignment is not None
        self.config = config
        self._deadlines = deadlines
        self._stats = stats
        self._on_update = on_update
        self._on_answers = on_answers
        self.resolved: LoadAssignment | None = None
        self._names = {
            name: _Name(name, config, resolver, deadlines, chance, stats, self._on_answer)
            for name in _names(config.load_assignment)
        }

    def start(self) -> None:
        """Ask for every name.  IP literals need no asking: a cluster of nothing else is resolved when this returns."""
        for name in self._names.values():
            name.start()
        if not self._names:
            self._on_answer()

    def stop(self) -> None:
        for name in self._names.values():
            name.stop()

    def hand_over(self, on_update: Callable[[LoadAssignment], None]) -> None:
        """From now on *on_update* hears of changes; it is told at once what is known."""
        self._on_update = on_update
        if self.resolved is not None:
            on_update(self.resolved)

    def _on_answer(self) -> None:
        resolved = with_addresses(self.config, self.answers)
        if resolved is None:
            return
        if resolved == self.resolved:
            self._stats.update_no_rebuild.inc()
            return
        self.resolved = resolved
        if self._on_answers is not None:
            self._on_answers()
        self._on_update(resolved)

    @property
    def answers(self) -> dict[str, tuple[str, ...]]:
        """The addresses of every name that was answered."""
        return {name: each.answer.addresses for name, each in self._names.items() if each.answer is not None}


def with_addresses(config: Cluster, answers: Answers) -> LoadAssignment | None:
    """The endpoints of a DNS cluster with addresses in place of names; None while a name has no answer."""
    template = config.load_assignment
    assert template is not None
    if any(name not in answers for name in _names(template)):
        return None
    first_only = config.discovery is DiscoveryType.LOGICAL_DNS
    return replace(template, localities=tuple(_resolved(locality, answers, first_only) for locality in template.localities))


def _resolved(locality: LocalityEndpoints, answers: Answers, first_only: bool) -> LocalityEndpoints:
    hosts = (host for endpoint in locality.endpoints for host in _hosts(endpoint, answers, first_only))
    return replace(locality, endpoints=tuple(hosts))


def _hosts(endpoint: Endpoint, answers: Answers, first_only: bool) -> Iterator[Endpoint]:
    if not isinstance(endpoint.address, SocketAddress):
        yield endpoint
        return
    name = endpoint.address.host
    hostname = endpoint.hostname or name
    if name not in answers:  # an address already
        yield replace(endpoint, hostname=hostname)
        return
    addresses = answers[name]
    for address in addresses[:1] if first_only else addresses:
        yield replace(endpoint, address=SocketAddress(address, endpoint.address.port), hostname=hostname)


class _Name:
    """One name: asked, and asked again when its time has come.  answer: the last one, None before the first."""

    def __init__(
        self,
        name: str,
        config: Cluster,
        resolver: Resolver,
        deadlines: DeadlineWheel,
        chance: Callable[[], float],
        stats: MembershipStats,
        on_answer: Callable[[], None],
    ) -> None:
        self.answer: DnsAnswer | None = None
        self._name = name
        self._dns = config.dns
        self._resolver = resolver
        self._deadlines = deadlines
        self._chance = chance
        self._stats = stats
        self._on_answer = on_answer
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._deadline: Deadline | None = None

    def start(self) -> None:
        self._deadline = None
        self._task = asyncio.get_running_loop().create_task(self._ask())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._deadline is not None:
            self._deadline.cancel()

    async def _ask(self) -> None:
        self._stats.update_attempt.inc()
        try:
            answer = await self._resolver.resolve(self._name, self._dns.lookup_family)
        except DnsFailure as failure:
            self._stats.update_failure.inc()
            self._failures += 1
            _log.warning("cannot resolve %s", failure)
            self.answer = self.answer or DnsAnswer(())
        else:
            self._stats.update_success.inc()
            self._failures = 0
            self.answer = answer
        self._deadline = self._deadlines.arm(self._wait(), self.start)
        self._on_answer()

    def _wait(self) -> float:
        """Seconds to the next question."""
        dns = self._dns
        if self._failures and dns.failure_refresh_base is not None:
            longest = dns.failure_refresh_max if dns.failure_refresh_max is not None else dns.failure_refresh_base * 10
            return min(longest, dns.failure_refresh_base * float(1 << min(self._failures - 1, 32)) * self._chance())
        if dns.respect_ttl and not self._failures and self.answer is not None and self.answer.ttl:
            return self.answer.ttl
        return dns.refresh_rate


def _names(template: LoadAssignment) -> list[str]:
    """The names to ask for, each once."""
    hosts = (
        endpoint.address.host
        for locality in template.localities
        for endpoint in locality.endpoints
        if isinstance(endpoint.address, SocketAddress)
    )
    return [host for host in dict.fromkeys(hosts) if not is_ip(host)]
