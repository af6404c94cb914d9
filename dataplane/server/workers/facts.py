"""`/clusters` over all workers: the same clusters and hosts, with what each worker counted added up.

Not here: the page (admin.handlers.clusters), asking the workers (fleet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dataplane.base.address import Address
from dataplane.upstream.facts import ClusterFacts, HostFacts

_HEALTHY = "healthy"


def merged_clusters(own: Sequence[ClusterFacts], workers: Iterable[Sequence[ClusterFacts]]) -> list[ClusterFacts]:
    """own: as the main process has them, with the results of checks and DNS.  What it does not have is left out."""
    told = [{cluster.name: cluster for cluster in clusters} for clusters in workers]
    return [_cluster(each, [clusters[each.name] for clusters in told if each.name in clusters]) for each in own]


def _cluster(own: ClusterFacts, told: Sequence[ClusterFacts]) -> ClusterFacts:
    """Hosts of the main process first, then those that only workers have met (of an ORIGINAL_DST cluster)."""
    by_address: dict[Address, list[HostFacts]] = {}
    for cluster in (own, *told):
        for host in cluster.hosts:
            by_address.setdefault(host.address, []).append(host)
    return replace(
        own,
        hosts=[_host(*each) for each in by_address.values()],
        dropped=sum(each.dropped for each in (own, *told)),
        drop_overload=sum(each.drop_overload for each in (own, *told)),
    )


def _host(*every: HostFacts) -> HostFacts:
    own, told = every[0], every
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
