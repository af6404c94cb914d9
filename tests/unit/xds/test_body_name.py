from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from hypothesis import given
from hypothesis import strategies as st

from dataplane.xds.body_name import body_name


@pytest.mark.parametrize(
    "message",
    [
        cluster_pb2.Cluster(name="näme", alt_stat_name="other"),
        endpoint_pb2.ClusterLoadAssignment(cluster_name="näme"),
        listener_pb2.Listener(name="näme"),
        route_pb2.RouteConfiguration(name="näme"),
        secret_pb2.Secret(name="näme"),
        cluster_pb2.Cluster(name="n" * 300),
    ],
    ids=lambda message: f"{message.DESCRIPTOR.name}-{len(message.SerializeToString())}",
)
def test_the_name_is_found_in_every_resource_type(message: object) -> None:
    name = getattr(message, "name", None) or getattr(message, "cluster_name", None)
    assert body_name(message.SerializeToString()) == name  # type: ignore[attr-defined]  # messages have no stubs


def test_other_fields_may_come_first() -> None:
    varint, fixed64, fixed32, text = b"\x10\x96\x01", b"\x19" + bytes(8), b"\x25" + bytes(4), b"\x2a\x02ab"
    assert body_name(varint + fixed64 + fixed32 + text + b"\x0a\x03edg") == "edg"


@pytest.mark.parametrize(
    "body",
    [b"", b"\x10\x01", b"\x0a", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x0b", b"\x10", b"\x08\x01"],
    ids=["empty", "absent", "no length", "cut", "no text", "group", "no value", "a number"],
)
def test_bytes_without_a_name_have_none(body: bytes) -> None:
    assert body_name(body) == ""


@given(st.binary(max_size=64))
def test_no_bytes_are_too_strange(body: bytes) -> None:
    assert isinstance(body_name(body), str)
