"""What is asked of management servers because accepted resources refer to it.

Here: a subscription for each type and source, changed when the names do.  Not here: which names these are (wanted), the wildcards that the
bootstrap names (assembly), protocols (xds.client).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.server.wanted import Wanted, endpoints_of, routes_of, secrets_of
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

if TYPE_CHECKING:
    from dataplane.observe.stats import Gauge, Scope, StatsStore
    from dataplane.server.resources import Discovered, Static
    from dataplane.server.sources import Sources
    from dataplane.snapshot.cluster import Cluster
    from dataplane.snapshot.listener import Listener
    from dataplane.xds.client import XdsClient
    from dataplane.xds.source import Source

log = logging.getLogger("config")


class Subscriptions:
    """Lives in one event loop.  discovered: what is no longer asked for is taken out of it."""

    def __init__(self, static: Static, discovered: Discovered, sources: Sources, stats: StatsStore) -> None:
        self._static = static
        self._discovered = discovered
        self._sources = sources
        self._stats = stats
        self._client: XdsClient | None = None
        self._subscribed: dict[str, set[Source]] = {}
        self._prefixes: dict[str, dict[str, str]] = {}  # of statistics, by type and name
        self._scope_gauges: list[Gauge] = []  # what is used of SRDS; a scope that waits is not counted

    def begin(self, client: XdsClient) -> None:
        """From here on the methods below ask there; before, nobody is there to ask."""
        self._client = client

    def asks_for(self, type_url: str) -> bool:
        return bool(self._subscribed.get(type_url))

    def show_scopes(self, count: int) -> None:
        """How many are in use."""
        for gauge in self._scope_gauges:
            gauge.set(count)

    # -- names that follow ---------------------------------------------------------------------------------------------

    def follow(self, type_url: str) -> None:
        """Resources of that type have changed."""
        if type_url == CLUSTER:
            self.follow_endpoints()
            self.follow_secrets()
        elif type_url == SCOPED_ROUTE:
            self.follow_routes()
        elif type_url == LISTENER:
            self.follow_scopes()
            self.follow_routes()
            self.follow_secrets()

    def follow_endpoints(self) -> None:
        self._subscribe(ENDPOINT, endpoints_of(self._clusters()))

    def follow_routes(self) -> None:
        scopes = self._discovered.resources[SCOPED_ROUTE].values()
        self._subscribe(ROUTE, routes_of(self._listeners(), (scope.value.route_configuration_name for scope in scopes)))

    def follow_secrets(self) -> None:
        self._subscribe(SECRET, secrets_of([*self._clusters(), *self._listeners()]))

    def follow_scopes(self) -> None:
        """Ask for all scopes, wherever a listener that is known takes them from."""
        wanted: dict[Source, tuple[str, float]] = {}
        for listener in self._listeners():
            for srds in listener.srds_sources:
                with _telling_errors(SCOPED_ROUTE):
                    source = self._sources.source(srds.source, FieldPath("config_source"))
                    wanted[source] = (f"http.{srds.stat_prefix}.scoped_rds.{srds.name}.", srds.source.initial_fetch_timeout)
        self._subscribe_all(SCOPED_ROUTE, wanted)

    def _clusters(self) -> list[Cluster]:
        known = self._discovered.resources[CLUSTER]
        return [resource.value for resource in (*known.values(), *self._static.clusters.values())]

    def _listeners(self) -> list[Listener]:
        known = self._discovered.resources[LISTENER]
        return [resource.value for resource in (*known.values(), *self._static.listeners.values())]

    # -- asking --------------------------------------------------------------------------------------------------------

    def _subscribe(self, type_url: str, wanted: Wanted) -> None:
        """What is known of names that are not wanted is taken off, and their statistics; those of endpoints are their cluster's."""
        client, before = self._client, self._prefixes.get(type_url, {})
        if client is None:
            return
        known = self._subscribed.setdefault(type_url, set())
        by_source = self._by_source(type_url, wanted, known)
        every = {name for names in by_source.values() for name in names}
        self._discovered.forget_others(type_url, every)
        prefixes = self._prefixes[type_url] = {name: prefix for name, prefix in wanted.prefixes.items() if name in every}

        def scope_of(name: str) -> Scope:
            return self._stats.scope(self._prefixes[type_url].get(name, f"{type_url}.{name}."))

        for source, timeouts in by_source.items():
            if source in known:
                client.set_names(type_url, source, timeouts)
                continue
            with _telling_errors(type_url):
                client.subscribe(type_url, source, timeouts, scope_of)
                known.add(source)
        if type_url != ENDPOINT:
            for name in before.keys() - prefixes.keys():
                self._stats.scope(before[name]).drop()

    def _by_source(self, type_url: str, wanted: Wanted, known: set[Source]) -> dict[Source, dict[str, float]]:
        """The names to ask for with their timeouts; none of a source that is asked no more.

        Config sources that differ in their timeout alone are one source: a stream carries a type once.
        """
        by_source: dict[Source, dict[str, float]] = {source: {} for source in known}
        for config_source, names in wanted.names.items():
            with _telling_errors(type_url):
                source = self._sources.source(config_source, FieldPath("config_source"))
                by_source.setdefault(source, {}).update(dict.fromkeys(names, config_source.initial_fetch_timeout))
        return by_source

    def _subscribe_all(self, type_url: str, wanted: Mapping[Source, tuple[str, float]]) -> None:
        """The wildcard of a type at each source, with the prefix of its statistics and its timeout."""
        client, known = self._client, self._subscribed.setdefault(type_url, set())
        if client is None:
            return
        for source in known - wanted.keys():
            client.set_names(type_url, source, ())
        if known and not wanted:
            self._discovered.forget_others(type_url, ())
            self._discovered.settled[type_url].clear()
        for source, (prefix, timeout) in wanted.items():
            if source in known:
                client.set_names(type_url, source, WILDCARD)
                continue
            scope = self._stats.scope(prefix)
            self._scope_gauges += [scope.gauge("all_scopes"), scope.gauge("active_scopes")]
            with _telling_errors(type_url):
                client.subscribe(type_url, source, WILDCARD, lambda name, scope=scope: scope, timeout)  # type: ignore[misc]  # bound early
                known.add(source)


@contextmanager
def _telling_errors(type_url: str) -> Iterator[None]:
    """A source that cannot be used costs what it would have brought."""
    try:
        yield
    except ConfigError as error:
        log.error("%s: %s", type_url, error)
