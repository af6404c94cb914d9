"""Permissions and principals against one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.extensions.common.rbac.subjects import compile_permission, compile_principal
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import message

YES: dict[str, Any] = {"any": True}
NO_RULE: dict[str, Any] = {"not_rule": YES}
NO_ID: dict[str, Any] = {"not_id": YES}


@dataclass
class Certificate:
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    subject: str = ""


@dataclass
class Tls:
    peer_certificate: Certificate | None = None


def request() -> tuple[RequestHeaders, StreamInfo]:
    info = StreamInfo()
    info.downstream_local_address = SocketAddress("10.0.0.1", 8080)
    info.downstream_direct_remote_address = SocketAddress("10.0.0.2", 4711)
    info.downstream_remote_address = SocketAddress("192.0.2.7", 0)
    info.requested_server_name = "sni.test"
    info.dynamic_metadata = {"ns": {"key": "value"}}
    return RequestHeaders(b"GET", b"/path?query=1", b"h.test", fields=[(b"x-one", b"1")]), info


def range_of(prefix: str, length: int) -> dict[str, Any]:
    return {"address_prefix": prefix, "prefix_len": length}


METADATA = {"filter": "ns", "path": [{"key": "key"}], "value": {"string_match": {"exact": "value"}}}
SHARED: list[tuple[dict[str, Any], bool]] = [
    (YES, True),
    ({"header": {"name": "x-one", "string_match": {"exact": "1"}}}, True),
    ({"header": {"name": "x-two", "present_match": True}}, False),
    ({"url_path": {"path": {"exact": "/path"}}}, True),
    ({"url_path": {"path": {"contains": "query"}}}, False),
    ({"metadata": METADATA}, True),
    ({"sourced_metadata": {"metadata_matcher": METADATA}}, True),
    ({"sourced_metadata": {"metadata_matcher": METADATA, "metadata_source": "ROUTE"}}, False),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        *SHARED,
        (NO_RULE, False),
        ({"and_rules": {"rules": [YES, YES]}}, True),
        ({"and_rules": {"rules": [YES, NO_RULE]}}, False),
        ({"and_rules": {"rules": [NO_RULE]}}, False),
        ({"or_rules": {"rules": [NO_RULE, YES]}}, True),
        ({"or_rules": {"rules": [NO_RULE, NO_RULE]}}, False),
        ({"destination_ip": range_of("10.0.0.0", 8)}, True),
        ({"destination_ip": range_of("10.0.0.2", 32)}, False),
        ({"destination_port": 8080}, True),
        ({"destination_port": 80}, False),
        ({"destination_port_range": {"start": 8080, "end": 8081}}, True),
        ({"destination_port_range": {"start": 8000, "end": 8080}}, False),
        ({"requested_server_name": {"suffix": ".test"}}, True),
    ],
)
def test_permissions(rule: dict[str, Any], expected: bool) -> None:
    permission = compile_permission(message("envoy.config.rbac.v3.Permission", rule), FieldPath())
    assert permission(*request()) is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        *SHARED,
        (NO_ID, False),
        ({"and_ids": {"ids": [YES, NO_ID]}}, False),
        ({"or_ids": {"ids": [NO_ID, YES]}}, True),
        ({"source_ip": range_of("10.0.0.2", 32)}, True),
        ({"direct_remote_ip": range_of("10.0.0.2", 32)}, True),
        ({"direct_remote_ip": range_of("192.0.2.0", 24)}, False),
        ({"remote_ip": range_of("192.0.2.0", 24)}, True),
        ({"authenticated": {}}, False),
    ],
)
def test_principals(rule: dict[str, Any], expected: bool) -> None:
    principal = compile_principal(message("envoy.config.rbac.v3.Principal", rule), FieldPath())
    assert principal(*request()) is expected


@pytest.mark.parametrize(
    ("certificate", "name", "expected"),
    [
        (None, None, True),
        (None, "", True),
        (None, "x", False),
        (Certificate(uris=("spiffe://a",)), "spiffe://a", True),
        (Certificate(uris=("spiffe://a",), dns_names=("b.test",)), "b.test", True),
        (Certificate(dns_names=("b.test",), subject="CN=c"), "CN=c", True),
        (Certificate(dns_names=("b.test",), subject="CN=c"), "c", False),
    ],
)
def test_the_names_of_a_certificate(certificate: Certificate | None, name: str | None, expected: bool) -> None:
    content = {"authenticated": {} if name is None else {"principal_name": {"exact": name}}}
    principal = compile_principal(message("envoy.config.rbac.v3.Principal", content), FieldPath())
    headers, info = request()
    info.downstream_tls = cast("Any", Tls(certificate))
    assert principal(headers, info) is expected


def test_who_came_through_a_pipe_has_no_address_to_match() -> None:
    principal = compile_principal(message("envoy.config.rbac.v3.Principal", {"remote_ip": range_of("0.0.0.0", 0)}), FieldPath())
    permission = compile_permission(message("envoy.config.rbac.v3.Permission", {"destination_port": 8080}), FieldPath())
    headers, info = request()
    info.downstream_remote_address = info.downstream_local_address = PipeAddress("/run/x")
    assert not principal(headers, info)
    assert not permission(headers, info)


def test_an_empty_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="rule: is required"):
        compile_permission(message("envoy.config.rbac.v3.Permission", {}), FieldPath())
    with pytest.raises(ConfigError, match="identifier: is required"):
        compile_principal(message("envoy.config.rbac.v3.Principal", {}), FieldPath())
