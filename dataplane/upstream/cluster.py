"""A live cluster: its hosts, their pools, its balancer, its breakers and stats.

Here: what survives a change of configuration and what is made anew.  Not here: where endpoints come from (cluster_manager, dns_discovery),
how a host is chosen (balancing), connections (pool_h1).
A request costs one call of the balancer's picker and one of the pool; everything else happens when something changed.
Envoy: ClusterEntry, ClusterInfoImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dataplane.api.upstream import NoHealthyHost
from dataplane.balancing.balancer import pick_nothing
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.spelt_heads import response_heads
from dataplane.snapshot.cluster import DiscoveryType
from dataplane.snapshot.introduced_socket import IntroducedSocket
from dataplane.snapshot.passing_socket import PassingSocket
from dataplane.upstream import membership
from dataplane.upstream.auto_names import NO_NAMES, Names, forget_unused, names_of
from dataplane.upstream.balancers import Balancers, asks_requests
from dataplane.upstream.cluster_breakers import configure_breakers, make_breakers, thresholds_now
from dataplane.upstream.cluster_stats import ClusterStats
from dataplane.upstream.connector import SocketConnector
from dataplane.upstream.facts import ClusterFacts
from dataplane.upstream.host import SLOTS
from dataplane.upstream.host_health import HostHealth, is_leaving
from dataplane.upstream.introduction import IntroducingConnector
from dataplane.upstream.original_dst import OriginalDestinations
from dataplane.upstream.pool_settings import DEFAULT_IDLE_TIMEOUT, PoolSettings
from dataplane.upstream.pool_tcp import TcpPool
from dataplane.upstream.pools import ALPN, AS_DOWNSTREAM, FIRST_SLOTS, http2_settings, make_pool, pools_of
from dataplane.upstream.selection import pick_wanted
from dataplane.upstream.tls_dial import SecureConnector, socket_of

if TYPE_CHECKING:
    from dataplane.api.tcp_upstream import PendingTcp, TcpReceiver
    from dataplane.api.transport_socket import UpstreamTransportSocket
    from dataplane.api.upstream import BalancingContext, Pending, RoutedReceiver
    from dataplane.balancing.by_priority import ByPriority
    from dataplane.balancing.policies import Picker
    from dataplane.base.address import Address
    from dataplane.resilience.circuit import Breakers
    from dataplane.snapshot.cluster import Cluster, LoadAssignment
    from dataplane.upstream.connector import Connector
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.outlier_reports import OutlierReport
    from dataplane.upstream.pools import Pool
    from dataplane.upstream.runtime import UpstreamRuntime

_NOTHING: Mapping[str, object] = {}


class UpstreamCluster:
    """A cluster as the router and tcp_proxy see it.

    drop_overload: the share of requests that its endpoints want dropped, 0..1; rq_drop_overload: how many were; rq_dropped: these, and those
    that its breakers left no room for.  max_stream_duration: seconds that an exchange with one of its hosts may take; 0: any.
    policies: in the place of those of routes; None: there are none.  wants_context: it chooses by what the context says.
    """

    __slots__ = (
        "_assignment",
        "_balancers",
        "_breakers",
        "_by_priority",
        "_draining",
        "_first_slot",
        "_health",
        "_is_named",
        "_members",
        "_on_retired",
        "_original",
        "_pick",
        "_rebuilding",
        "_runtime",
        "_settings",
        "_tcp",
        "config",
        "drop_overload",
        "max_stream_duration",
        "name",
        "policies",
        "retired",
        "rq_drop_overload",
        "rq_dropped",
        "stat_name",
        "stats",
        "wants_context",
    )

    def __init__(self, config: Cluster, runtime: UpstreamRuntime) -> None:
        self.config = config
        self.name = config.name
        self.stat_name = config.stat_name
        self.max_stream_duration = config.http.max_stream_duration or 0.0
        self.policies = config.http_policies
        self.drop_overload = 0.0
        self.rq_dropped = self.rq_drop_overload = 0
        self._runtime = runtime
        self.stats = ClusterStats(runtime.stats.scope(f"cluster.{config.stat_name}."))
        self._balancers = Balancers(self.stats, runtime.chance)
        self._breakers = make_breakers(config, self.stats.scope, runtime.shared)
        self._settings = self._make_settings(config)
        self._members = membership.NOBODY
        self._pick: Picker[UpstreamHost] = pick_nothing
        self._draining: set[Pool] = set()
        self._first_slot = FIRST_SLOTS[config.http.protocol]
        self._is_named = _has_named_pools(config)
        self._on_retired: Callable[[UpstreamCluster], None] | None = None
        self._tcp = TcpPool(self.stats.connection, self._breakers[0])
        self.retired = False
        self._assignment: LoadAssignment | None = None
        self._rebuilding = False
        self._by_priority: ByPriority[UpstreamHost] | None = None  # made when a request asks, and anew after each change
        self._original = self._make_original(config)
        self.wants_context = self._original is not None or asks_requests(config)
        self._show_membership()
        self._health = HostHealth(runtime, self.stats, self._connector_for, self._rebuild_soon, self._drain_pools)
        self._health.configure(config, ())

    # ---- requests

    def open_stream(self, receiver: RoutedReceiver, context: BalancingContext | None, priority: int) -> Pending | None:
        """Choose a host and ask its pool for a stream.

        priority: routing priority, 0 default or 1 high.  Returns None when a callback was already made (ready or failed), else a handle.
        No healthy host: `on_pool_failure` is not called; `NoHealthyHost` is raised.
        """
        host = self._pick(None) if context is None else pick_wanted(context, self._pick, self._single_priorities)
        if host is None:
            self.stats.connection.cx_none_healthy.inc()
            raise NoHealthyHost
        first = self._first_slot
        if first == AS_DOWNSTREAM:
            first = FIRST_SLOTS["HTTP/2" if receiver.downstream_protocol == "HTTP/2" else "HTTP/1.1"]
        slot = first + priority
        if self._is_named:
            return self._named_pool(host, slot, priority, receiver).new_stream(receiver)
        pool = host.pools[slot]
        if pool is None:
            pool = host.pools[slot] = self._make_pool(host, slot, priority, NO_NAMES)
        return pool.new_stream(receiver)

    def _named_pool(self, host: UpstreamHost, slot: int, priority: int, receiver: RoutedReceiver) -> Pool:
        """The pool for the name that the request asks for."""
        auto_names = self.config.http.auto_names
        names = NO_NAMES if auto_names is None else names_of(auto_names, receiver)
        socket = socket_of(self.config, host)
        if isinstance(socket, IntroducedSocket):
            names = names._replace(introduction=socket.header(receiver.stream_info, host.added_tlvs))
        pool = host.named_pools.get((slot, names))
        if pool is None:
            forget_unused(host)
            pool = host.named_pools[slot, names] = self._make_pool(host, slot, priority, names)
        return pool

    def _make_pool(self, host: UpstreamHost, slot: int, priority: int, names: Names) -> Pool:
        def settings_for(slot: int) -> PoolSettings:
            return self._settings_for(host, slot, names)

        pool = make_pool(host, slot, settings_for, self._breakers[priority], self._on_pool_empty, self._runtime.loop)
        if self.retired:
            self._draining.add(pool)
            pool.draining = True
        return pool

    def open_tcp(self, receiver: TcpReceiver, context: BalancingContext | None = None) -> PendingTcp | None:
        """Choose a host and dial a connection for *receiver* alone.  Results as `open_stream`."""
        host = self._pick(context if self.wants_context else None)
        if host is None:
            self.stats.connection.cx_none_healthy.inc()
            raise NoHealthyHost
        names, socket = NO_NAMES, socket_of(self.config, host)
        if isinstance(socket, IntroducedSocket):
            names = Names(introduction=socket.header(receiver.stream_info, host.added_tlvs))
        return self._tcp.connect(host, self._settings_for(host, None, names), receiver)

    def _single_priorities(self) -> ByPriority[UpstreamHost]:
        if self._by_priority is None:
            self._by_priority = self._balancers.single_priorities(self.config, self._members.sets())
        return self._by_priority

    def breakers(self, priority: int) -> Breakers:
        """The circuit breakers of a routing priority, 0 default or 1 high."""
        return self._breakers[priority]

    # ---- configuration

    def configure(self, config: Cluster) -> None:
        """Take a new configuration over.  Pools stay unless something that connections feel has changed."""
        before, self.config = self.config, config
        self.max_stream_duration = config.http.max_stream_duration or 0.0
        self.policies = config.http_policies
        self.wants_context = self._original is not None or asks_requests(config)
        if self._original is not None and config.original_dst is not None:
            self._original.configure(config.original_dst)
        configure_breakers(self._breakers, config)
        if _connection_part(before) != _connection_part(config):
            self._settings = self._make_settings(config)
            self._first_slot = FIRST_SLOTS[config.http.protocol]
            self._is_named = _has_named_pools(config)
            for host in self._members.hosts.values():
                self._drain_pools(host)
        self._health.configure(config, self._members.hosts.values())
        self._rebuild()

    def assign(self, assignment: LoadAssignment) -> None:
        """Take new endpoints over.  Hosts that go finish what they carry."""
        self._assignment = assignment
        self.drop_overload = assignment.drop_overload
        if self.config.discovery is DiscoveryType.LOGICAL_DNS and self._move_logical_host(assignment):
            return
        change = membership.update(self._members, assignment, self._health.keeps)
        self._members = change.membership
        for host in change.removed:
            self._drain_pools(host)
        if change.changed:
            self.stats.membership.membership_change.inc()
        self._health.follow(self._members.hosts.values())
        self._rebuild()

    def _move_logical_host(self, assignment: LoadAssignment) -> bool:
        """The one host of a LOGICAL_DNS cluster is the name, not the address: new connections go to the new address, old ones stay."""
        endpoints = [endpoint for locality in assignment.localities for endpoint in locality.endpoints]
        if len(endpoints) != 1 or len(self._members.hosts) != 1:
            return False
        (host,) = self._members.hosts.values()
        host.address = endpoints[0].address
        return True

    def _rebuild_soon(self) -> None:
        """The health of some host changed: balance anew, once for all that change now."""
        if not self._rebuilding:
            self._rebuilding = True
            self._runtime.loop.call_soon(self._follow_health)

    def _follow_health(self) -> None:
        self._rebuilding = False
        gone = any(is_leaving(host) and not self._health.keeps(host) for host in self._members.hosts.values())
        if gone and self._assignment is not None:
            self.assign(self._assignment)
        else:
            self._rebuild()

    def _rebuild(self) -> None:
        if self._original is not None:
            self._show_membership()
            return
        self._by_priority = None
        self._pick = self._balancers.picker(self.config, self._members.sets())
        self._show_membership()

    def _show_membership(self) -> None:
        stats, hosts = self.stats.membership, self._members.hosts.values()
        stats.membership_total.set(len(hosts))
        stats.membership_healthy.set(sum(1 for host in hosts if host.is_healthy))
        stats.membership_degraded.set(sum(1 for host in hosts if host.is_degraded))
        stats.membership_excluded.set(sum(1 for host in hosts if host.is_excluded))
        if self.config.discovery is not DiscoveryType.STATIC:
            stats.max_host_weight.set(max((host.weight for host in hosts), default=0))

    def take_outliers(self, report: OutlierReport) -> None:
        """What another process has seen of the hosts."""
        self._health.take_outliers(report)

    # ---- leaving

    def retire(self, on_retired: Callable[[UpstreamCluster], None]) -> None:
        """The configuration names the cluster no more.  Requests that still hold it are served; idle connections close now."""
        self.retired = True
        self._on_retired = on_retired
        if self._original is not None:
            self._original.stop()
        self._health.stop()
        self._tcp.on_empty = self._look_retired
        for host in self._members.hosts.values():
            self._drain_pools(host)
        self._look_retired()

    def close(self) -> None:
        """Break off everything: the process ends."""
        if self._original is not None:
            self._original.stop()
        self._tcp.close()
        self._health.stop()
        pools = {pool for host in self._members.hosts.values() for pool in pools_of(host)}
        for pool in pools | self._draining:
            pool.close()

    def _drain_pools(self, host: UpstreamHost) -> None:
        pools = pools_of(host)
        host.pools, host.named_pools = [None] * SLOTS, {}
        for pool in pools:
            self._draining.add(pool)
            pool.drain()

    def _on_pool_empty(self, pool: Pool) -> None:
        self._draining.discard(pool)
        self._look_retired()

    def _look_retired(self) -> None:
        busy = self._draining or self._tcp.connections
        if self.retired and not busy and self._on_retired is not None:
            self._tcp.on_empty = None  # or we would hold ourselves
            if self._original is not None:
                self._original, self._pick = None, pick_nothing  # the same; Envoy, too, has no host for a retry now
            on_retired, self._on_retired = self._on_retired, None
            on_retired(self)

    # ---- making

    def _make_original(self, config: Cluster) -> OriginalDestinations | None:
        if config.original_dst is None:
            return None
        runtime, invalid = self._runtime, self.stats.membership.original_dst_host_invalid
        original = OriginalDestinations(self.name, config.original_dst, runtime.deadlines, self.assign, self._host_of, invalid)
        self._pick = original.pick
        return original

    def _host_of(self, address: Address) -> UpstreamHost | None:
        return self._members.hosts.get(address)

    def _make_settings(self, config: Cluster) -> PoolSettings:
        http, runtime = config.http, self._runtime
        fields = FieldParser(http.max_headers_count)
        head_limit = http.max_response_headers_kb * 1024
        return PoolSettings(
            connector=self._make_connector(config),
            stats=self.stats.connection,
            heads=response_heads(fields, head_limit, http.http1),
            fields=fields,
            deadlines=runtime.deadlines,
            clock=runtime.loop.time,
            next_connection_id=runtime.next_connection_id,
            max_head_bytes=head_limit,
            idle_timeout=DEFAULT_IDLE_TIMEOUT if http.idle_timeout is None else http.idle_timeout,
            max_connection_duration=http.max_connection_duration or 0.0,
            max_requests_per_connection=http.max_requests_per_connection,
            http1=http.http1,
            http2=http2_settings(config, runtime, self.stats.scope),
            writes=runtime.writes,
            shed=runtime.shed,
        )

    def _make_connector(self, config: Cluster, passed: Mapping[str, object] = _NOTHING) -> SocketConnector:
        runtime, bind_errors = self._runtime, self.stats.connection.bind_errors
        return SocketConnector(runtime.loop, runtime.deadlines, config, bind_errors, runtime.internal, passed)

    def _passing_connector(self, socket: PassingSocket, host: UpstreamHost) -> Connector:
        metadata, missing = socket.metadata(host.metadata, self.config.metadata)
        if missing:
            self.stats.scope.counter("internal_upstream.no_metadata").inc(missing)
        return self._make_connector(self.config, metadata)

    def _settings_for(self, host: UpstreamHost, slot: int | None, names: Names = NO_NAMES) -> PoolSettings:
        """slot: of pools, None for TCP.  Those of the cluster unless the host is reached through more than plain bytes."""
        socket = socket_of(self.config, host)
        if socket is None:
            return self._settings
        runtime = self._runtime
        connector: Connector = self._make_connector(self.config)
        if isinstance(socket, PassingSocket):
            connector = self._passing_connector(socket, host)
            socket = cast("UpstreamTransportSocket | IntroducedSocket | None", socket.socket)
        if isinstance(socket, IntroducedSocket):
            connector = IntroducingConnector(connector, socket.version, names.introduction)
            socket = cast("UpstreamTransportSocket | None", socket.socket)
        if socket is None:
            return replace(self._settings, connector=connector)
        connector = SecureConnector(
            connector,
            runtime.loop,
            socket,
            names.server_name or (host.hostname if socket.auto_host_sni else ""),
            () if slot is None else ALPN[slot],
            runtime.secrets,
            self.stats.scope,
            names.wanted,
        )
        return replace(self._settings, connector=connector)

    def _connector_for(self, host: UpstreamHost) -> Connector:
        """What dials for health checks, which are HTTP/1.1 or TCP."""
        return self._settings_for(host, FIRST_SLOTS["HTTP/1.1"]).connector

    @property
    def speaks_tls(self) -> bool:
        socket = self.config.transport_socket
        while isinstance(socket, PassingSocket | IntroducedSocket):
            socket = socket.socket
        return socket is not None

    # ---- looking

    @property
    def hosts(self) -> Collection[UpstreamHost]:
        return self._members.hosts.values()

    def facts(self) -> ClusterFacts:
        return ClusterFacts(
            name=self.name,
            observability_name=self.config.alt_stat_name or self.name,
            added_via_api=self.config.added_via_api,
            thresholds=thresholds_now(self._breakers, self.config),
            hosts=[host.facts() for host in self._members.hosts.values()],
            eds_service_name=self.config.eds_service_name,
            dropped=self.rq_dropped,
            drop_overload=self.rq_drop_overload,
            drop_category="" if self._assignment is None else self._assignment.drop_category,
            has_localities=self._original is None,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} hosts={len(self._members.hosts)}{' retired' if self.retired else ''}>"


def _has_named_pools(config: Cluster) -> bool:
    """Whether what connections say of themselves depends on the request."""
    sockets = (config.transport_socket, *(match.transport_socket for match in config.transport_socket_matches))
    return config.http.auto_names is not None or any(isinstance(socket, IntroducedSocket) for socket in sockets)


def _connection_part(config: Cluster) -> tuple[object, ...]:
    """What connections are made of."""
    return (
        config.connect_timeout,
        config.http,
        config.per_connection_buffer_limit,
        config.tcp_keepalive,
        config.transport_socket,
        config.transport_socket_matches,
    )
