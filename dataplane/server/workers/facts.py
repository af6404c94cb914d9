"""`/clusters` over all workers: the same clusters and hosts, with what each worker counted added up.

Not here: the page (admin.handlers.clusters), asking the workers (fleet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dataplane.upstream.facts import ClusterFacts, HostFacts

_HEALTHY = "healthy"


def merged_clusters(own: Sequence[ClusterFacts], workers: Iterable[Sequence[ClusterFacts]]) -> list[ClusterFacts]:
    """own: as the main process has them, with the results of checks and DNS.  What it does not have is left out."""
    told = [{cluster.name: cluster for cluster in clusters} for clusters in workers]
    return [_cluster(each, [clusters[each.name] for clusters in told if each.name in clusters]) for each in own]


def _cluster(own: ClusterFacts, told: Sequence[ClusterFacts]) -> ClusterFacts:
    by_address = [{host.address: host for host in cluster.hosts} for cluster in told]
    return replace(
        own,
        hosts=[_host(host, [hosts[host.address] for hosts in by_address if host.address in hosts]) for host in own.hosts],
    )


def _host(own: HostFacts, told: Sequence[HostFacts]) -> HostFacts:
    every = (own, *told)
    rates = [host.success_rate for host in told if host.success_rate >= 0]
    local_rates = [host.local_origin_success_rate for host in told if host.local_origin_success_rate >= 0]
    return replace(
        own,
        counters=_sums([host.counters for host in every]),
        gauges=_sums([host.gauges for host in every]),
        health_flags=_flags([host.health_flags for host in every]),
        success_rate=_mean(rates),
        local_origin_success_rate=_mean(local_rates),
    )


def _sums(numbers: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(each.get(name, 0) for each in numbers) for name in numbers[0]}


def _flags(texts: Sequence[str]) -> str:
    """Every flag that somebody has: a host that one worker has ejected is shown as such."""
    flags = dict.fromkeys(flag for text in texts if text != _HEALTHY for flag in text.split("/") if flag)
    return "".join(f"/{flag}" for flag in flags) or _HEALTHY


def _mean(rates: Sequence[float]) -> float:
    return sum(rates) / len(rates) if rates else -1.0
