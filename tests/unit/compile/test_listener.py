"""Listeners and filter chains.  Which ones are accepted was tried with Envoy 1.40, whose words the errors use."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dataplane.base.address import InternalAddress, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.listener import compile_listener
from dataplane.routing.filter_chain_match import FilterChainMatch, find_filter_chain
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.socket_option import BOUND, LISTENING, SocketOption
from tests.support.compiling import compiled, errors, message

LISTENER = "envoy.config.listener.v3.Listener"
TYPES = "type.googleapis.com/envoy.extensions"
ROUTER = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
MANAGER = {
    "name": "hcm",
    "typed_config": {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "p",
        "route_config": {"name": "r", "virtual_hosts": []},
        "http_filters": [ROUTER],
    },
}


def content(chains: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    chains = [{"filters": [MANAGER]}] if chains is None else [{"filters": [MANAGER], **chain} for chain in chains]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 80}}
    return {"name": "l", "address": address, "filter_chains": chains, **fields}


def listener(chains: list[dict[str, Any]] | None = None, **fields: Any) -> Listener:
    value = compiled(message(LISTENER, content(chains, **fields)))
    assert isinstance(value, Listener)
    return value


def problems(chains: list[dict[str, Any]] | None = None, **fields: Any) -> list[str]:
    return errors(message(LISTENER, content(chains, **fields)))


def match(**fields: Any) -> dict[str, Any]:
    return {"filter_chain_match": fields}


def test_defaults() -> None:
    made = listener()
    assert (made.name, made.address) == ("l", SocketAddress("127.0.0.1", 80))
    assert (made.bind_to_port, made.reuse_port, made.per_connection_buffer_limit) == (True, True, 1 << 20)
    (chain,) = made.filter_chains
    assert (chain.match, chain.transport_socket, len(chain.network_filters)) == (None, None, 1)
    assert find_filter_chain(made, made.address, made.address) is chain


def test_connections_may_be_spread_evenly() -> None:
    assert not listener().exact_balance
    assert listener(connection_balance_config={"exact_balance": {}}).exact_balance
    extension = {"name": "dlb", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    assert any("extend_balance" in problem for problem in problems(connection_balance_config={"extend_balance": extension}))


def test_fields() -> None:
    made = listener(
        additional_addresses=[{"address": {"pipe": {"path": "/x", "mode": 448}}}],
        stat_prefix="s",
        per_connection_buffer_limit_bytes=5,
        drain_type="MODIFY_ONLY",
        transparent=True,
        freebind=True,
        socket_options=[{"level": 1, "name": 2, "int_value": 3}, {"level": 1, "name": 4, "buf_value": "YQ=="}],
        tcp_fast_open_queue_length=7,
        traffic_direction="INBOUND",
        enable_reuse_port=False,
        tcp_backlog_size=9,
        bind_to_port=False,
        metadata={"filter_metadata": {"n": {"k": "v"}}},
        access_log=[{"name": "x", "typed_config": {"@type": f"{TYPES}.access_loggers.stream.v3.StdoutAccessLog"}}],
    )
    assert made.additional_addresses == (PipeAddress("/x", 448),)
    assert (made.stat_prefix, made.per_connection_buffer_limit, made.drain_type) == ("s", 5, 1)
    assert (made.transparent, made.freebind, made.reuse_port, made.bind_to_port) == (True, True, False, False)
    assert made.socket_options == (SocketOption(1, 2, 3), SocketOption(1, 4, b"a"))
    assert (made.tcp_fast_open_queue_length, made.tcp_backlog_size, made.traffic_direction) == (7, 9, 1)
    assert made.metadata == {"n": {"k": "v"}}
    assert len(made.access_log) == 1


def test_an_unnamed_listener_gets_a_name() -> None:
    assert listener(name="").name == listener(name="").name != ""


def test_what_its_managers_need_is_known() -> None:
    routes = {
        "name": "r",
        "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}],
    }
    inline = {**MANAGER, "typed_config": {**MANAGER["typed_config"], "route_config": routes}}
    rds = {key: value for key, value in MANAGER["typed_config"].items() if key != "route_config"}
    rds["rds"] = {"route_config_name": "dynamic", "config_source": {"ads": {}}}
    made = listener([{"filters": [inline], **match(destination_port=1)}, {"filters": [{**MANAGER, "typed_config": rds}]}])
    assert made.cluster_names == {"c"}
    assert made.rds_names == {"dynamic"}
    assert [source.stat_prefix for source in made.rds_sources] == ["p"]


def test_matches() -> None:
    (chain,) = listener(
        [
            match(
                destination_port=443,
                prefix_ranges=[{"address_prefix": "10.1.2.3", "prefix_len": 8}, {"address_prefix": "10.0.0.1", "prefix_len": 99}],
                server_names=["*.A.example", "b.example", ""],
                transport_protocol="tls",
                application_protocols=["h2"],
                source_type="EXTERNAL",
                source_ports=[1, 2],
            )
        ]
    ).filter_chains
    assert chain.match == FilterChainMatch(
        443,
        (ip_network("10.0.0.0/8"), ip_network("10.0.0.1/32")),
        frozenset({".a.example", "b.example"}),
        "tls",
        frozenset({"h2"}),
        source_type=2,
        source_ports=frozenset({1, 2}),
    )


def test_the_default_chain_and_the_raw_socket() -> None:
    raw = {"name": "raw", "typed_config": {"@type": f"{TYPES}.transport_sockets.raw_buffer.v3.RawBuffer"}}
    default = {"filters": [MANAGER], "transport_socket": raw, "transport_socket_connect_timeout": "2s"}
    made = listener([], default_filter_chain=default)
    assert made.filter_chains == ()
    assert made.default_filter_chain is not None
    assert (made.default_filter_chain.transport_socket, made.default_filter_chain.transport_socket_connect_timeout) == (None, 2.0)


def test_a_chain_keeps_its_key_while_its_bytes_are_equal() -> None:
    assert listener().filter_chains[0].key == listener(stat_prefix="other").filter_chains[0].key
    assert listener().filter_chains[0].key != listener([match(destination_port=1)]).filter_chains[0].key


MATCH = "filter_chains[1].filter_chain_match"


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ([{}, {}], "filter chain '' has the same matching rules defined as ''. duplicate matcher is: {}"),
        (
            [{"name": "a", **match(server_names=["x"])}, {"name": "b", **match(server_names=["x"])}],
            "filter chain 'b' has the same matching rules defined as 'a'. duplicate matcher is: {\"server_names\": [\"x\"]}",
        ),
        (
            [match(server_names=["x", "y"]), match(server_names=["x"])],
            "multiple filter chains with overlapping matching rules are defined",
        ),
        (
            [match(server_names=["*.x"]), match(server_names=["*.X"])],
            "multiple filter chains with overlapping matching rules are defined",
        ),
        (
            [
                match(prefix_ranges=[{"address_prefix": "10.0.0.0", "prefix_len": 8}]),
                match(prefix_ranges=[{"address_prefix": "10.1.2.3", "prefix_len": 8}]),
            ],
            "multiple filter chains with overlapping matching rules are defined",
        ),
    ],
)
def test_chains_that_ask_for_the_same(chains: list[dict[str, Any]], expected: str) -> None:
    assert problems(chains) == [f"{MATCH}: {expected}"]


@pytest.mark.parametrize(
    "chains",
    [
        [match(server_names=["x"]), match(server_names=["y"])],
        [match(server_names=["x"]), {}],
        [match(destination_port=1), match(destination_port=2)],
        [match(source_type="EXTERNAL"), match(source_type="SAME_IP_OR_LOOPBACK")],
        [match(application_protocols=["h2"]), match(application_protocols=["http/1.1"])],
    ],
)
def test_chains_that_differ(chains: list[dict[str, Any]]) -> None:
    assert problems(chains) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"filter_chains": []}, "filter_chains: error adding listener '127.0.0.1:80': no filter chains specified"),
        ({"address": None}, "address: error adding listener named 'l': address is necessary"),
        (
            {"address": {"socket_address": {"address": "name", "port_value": 1}}},
            "address.socket_address.address: malformed IP address: name",
        ),
        (
            {"filter_chains": [match(server_names=["w*.x"])]},
            'filter_chains[0].filter_chain_match.server_names[0]: partial wildcards are not supported in "server_names"',
        ),
        (
            {"filter_chains": [match(source_prefix_ranges=[{"address_prefix": "my-net", "prefix_len": 8}])]},
            "filter_chains[0].filter_chain_match.source_prefix_ranges[0].address_prefix: malformed IP address: my-net",
        ),
        (
            {"filter_chains": [{"filters": [MANAGER, MANAGER]}]},
            "filter_chains[0].filters[0]: Error: terminal filter named hcm of type envoy.filters.network.http_connection_manager "
            "must be the last filter in a network filter chain.",
        ),
        (
            {"filter_chains": [{"filters": [{"name": "x"}]}]},
            "filter_chains[0].filters[0].typed_config: didn't find a registered implementation of envoy.filters.network for 'x' "
            "with type URL: ''",
        ),
        (
            {"filter_chains": [{"transport_socket": {"name": "x"}}]},
            "filter_chains[0].transport_socket.typed_config: didn't find a registered implementation of "
            "envoy.transport_sockets.downstream for 'x' with type URL: ''",
        ),
    ],
)
def test_errors(fields: dict[str, Any], expected: str) -> None:
    made = {key: value for key, value in content(**fields).items() if value is not None}
    assert errors(message(LISTENER, made)) == [expected]


@pytest.mark.parametrize(
    "fields",
    [
        {"udp_listener_config": {}},
        {"api_listener": {}},
    ],
)
def test_what_has_no_effect_is_refused(fields: dict[str, Any]) -> None:
    assert any("not supported" in found for found in problems(**fields))


def test_a_chain_without_filters_is_accepted() -> None:
    assert listener([{"filters": []}]).filter_chains[0].network_filters == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"address": {"pipe": {"path": "/x"}}},
            "address: error adding listener 'in': address should not be used when an internal",
        ),
        ({"freebind": True}, "freebind: error adding listener named 'in': has unsupported tcp listener feature"),
        ({"tcp_backlog_size": 1}, "tcp_backlog_size: error adding listener named 'in': has unsupported tcp listener feature"),
        ({"socket_options": [{"name": 1, "int_value": 1}]}, "socket_options: error adding listener named 'in': does not support"),
    ],
)
def test_an_internal_listener_has_nothing_of_a_socket(fields: dict[str, Any], expected: str) -> None:
    made = message(LISTENER, {"name": "in", "internal_listener": {}, "default_filter_chain": {}, **fields})
    with pytest.raises(ConfigError) as caught:
        compile_listener(made, FieldPath(), CompileContext())
    assert str(caught.value).startswith(expected)


def test_an_internal_listener_needs_an_extension_of_the_process() -> None:
    made = message(LISTENER, {"name": "in", "internal_listener": {}, "default_filter_chain": {}})
    with pytest.raises(ConfigError, match="InternalListener bootstrap extension is mandatory"):
        compile_listener(made, FieldPath(), CompileContext(internal_listeners=False))
    assert compile_listener(made, FieldPath(), CompileContext()).address == InternalAddress("in")


def test_socket_options_by_state_by_type_and_by_address() -> None:
    other = {"socket_address": {"address": "127.0.0.2", "port_value": 80}}
    option = {"level": 1, "name": 9, "int_value": 1}
    made = listener(
        socket_options=[
            {**option, "state": "STATE_BOUND", "type": {"stream": {}}},
            {**option, "type": {"datagram": {}}},
            {**option, "name": 7, "state": "STATE_LISTENING"},
        ],
        additional_addresses=[{"address": other, "socket_options": {"socket_options": [option]}}],
    )
    assert made.options_of(made.address) == (SocketOption(1, 9, 1, BOUND), SocketOption(1, 7, 1, LISTENING))
    assert made.options_of(made.additional_addresses[0]) == (SocketOption(1, 9, 1),)


def test_the_runtime_limits_the_connections_of_a_listener_by_its_name() -> None:
    runtime = {"envoy.resource_limits.listener.l.connection_limit": 3.0, "envoy.resource_limits.listener.m.connection_limit": 4.0}

    def limit(**fields: Any) -> int | None:
        found = compile_listener(message(LISTENER, content(**fields)), FieldPath(), CompileContext(runtime=runtime))
        return found.connection_limit

    assert limit() == 3
    assert limit(name="m") == 4
    assert limit(name="n") is None
    assert limit(address=None, internal_listener={}) is None
