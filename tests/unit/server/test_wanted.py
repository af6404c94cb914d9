"""Names that follow from clusters and listeners."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from dataplane.server.wanted import Wanted, endpoints_of, routes_of, secrets_of
from dataplane.snapshot.cluster import Cluster, DiscoveryType
from dataplane.snapshot.config_source import AdsConfigSource, ConfigSource, PathConfigSource
from dataplane.snapshot.listener import RdsSource, SrdsSource
from dataplane.snapshot.secret import SecretReference

ADS = ConfigSource(AdsConfigSource())
FILE = ConfigSource(PathConfigSource("/routes", ""))


def listener(*sources: RdsSource | SrdsSource) -> Any:
    return SimpleNamespace(
        rds_sources=[each for each in sources if isinstance(each, RdsSource)],
        srds_sources=[each for each in sources if isinstance(each, SrdsSource)],
    )


def test_endpoints_of_clusters_that_discover_them() -> None:
    eds = Cluster("a", DiscoveryType.EDS, alt_stat_name="shown", eds_service_name="service", eds_source=ADS)
    clusters = [eds, replace(eds, name="b", alt_stat_name="", eds_service_name="b"), Cluster("c", DiscoveryType.STATIC)]
    assert endpoints_of(clusters) == Wanted({ADS: {"service", "b"}}, {"service": "cluster.shown.", "b": "cluster.b."})


def test_routes_that_listeners_name() -> None:
    listeners = [listener(RdsSource("r", ADS, "in"), RdsSource("s", FILE, "in")), listener(RdsSource("r", ADS, "in"))]
    assert routes_of(listeners, ["unused"]) == Wanted({ADS: {"r"}, FILE: {"s"}}, {"r": "http.in.rds.r.", "s": "http.in.rds.s."})


def test_routes_that_scopes_name_for_listeners_with_scopes() -> None:
    listeners = [listener(SrdsSource("scoped", FILE, ADS, "in"))]
    assert routes_of(listeners, iter(["r"])) == Wanted({ADS: {"r"}}, {"r": "http.in.rds.r."})
    assert routes_of(listeners, ()) == Wanted({ADS: set()}, {})


def test_secrets_that_are_not_static() -> None:
    references = frozenset({SecretReference("key", ADS), SecretReference("own", None)})
    holder = Cluster("a", DiscoveryType.STATIC, secret_references=references)
    assert secrets_of([holder]) == Wanted({ADS: {"key"}}, {"key": "sds.key."})
