"""`ProxyProtocolUpstreamTransport`, compiled."""

from __future__ import annotations

from typing import Any

from dataplane.observe.stream_info import StreamInfo
from dataplane.snapshot.introduced_socket import IntroducedSocket
from tests.support.compiling import compiled, errors, message

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets."
RAW = {"name": "raw", "typed_config": {"@type": TYPE + "raw_buffer.v3.RawBuffer"}}


def cluster(**config: Any) -> Any:
    socket = {"@type": TYPE + "proxy_protocol.v3.ProxyProtocolUpstreamTransport", "config": config, "transport_socket": RAW}
    return message(
        "envoy.config.cluster.v3.Cluster",
        {"name": "c", "connect_timeout": "1s", "transport_socket": {"name": "pp", "typed_config": socket}},
    )


def test_defaults() -> None:
    assert compiled(cluster()).transport_socket == IntroducedSocket(1)


def test_what_is_told() -> None:
    text = {"text_format_source": {"inline_string": "%CONNECTION_ID%"}}
    added = [{"type": 5, "value": "YWI="}, {"type": 6, "format_string": text}]
    passed = {"match_type": "INCLUDE", "tlv_type": [7, 8]}
    socket = compiled(cluster(version="V2", added_tlvs=added, pass_through_tlvs=passed)).transport_socket
    assert (socket.version, socket.passed_types) == (2, frozenset({7, 8}))
    (five, value), (six, render) = socket.added
    assert (five, value, six) == (5, b"ab", 6)
    info = StreamInfo()
    info.connection_id = 3
    assert render(info) == b"3"
    assert compiled(cluster(pass_through_tlvs={"match_type": "INCLUDE_ALL"})).transport_socket.passed_types is None


def test_a_tlv_has_one_value() -> None:
    text = {"text_format_source": {"inline_string": "x"}}
    at = "transport_socket.typed_config.config.added_tlvs[0]: Invalid TLV configuration: "
    [error] = errors(cluster(added_tlvs=[{"type": 5, "value": "YWI=", "format_string": text}]))
    assert error.endswith(at + "only one of 'value' or 'format_string' can be set")
    [error] = errors(cluster(added_tlvs=[{"type": 5}]))
    assert error.endswith(at + "one of 'value' or 'format_string' must be set")
