"""Which names follow from accepted resources: whoever has a cluster or a listener wants what these refer to.

Here: collecting them.  Not here: asking for them (subscriptions).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.snapshot.cluster import Cluster
    from dataplane.snapshot.config_source import ConfigSource
    from dataplane.snapshot.listener import Listener


@dataclass(slots=True)
class Wanted:
    """Names of one type, by where they are to come from.  prefixes: of a name's statistics."""

    names: dict[ConfigSource, set[str]] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)

    def add(self, source: ConfigSource, name: str, prefix: str) -> None:
        self.names.setdefault(source, set()).add(name)
        self.prefixes[name] = prefix


def endpoints_of(clusters: Iterable[Cluster]) -> Wanted:
    """Of every cluster that is known, used or not."""
    wanted = Wanted()
    for cluster in clusters:
        if cluster.eds_source is not None:
            wanted.add(cluster.eds_source, cluster.eds_service_name, f"cluster.{cluster.stat_name}.")
    return wanted


def routes_of(listeners: Iterable[Listener], in_scopes: Iterable[str]) -> Wanted:
    """The route configurations that listeners name themselves, and those that scopes name, for listeners with scopes."""
    wanted, names = Wanted(), frozenset(in_scopes)
    for listener in listeners:
        for rds in listener.rds_sources:
            wanted.add(rds.source, rds.route_config_name, f"http.{rds.stat_prefix}.rds.{rds.route_config_name}.")
        for srds in listener.srds_sources:
            wanted.names.setdefault(srds.rds_source, set())  # wanted from before there are scopes
            for name in names:
                wanted.add(srds.rds_source, name, f"http.{srds.stat_prefix}.rds.{name}.")
    return wanted


def secrets_of(holders: Iterable[Cluster | Listener]) -> Wanted:
    """Those that are not static."""
    wanted = Wanted()
    for holder in holders:
        for reference in holder.secret_references:
            if reference.source is not None:
                wanted.add(reference.source, reference.name, f"sds.{reference.name}.")
    return wanted
