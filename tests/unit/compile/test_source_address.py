"""Where upstream connections come from, and the words of Envoy for bindings that it does not take."""

from __future__ import annotations

import pytest

from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import Cluster, SourceAddress
from tests.support.compiling import compiled, errors, message

CLUSTER = "envoy.config.cluster.v3.Cluster"


def cluster(**fields: object) -> Cluster:
    found: Cluster = compiled(message(CLUSTER, {"name": "z", "type": "STATIC", **fields}))
    return found


FOUR = {"address": "127.0.0.6", "port_value": 0}
SIX = {"address": "::1", "port_value": 0}


def test_upstream_connections_are_bound_to_a_source_address() -> None:
    bind = {"source_address": {"address": "127.0.0.6", "port_value": 0}, "freebind": True}
    found = (SourceAddress(SocketAddress("127.0.0.6", 0), freebind=True),)
    assert cluster(upstream_bind_config=bind).source_addresses == found
    assert cluster(upstream_bind_config={"freebind": True}).source_addresses == ()


def test_a_source_address_is_an_ip_address() -> None:
    bind = {"source_address": {"address": "localhost", "port_value": 0}}
    assert errors(message(CLUSTER, {"name": "z", "upstream_bind_config": bind})) == [
        "upstream_bind_config.source_address.address: malformed IP address: localhost"
    ]


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        (
            {"source_address": FOUR, "extra_source_addresses": [{"address": SIX}], "additional_source_addresses": [SIX]},
            "Can't specify both `extra_source_addresses` and `additional_source_addresses` in the Cluster z's upstream binding config",
        ),
        (
            {"extra_source_addresses": [{"address": SIX}]},
            "Cluster z's upstream binding config has extra/additional source addresses but no source_address. "
            "Extra/additional addresses cannot be specified if source_address is not set.",
        ),
        (
            {"source_address": FOUR, "additional_source_addresses": [FOUR]},
            "Cluster z's upstream binding config has two same IP version source addresses. Only two different IP version source "
            "addresses can be supported in BindConfig's source_address and extra_source_addresses/additional_source_addresses fields",
        ),
        (
            {"source_address": FOUR, "extra_source_addresses": [{"address": SIX}, {"address": FOUR}]},
            "Cluster z's upstream binding config has more than one extra/additional source addresses. Only one extra/additional "
            "source can be supported in BindConfig's extra_source_addresses/additional_source_addresses field",
        ),
    ],
)
def test_source_addresses_that_envoy_refuses(bind: dict[str, object], reason: str) -> None:
    assert errors(message(CLUSTER, {"name": "z", "upstream_bind_config": bind})) == [f"upstream_bind_config: {reason}"]


def test_the_one_way_to_choose_a_source_address_may_be_named() -> None:
    kind = "type.googleapis.com/envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector"
    bind = {"source_address": FOUR, "local_address_selector": {"name": "x", "typed_config": {"@type": kind}}}
    assert cluster(upstream_bind_config=bind).source_addresses == (SourceAddress(SocketAddress("127.0.0.6", 0)),)
    bind["local_address_selector"] = {"name": "x", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Empty"}}
    (found,) = errors(message(CLUSTER, {"name": "z", "upstream_bind_config": bind}))
    assert found.endswith("for 'x' with type URL: 'google.protobuf.Empty'")
