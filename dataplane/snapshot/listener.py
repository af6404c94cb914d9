"""Compiled listeners.  Envoy: config.listener.v3.Listener, FilterChain.

Here: what was configured.  Not here: sockets and connections (listener).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dataplane.base.address import Address
from dataplane.snapshot.config_source import ConfigSource
from dataplane.snapshot.secret import SecretReference
from dataplane.snapshot.socket_option import SocketOption

if TYPE_CHECKING:
    from dataplane.api.access_logger import AccessLogger
    from dataplane.api.network_filter import NetworkFilterFactory
    from dataplane.routing.filter_chain_match import FilterChainIndex, NamedChains

_EMPTY: Mapping[str, object] = MappingProxyType({})

MODIFY_ONLY: Final = 1
"""Of Listener.DrainType: a health check that is made to fail drains nothing."""


@dataclass(frozen=True, slots=True)
class FilterChain:
    """One chain.  `network_filters[-1]` is terminal.  match: routing.filter_chain_match value; None matches everything."""

    name: str
    network_filters: tuple[NetworkFilterFactory, ...]
    match: object | None = None
    transport_socket: object | None = None  # api.transport_socket.DownstreamTransportSocket; None: raw buffer
    transport_socket_connect_timeout: float = 0.0
    key: bytes = b""  # the serialized proto
    meaning: Hashable = None  # compile.meaning; None: the key says it all

    @property
    def identity(self) -> Hashable:
        """While it stays equal, live connections need not be drained."""
        return self.key if self.meaning is None else self.meaning


@dataclass(frozen=True, slots=True)
class RdsSource:
    """An HTTP connection manager's wish for a route configuration.  stat_prefix: of that manager."""

    route_config_name: str
    source: ConfigSource
    stat_prefix: str


@dataclass(frozen=True, slots=True)
class SrdsSource:
    """An HTTP connection manager's wish for scopes.  rds_source: of the route configurations that they name.  name: of its scoped routes."""

    name: str
    source: ConfigSource
    rds_source: ConfigSource
    stat_prefix: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A compiled `Listener`."""

    name: str
    address: Address
    filter_chains: tuple[FilterChain, ...]
    default_filter_chain: FilterChain | None = None
    additional_addresses: tuple[Address, ...] = ()
    listener_filters: tuple[object, ...] = ()
    listener_filters_timeout: float = 15.0
    continue_on_listener_filters_timeout: bool = False
    stat_prefix: str = ""  # "" means the address
    per_connection_buffer_limit: int = 1 << 20
    bind_to_port: bool = True
    use_original_dst: bool = False
    exact_balance: bool = False  # whoever has the fewest connections accepts the next
    reuse_port: bool = True
    freebind: bool = False
    transparent: bool = False
    tcp_backlog_size: int = 0  # 0: the system's maximum
    tcp_fast_open_queue_length: int | None = None
    socket_options: tuple[SocketOption, ...] = ()
    additional_socket_options: tuple[tuple[Address, tuple[SocketOption, ...]], ...] = ()  # of addresses that have their own
    max_connections_to_accept_per_socket_event: int | None = None
    traffic_direction: int = 0  # enum TrafficDirection
    drain_type: int = 0  # enum DrainType: DEFAULT (0) or MODIFY_ONLY
    ignore_global_conn_limit: bool = False
    bypass_overload_manager: bool = False
    connection_limit: int | None = None  # of the runtime; None: none
    access_log: tuple[AccessLogger, ...] = ()
    rds_names: frozenset[str] = frozenset()  # route configurations that its connection managers take from RDS
    rds_sources: tuple[RdsSource, ...] = ()  # the same, with where to ask
    srds_sources: tuple[SrdsSource, ...] = ()  # where its connection managers take scopes from
    cluster_names: frozenset[str] = frozenset()  # clusters that inline routes and TCP proxies name
    metadata: Mapping[str, object] = field(default_factory=lambda: _EMPTY, hash=False)
    added_via_api: bool = False
    api_listener: bool = False
    secret_references: frozenset[SecretReference] = frozenset()  # secrets that its TLS takes from SDS
    filter_chain_index: FilterChainIndex | NamedChains | None = field(default=None, hash=False, compare=False)  # of filter_chains

    def options_of(self, address: Address) -> tuple[SocketOption, ...]:
        """What the socket of one of its addresses is to have."""
        return dict(self.additional_socket_options).get(address, self.socket_options)


def chains_of(listener: Listener) -> tuple[FilterChain, ...]:
    """All of them, the default one last."""
    default = listener.default_filter_chain
    return listener.filter_chains if default is None else (*listener.filter_chains, default)
