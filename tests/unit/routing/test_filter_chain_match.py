"""Choosing the filter chain of a connection."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.routing.filter_chain_match import (
    SOURCE_EXTERNAL,
    SOURCE_SAME_IP_OR_LOOPBACK,
    ConnectionFacts,
    FilterChainIndex,
    FilterChainMatch,
    find_filter_chain,
)
from dataplane.snapshot.listener import FilterChain, Listener

LOCAL = SocketAddress("10.0.0.1", 80)
PEER = SocketAddress("192.0.2.7", 5000)


def nets(*ranges: str) -> tuple:  # type: ignore[type-arg]  # of either family
    return tuple(ip_network(each) for each in ranges)


def chains(**matches: FilterChainMatch | None) -> list[FilterChain]:
    return [FilterChain(name, (), match) for name, match in matches.items()]


def chosen(
    made: list[FilterChain],
    local: Address = LOCAL,
    source: Address = PEER,
    direct: Address | None = None,
    server_name: str = "",
    transport: str = "raw_buffer",
    protocols: tuple[str, ...] = (),
) -> str:
    found = FilterChainIndex(made).find(ConnectionFacts(local, source, direct or source, server_name, transport, protocols))
    return "" if found is None else found.name


def test_one_chain_without_criteria_takes_everything() -> None:
    assert chosen(chains(only=None)) == "only"
    assert chosen(chains(only=FilterChainMatch())) == "only"


def test_the_destination_port_comes_first_and_there_is_no_way_back() -> None:
    made = chains(
        port=FilterChainMatch(destination_port=80, server_names=frozenset({"a.example"})),
        name=FilterChainMatch(server_names=frozenset({"b.example"})),
        rest=None,
    )
    assert chosen(made, server_name="a.example") == "port"
    assert chosen(made, server_name="b.example") == ""
    assert chosen(made, SocketAddress("10.0.0.1", 81), server_name="b.example") == "name"
    assert chosen(made, SocketAddress("10.0.0.1", 81)) == "rest"
    assert chosen(made, PipeAddress("/s")) == "rest"


def test_the_narrowest_range_of_destinations() -> None:
    made = chains(
        wide=FilterChainMatch(prefix_ranges=nets("10.0.0.0/8", "fd00::/8")),
        narrow=FilterChainMatch(prefix_ranges=nets("10.0.0.0/24")),
        rest=None,
    )
    assert chosen(made) == "narrow"
    assert chosen(made, SocketAddress("10.9.0.1", 80)) == "wide"
    assert chosen(made, SocketAddress("fd00::1", 80)) == "wide"
    assert chosen(made, SocketAddress("11.0.0.1", 80)) == "rest"


def test_the_narrowest_range_wins_before_the_server_name_is_looked_at() -> None:
    made = chains(
        narrow=FilterChainMatch(prefix_ranges=nets("10.0.0.0/24"), server_names=frozenset({"a.example"})),
        wide=FilterChainMatch(prefix_ranges=nets("10.0.0.0/8")),
    )
    assert chosen(made, server_name="a.example") == "narrow"
    assert chosen(made, server_name="b.example") == ""


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("www.a.example", "exact"),
        ("x.a.example", "long"),
        ("x.y.a.example", "long"),
        ("b.example", "short"),
        ("a.example", "short"),
        ("example", "rest"),
        (".example", "short"),
        ("", "rest"),
    ],
)
def test_server_names_from_exact_to_the_shortest_wildcard(server_name: str, expected: str) -> None:
    made = chains(
        short=FilterChainMatch(server_names=frozenset({".example"})),
        long=FilterChainMatch(server_names=frozenset({".a.example"})),
        exact=FilterChainMatch(server_names=frozenset({"www.a.example"})),
        rest=None,
    )
    assert chosen(made, server_name=server_name) == expected


def test_transport_and_application_protocols() -> None:
    made = chains(
        h2=FilterChainMatch(transport_protocol="tls", application_protocols=frozenset({"h2"})),
        tls=FilterChainMatch(transport_protocol="tls"),
        rest=None,
    )
    assert chosen(made, transport="tls", protocols=("h3", "h2")) == "h2"
    assert chosen(made, transport="tls", protocols=("http/1.1",)) == "tls"
    assert chosen(made) == "rest"


def test_sources() -> None:
    made = chains(
        direct=FilterChainMatch(direct_source_prefix_ranges=nets("203.0.113.0/24")),
        port=FilterChainMatch(source_prefix_ranges=nets("192.0.2.0/24"), source_ports=frozenset({5000})),
        range=FilterChainMatch(source_prefix_ranges=nets("192.0.2.0/24")),
        rest=None,
    )
    assert chosen(made, direct=SocketAddress("203.0.113.9", 1)) == "direct"
    assert chosen(made) == "port"
    assert chosen(made, source=SocketAddress("192.0.2.7", 5001)) == "range"
    assert chosen(made, source=SocketAddress("198.51.100.1", 5000)) == "rest"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SocketAddress("127.0.0.1", 1), "local"),
        (SocketAddress("::1", 1), "local"),
        (SocketAddress("10.0.0.1", 1), "local"),
        (PipeAddress("@x"), "local"),
        (PEER, "external"),
    ],
)
def test_source_types(source: Address, expected: str) -> None:
    made = chains(
        local=FilterChainMatch(source_type=SOURCE_SAME_IP_OR_LOOPBACK),
        external=FilterChainMatch(source_type=SOURCE_EXTERNAL),
        rest=None,
    )
    assert chosen(made, source=source) == expected


def test_any_source_type_is_second_to_an_exact_one() -> None:
    made = chains(external=FilterChainMatch(source_type=SOURCE_EXTERNAL), rest=None)
    assert chosen(made, source=SocketAddress("127.0.0.1", 1)) == "rest"
    assert chosen(made) == "external"


def test_the_default_chain_takes_what_none_matches() -> None:
    made = chains(name=FilterChainMatch(server_names=frozenset({"a.example"})))
    fallback = FilterChain("default", ())
    listener = Listener("l", LOCAL, tuple(made), fallback, filter_chain_index=FilterChainIndex(made))
    found = find_filter_chain(listener, LOCAL, PEER)
    assert found is fallback
    named = find_filter_chain(listener, LOCAL, PEER, server_name="A.Example")
    assert named is made[0]
    without = Listener("l", LOCAL, tuple(made))
    assert find_filter_chain(without, LOCAL, PEER) is None
