"""The DNS fields of a Cluster → snapshot.cluster.DnsSettings."""

from __future__ import annotations

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile import fields
from dataplane.compile.support import supports
from dataplane.compile.units import seconds, seconds_or
from dataplane.snapshot.cluster import DnsSettings

supports(
    ClusterMessage,
    "dns_refresh_rate",
    "dns_failure_refresh_rate",
    "respect_dns_ttl",
    "dns_lookup_family",
    "dns_resolvers",
)
supports(ClusterMessage.RefreshRate, "base_interval", "max_interval")

_REFRESH_RATE: Final = 5.0
_FAMILIES: Final = {number: name for name, number in ClusterMessage.DnsLookupFamily.items()}


def compile_dns_settings(message: ClusterMessage, at: FieldPath) -> DnsSettings:
    family = _FAMILIES.get(message.dns_lookup_family)
    if family is None:
        raise ConfigError(at / "dns_lookup_family", f"undefined value {message.dns_lookup_family}")
    base, most = _failure_rate(message, at / "dns_failure_refresh_rate")
    return DnsSettings(
        refresh_rate=seconds_or(message, "dns_refresh_rate", _REFRESH_RATE, at),
        failure_refresh_base=base,
        failure_refresh_max=most,
        respect_ttl=message.respect_dns_ttl,
        lookup_family=family,
        resolvers=tuple(
            fields.address(resolver, at / "dns_resolvers" / index) for index, resolver in enumerate(message.dns_resolvers)
        ),
    )


def _failure_rate(message: ClusterMessage, at: FieldPath) -> tuple[float | None, float | None]:
    if not message.HasField("dns_failure_refresh_rate"):
        return None, None
    rate = message.dns_failure_refresh_rate
    base = seconds(rate.base_interval, at / "base_interval")
    most = seconds_or(rate, "max_interval", base * 10, at)
    if most < base:
        raise ConfigError(at, "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval")
    return base, most
