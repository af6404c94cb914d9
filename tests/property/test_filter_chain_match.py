"""Which chain takes a connection, against an oracle: the greatest in the order of criteria, or nobody where that one does not match."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.address import SocketAddress
from dataplane.routing.filter_chain_match import ConnectionFacts, FilterChainIndex, FilterChainMatch
from dataplane.snapshot.listener import FilterChain
from tests.support.fuzzing import fuzzed

HOSTS = ["10.0.0.1", "10.0.9.9", "127.0.0.1", "127.0.0.2"]
NETWORKS = [ip_network(text) for text in ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1/32", "127.0.0.0/8")]
NAMES = ["a.b.c", ".b.c", ".c", "x.c"]
SOME_NETWORKS = st.lists(st.sampled_from(NETWORKS), max_size=2, unique=True).map(tuple)

MATCHES = st.builds(
    FilterChainMatch,
    destination_port=st.sampled_from([0, 80]),
    prefix_ranges=SOME_NETWORKS,
    server_names=st.frozensets(st.sampled_from(NAMES), max_size=2),
    transport_protocol=st.sampled_from(["", "tls", "raw_buffer"]),
    application_protocols=st.frozensets(st.sampled_from(["h2", "http/1.1"]), max_size=2),
    direct_source_prefix_ranges=SOME_NETWORKS,
    source_type=st.sampled_from([0, 1, 2]),
    source_prefix_ranges=SOME_NETWORKS,
    source_ports=st.frozensets(st.sampled_from([1, 2]), max_size=2),
)
FACTS = st.builds(
    ConnectionFacts,
    local=st.builds(SocketAddress, st.sampled_from(HOSTS), st.sampled_from([80, 81])),
    source=st.builds(SocketAddress, st.sampled_from(HOSTS), st.sampled_from([1, 2, 3])),
    direct_source=st.builds(SocketAddress, st.sampled_from(HOSTS), st.just(9)),
    server_name=st.sampled_from(["", "a.b.c", "z.b.c", "x.c", "c"]),
    transport_protocol=st.sampled_from(["tls", "raw_buffer"]),
    application_protocols=st.sampled_from([(), ("h2",), ("h2", "http/1.1"), ("http/1.1", "h2"), ("other",)]),
)


def score(match: FilterChainMatch, facts: ConnectionFacts) -> tuple[int, ...]:
    """How specific *match* is for *facts* in each criterion, the most important first; -1: it does not match."""
    local, source = facts.local, facts.source
    assert isinstance(local, SocketAddress)
    assert isinstance(source, SocketAddress)
    assert isinstance(facts.direct_source, SocketAddress)
    return (
        _one_of({match.destination_port} - {0}, [local.port]),
        _range(match.prefix_ranges, local.host),
        _name(match.server_names, facts.server_name),
        _one_of({match.transport_protocol} - {""}, [facts.transport_protocol]),
        _one_of(match.application_protocols, facts.application_protocols),
        _range(match.direct_source_prefix_ranges, facts.direct_source.host),
        _source_type(match.source_type, local.host, source.host),
        _range(match.source_prefix_ranges, source.host),
        _one_of(match.source_ports, [source.port]),
    )


def _one_of(wanted: object, found: object) -> int:
    """The earlier of several values counts for more."""
    assert isinstance(wanted, (set, frozenset))
    assert isinstance(found, (list, tuple))
    return max((len(found) - place for place, value in enumerate(found) if value in wanted), default=-1) if wanted else 0


def _range(networks: object, host: str) -> int:
    assert isinstance(networks, tuple)
    address = ip_address(host)
    return max((each.prefixlen for each in networks if address in each), default=-1) if networks else 0


def _name(names: frozenset[str], name: str) -> int:
    def specific(wanted: str) -> int:
        if wanted == name:
            return 1000
        return len(wanted) if wanted.startswith(".") and name.endswith(wanted) else -1

    return max(map(specific, names)) if names else 0


def _source_type(wanted: int, local: str, source: str) -> int:
    is_local = source in (local, "127.0.0.1")
    return 0 if not wanted else 1 if wanted == (1 if is_local else 2) else -1


@fuzzed(400)
@given(st.lists(MATCHES, min_size=1, max_size=6), FACTS)
def test_the_chain_is_the_greatest_that_there_is(matches: list[FilterChainMatch], facts: ConnectionFacts) -> None:
    chains = [FilterChain(str(number), (), match) for number, match in enumerate(matches)]
    found = FilterChainIndex(chains).find(facts)
    scores = [score(match, facts) for match in matches]
    greatest = max(scores)
    if -1 in greatest:
        assert found is None
    else:
        assert found is not None
        assert scores[int(found.name)] == greatest
