"""Which filter chain takes a connection.

Each criterion narrows the chains to those that are most specific in it, in Envoy's order: destination port, destination address,
server name, transport protocol, application protocol, direct source address, source type, source address, source port.  There is no
way back: a chain that lost in one criterion is out, even if the winner fails in a later one.
Not here: whether two chains contradict each other (compile.filter_chain).  Envoy: config.listener.v3.FilterChainMatch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.base.address import Address, SocketAddress
from dataplane.matching.cidr import LOOPBACK, IpAddress, IpNetwork, parse_address

if TYPE_CHECKING:
    from dataplane.matching.tree import Node
    from dataplane.snapshot.listener import FilterChain, Listener

SOURCE_ANY: Final = 0  # FilterChainMatch.ConnectionSourceType
SOURCE_SAME_IP_OR_LOOPBACK: Final = 1
SOURCE_EXTERNAL: Final = 2

RAW_BUFFER: Final = "raw_buffer"  # what a connection speaks when no listener filter found out more


@dataclass(frozen=True, slots=True)
class FilterChainMatch:
    """Empty or zero: any.  server_names are lower case; `.example.com` stands for `*.example.com`."""

    destination_port: int = 0
    prefix_ranges: tuple[IpNetwork, ...] = ()
    server_names: frozenset[str] = frozenset()
    transport_protocol: str = ""
    application_protocols: frozenset[str] = frozenset()
    direct_source_prefix_ranges: tuple[IpNetwork, ...] = ()
    source_type: int = SOURCE_ANY
    source_prefix_ranges: tuple[IpNetwork, ...] = ()
    source_ports: frozenset[int] = frozenset()


ANY: Final = FilterChainMatch()


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What is known of a connection when its chain is chosen.

    direct_source: the peer of the socket, source: what a listener filter may have learnt instead.
    """

    local: Address
    source: Address
    direct_source: Address
    server_name: str = ""
    transport_protocol: str = RAW_BUFFER
    application_protocols: tuple[str, ...] = ()


_Entry = tuple[FilterChainMatch, "FilterChain"]


class FilterChainIndex:
    """The chains of a listener by destination port."""

    __slots__ = ("_by_port", "only")

    def __init__(self, chains: Sequence[FilterChain]) -> None:
        self._by_port: dict[int, list[_Entry]] = {}
        for chain in chains:
            match = chain.match if isinstance(chain.match, FilterChainMatch) else ANY
            self._by_port.setdefault(match.destination_port, []).append((match, chain))
        # Most listeners have one chain that takes everything, whatever is known of a connection.
        self.only = chains[0] if len(chains) == 1 and self._by_port.get(0, [(None, None)])[0][0] == ANY else None

    def choose(self, facts: ConnectionFacts, default: FilterChain | None) -> FilterChain | None:
        """The best chain, *default* where none matches."""
        found = self.find(facts)
        return default if found is None else found

    def find(self, facts: ConnectionFacts) -> FilterChain | None:
        """The best chain, None where none matches."""
        port = facts.local.port if isinstance(facts.local, SocketAddress) else 0
        entries = self._by_port.get(port) or self._by_port.get(0, [])
        for narrow in _STEPS:
            entries = narrow(entries, facts)
        return entries[0][1] if entries else None


class NamedChains:
    """The chains of a listener by name, and a tree that names one for each connection.  Envoy: Listener.filter_chain_matcher."""

    __slots__ = ("_by_name", "_tree", "only")

    def __init__(self, by_name: Mapping[str, FilterChain], tree: Node[str]) -> None:
        self._by_name = by_name
        self._tree = tree
        self.only: FilterChain | None = None

    def choose(self, facts: ConnectionFacts, default: FilterChain | None) -> FilterChain | None:
        """As FilterChainIndex.choose.  As in Envoy, *default* does not stand in for a chain that the tree names and nobody has."""
        name = self._tree.find(facts)
        return default if name is None else self._by_name.get(name)


def find_filter_chain(
    listener: Listener,
    local: Address,
    remote: Address,
    *,
    direct_remote: Address | None = None,
    server_name: str = "",
    transport_protocol: str = RAW_BUFFER,
    application_protocols: tuple[str, ...] = (),
) -> FilterChain | None:
    """The chain for a connection to *listener*: the best match, else the default chain, else None (close it)."""
    index = listener.filter_chain_index or FilterChainIndex(listener.filter_chains)
    if index.only is not None:
        return index.only
    facts = ConnectionFacts(
        local, remote, direct_remote or remote, server_name.lower(), transport_protocol or RAW_BUFFER, application_protocols
    )
    return index.choose(facts, listener.default_filter_chain)


_Step = Callable[[list[_Entry], ConnectionFacts], list[_Entry]]


def _by_destination(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    return _nearest(entries, facts.local, lambda match: match.prefix_ranges)


def _by_server_name(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    return _first_named(entries, _names_of(facts.server_name), lambda match: match.server_names)


def _by_transport(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    wanted = facts.transport_protocol
    return _first_named(entries, (wanted,), lambda match: {match.transport_protocol} - {""})


def _by_application(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    return _first_named(entries, facts.application_protocols, lambda match: match.application_protocols)


def _by_direct_source(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    return _nearest(entries, facts.direct_source, lambda match: match.direct_source_prefix_ranges)


def _by_source_type(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    if all(match.source_type == SOURCE_ANY for match, _ in entries):
        return entries
    wanted = SOURCE_SAME_IP_OR_LOOPBACK if _is_local(facts) else SOURCE_EXTERNAL
    exact = [entry for entry in entries if entry[0].source_type == wanted]
    return exact or [entry for entry in entries if entry[0].source_type == SOURCE_ANY]


def _by_source(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    return _nearest(entries, facts.source, lambda match: match.source_prefix_ranges)


def _by_source_port(entries: list[_Entry], facts: ConnectionFacts) -> list[_Entry]:
    port = facts.source.port if isinstance(facts.source, SocketAddress) else 0
    return _first_named(entries, (port,), lambda match: match.source_ports)


_STEPS: Final[tuple[_Step, ...]] = (
    _by_destination,
    _by_server_name,
    _by_transport,
    _by_application,
    _by_direct_source,
    _by_source_type,
    _by_source,
    _by_source_port,
)


def _nearest(
    entries: list[_Entry], address: Address, ranges_of: Callable[[FilterChainMatch], tuple[IpNetwork, ...]]
) -> list[_Entry]:
    """Those whose narrowest range around *address* is the narrowest of all; no range at all is the widest."""
    if not any(ranges_of(match) for match, _ in entries):
        return entries
    ip = parse_address(address.host) if isinstance(address, SocketAddress) else None
    ranked = [(_narrowest(ranges_of(match), ip), match, chain) for match, chain in entries]
    best = max((length for length, _, _ in ranked), default=-1)
    return [(match, chain) for length, match, chain in ranked if length == best >= 0]


def _narrowest(ranges: tuple[IpNetwork, ...], ip: IpAddress | None) -> int:
    """Prefix length of the narrowest of *ranges* around *ip*; 0 for no ranges, -1 where none holds it."""
    if not ranges:
        return 0
    if ip is None:
        return -1
    return max((each.prefixlen for each in ranges if each.version == ip.version and ip in each), default=-1)


def _first_named(
    entries: list[_Entry], wanted: Iterable[object], values_of: Callable[[FilterChainMatch], Collection[object]]
) -> list[_Entry]:
    """Those that have the first of the *wanted* values that any has; else those that do not ask."""
    for value in wanted:
        found = [entry for entry in entries if value in values_of(entry[0])]
        if found:
            return found
    return [entry for entry in entries if not values_of(entry[0])]


def _names_of(server_name: str) -> list[str]:
    """The name itself, then its wildcards from the longest: `www.a.b` → `www.a.b`, `.a.b`, `.b`."""
    names = [server_name] if server_name else []
    dot = server_name.find(".", 1)
    while 0 <= dot < len(server_name) - 1:
        names.append(server_name[dot:])
        dot = server_name.find(".", dot + 1)
    return names


def _is_local(facts: ConnectionFacts) -> bool:
    """The peer is this machine: over a Unix socket, from our own address, or from the loopback address."""
    if not isinstance(facts.source, SocketAddress) or not isinstance(facts.local, SocketAddress):
        return True
    return facts.source.host == facts.local.host or facts.source.host in LOOPBACK


# What a tree may ask of a connection (matching.tree.Input).


def destination_ip(facts: ConnectionFacts) -> str | None:
    return _host(facts.local)


def destination_port(facts: ConnectionFacts) -> str | None:
    return _port(facts.local)


def source_ip(facts: ConnectionFacts) -> str | None:
    return _host(facts.source)


def source_port(facts: ConnectionFacts) -> str | None:
    return _port(facts.source)


def direct_source_ip(facts: ConnectionFacts) -> str | None:
    return _host(facts.direct_source)


def source_type(facts: ConnectionFacts) -> str | None:
    return "local" if _is_local(facts) else None


def server_name(facts: ConnectionFacts) -> str | None:
    return facts.server_name or None


def transport_protocol(facts: ConnectionFacts) -> str | None:
    return facts.transport_protocol or None


def application_protocols(facts: ConnectionFacts) -> str | None:
    return ",".join(f"'{each}'" for each in facts.application_protocols) or None


def _host(address: Address) -> str | None:
    return address.host if isinstance(address, SocketAddress) else None


def _port(address: Address) -> str | None:
    return str(address.port) if isinstance(address, SocketAddress) else None
