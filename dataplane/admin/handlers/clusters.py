"""`/clusters`: live clusters and their hosts, as text or as admin.v3.Clusters."""

from __future__ import annotations

from collections.abc import Iterator

import re2
from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext
from dataplane.admin.handlers.listeners import address_json
from dataplane.snapshot.cluster import HealthStatus
from dataplane.upstream.facts import ClusterFacts, HostFacts

_PRIORITIES = ("default", "high")


def clusters(context: AdminContext, request: web.Request) -> web.Response:
    facts = context.clusters()
    pattern = request.query.get("filter", "")
    if pattern:
        try:
            wanted = re2.compile(pattern)
        except re2.error as error:
            return reply.bad_request(f"Invalid re2 regex: {error}\n")
        facts = [each for each in facts if wanted.search(each.name)]
    if request.query.get("format") == "json":
        return reply.as_json({"cluster_statuses": [_cluster_json(each) for each in facts]} if facts else {})
    return reply.text("".join(f"{line}\n" for each in facts for line in _cluster_lines(each)))


def _cluster_lines(cluster: ClusterFacts) -> Iterator[str]:
    name = cluster.name
    yield f"{name}::observability_name::{cluster.observability_name}"
    for priority, limits in zip(_PRIORITIES, cluster.thresholds, strict=True):
        yield f"{name}::{priority}_priority::max_connections::{limits.max_connections}"
        yield f"{name}::{priority}_priority::max_pending_requests::{limits.max_pending_requests}"
        yield f"{name}::{priority}_priority::max_requests::{limits.max_requests}"
        yield f"{name}::{priority}_priority::max_retries::{limits.max_retries}"
    yield f"{name}::added_via_api::{_bool(cluster.added_via_api)}"
    if cluster.eds_service_name:
        yield f"{name}::eds_service_name::{cluster.eds_service_name}"
    for host in cluster.hosts:
        for key, value in _host_values(host):
            yield f"{name}::{host.address}::{key}::{value}"


def _host_values(host: HostFacts) -> Iterator[tuple[str, object]]:
    yield from sorted({**host.counters, **host.gauges}.items())
    yield "hostname", host.hostname
    yield "health_flags", host.health_flags
    yield "weight", host.weight
    yield "region", host.locality.region
    yield "zone", host.locality.zone
    yield "sub_zone", host.locality.sub_zone
    yield "canary", _bool(host.canary)
    yield "priority", host.priority
    yield "success_rate", f"{host.success_rate:g}"
    yield "local_origin_success_rate", f"{host.local_origin_success_rate:g}"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _cluster_json(cluster: ClusterFacts) -> dict[str, object]:
    status: dict[str, object] = {"name": cluster.name}
    if cluster.added_via_api:
        status["added_via_api"] = True
    status["host_statuses"] = [_host_json(host) for host in cluster.hosts]
    status["circuit_breakers"] = {
        "thresholds": [
            {
                **({"priority": "HIGH"} if index else {}),
                "max_connections": limits.max_connections,
                "max_pending_requests": limits.max_pending_requests,
                "max_requests": limits.max_requests,
                "max_retries": limits.max_retries,
            }
            for index, limits in enumerate(cluster.thresholds)
        ]
    }
    status["observability_name"] = cluster.observability_name
    if cluster.eds_service_name:
        status["eds_service_name"] = cluster.eds_service_name
    return status


def _host_json(host: HostFacts) -> dict[str, object]:
    stats = [_metric(name, value, None) for name, value in sorted(host.counters.items())]
    stats += [_metric(name, value, "GAUGE") for name, value in sorted(host.gauges.items())]
    health: dict[str, object] = {"eds_health_status": _eds_health(host).name}
    for flag in ("failed_active_health_check", "failed_outlier_check"):
        if flag.replace("health_check", "hc") in host.health_flags:
            health[flag] = True
    status: dict[str, object] = {
        "address": address_json(host.address),
        "stats": stats,
        "health_status": health,
        "weight": host.weight,
    }
    if host.hostname:
        status["hostname"] = host.hostname
    if host.priority:
        status["priority"] = host.priority
    locality = {key: getattr(host.locality, key) for key in ("region", "zone", "sub_zone") if getattr(host.locality, key)}
    status["locality"] = locality
    return status


def _eds_health(host: HostFacts) -> HealthStatus:
    """Envoy shows HEALTHY where nothing was said."""
    return HealthStatus.HEALTHY if host.eds_health_status == HealthStatus.UNKNOWN else host.eds_health_status


def _metric(name: str, value: int, kind: str | None) -> dict[str, object]:
    """admin.v3.SimpleMetric: a zero and the default type are left out, 64-bit numbers are strings."""
    return {**({"type": kind} if kind else {}), **({"value": str(value)} if value else {}), "name": name}
