"""What a connection manager does to request headers, case by case as Envoy does."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dataplane.http.config import EscapedSlashesAction, ForwardClientCert, InternalAddresses, StripPort, UnderscoresAction
from tests.support.engine import Engine, get

EDGE: dict[str, Any] = {"use_remote_address": True}
INTERNAL: dict[str, Any] = {**EDGE, "internal_addresses": InternalAddresses(cidr_ranges=(ip_network("10.0.0.0/8"),))}


def seen(settings: dict[str, Any], *fields: bytes, path: bytes = b"/", host: bytes = b"h.test") -> dict[bytes, bytes]:
    """The fields that the upstream sees; host and path under their pseudo names."""
    engine = Engine(settings=settings)
    engine.connect().send(get(path, *fields, host=host))
    headers = engine.up.last.headers
    assert headers is not None
    return {**dict(engine.up.last.fields), b":path": headers.path, b":authority": headers.authority}


def refused(settings: dict[str, Any], data: bytes) -> tuple[int, dict[bytes, bytes], bytes, str]:
    engine = Engine(settings=settings)
    client = engine.connect()
    client.send(data)
    return (*client.take_response(), engine.log.last.response_code_details)


def test_edge_requests() -> None:
    engine = Engine(settings={**EDGE, "via": b"me"})
    engine.connect().send(
        get(b"/", b"x-envoy-foo: a", b"x-envoy-internal: true", b"x-forwarded-for: 1.2.3.4", b"x-envoy-max-retries: 3")
    )
    assert [field for field in engine.up.last.fields if field[0] not in (b"x-request-id", b"x-envoy-expected-rq-timeout-ms")] == [
        (b"x-envoy-foo", b"a"),
        (b"x-forwarded-for", b"1.2.3.4,10.1.2.3"),
        (b"x-forwarded-proto", b"http"),
        (b"via", b"me"),
        (b"x-envoy-external-address", b"10.1.2.3"),
    ]


def test_an_authority_that_was_refused_is_refused_again() -> None:
    engine = Engine()
    for _ in range(2):
        client = engine.connect()
        client.send(get(b"/", host=b"h test"))
        assert client.take_response()[0] == 400
    assert engine.log.last.response_code_details == "http.invalid_authority"


def test_internal_requests_keep_their_wishes() -> None:
    fields = seen(INTERNAL, b"x-envoy-original-url: x", b"x-envoy-internal: no")
    assert fields[b"x-envoy-internal"] == b"true"
    assert fields[b"x-envoy-original-url"] == b"x"
    assert b"x-envoy-external-address" not in fields


def test_nobody_is_internal_unless_configured() -> None:
    assert b"x-envoy-internal" not in seen(EDGE)


def test_a_request_with_a_past_is_not_internal() -> None:
    fields = seen(INTERNAL, b"x-forwarded-for: 10.0.0.1", b"x-envoy-original-url: x", b"x-envoy-decorator-operation: y")
    assert fields[b"x-envoy-external-address"] == b"10.1.2.3"
    assert not {b"x-envoy-internal", b"x-envoy-original-url", b"x-envoy-decorator-operation"} & set(fields)


@pytest.mark.parametrize(
    ("settings", "forwarded", "remote"),
    [
        ({}, b"1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ({"xff_num_trusted_hops": 1}, b"1.1.1.1, 2.2.2.2", "1.1.1.1"),
        ({"xff_num_trusted_hops": 2}, b"1.1.1.1, 2.2.2.2", "10.1.2.3"),
        ({}, b"nonsense", "10.1.2.3"),
        ({}, b"2001:db8::1", "2001:db8::1"),
        ({**EDGE, "xff_num_trusted_hops": 1}, b"1.1.1.1, 2.2.2.2", "2.2.2.2"),
        (EDGE, b"1.1.1.1", "10.1.2.3"),
    ],
)
def test_who_asks(settings: dict[str, Any], forwarded: bytes, remote: str) -> None:
    engine = Engine(settings=settings)
    engine.connect().send(get(b"/", b"x-forwarded-for: " + forwarded))
    engine.up.last.respond()
    address = engine.log.last.downstream_remote_address
    assert address is not None
    assert str(address).rpartition(":")[0].strip("[]") == remote


def test_forwarded_port_and_proto_of_a_trusted_hop_stay() -> None:
    trusted = {**EDGE, "xff_num_trusted_hops": 1, "append_x_forwarded_port": True}
    fields = seen(trusted, b"x-forwarded-proto: https", b"x-forwarded-port: 443")
    assert (fields[b"x-forwarded-proto"], fields[b"x-forwarded-port"]) == (b"https", b"443")
    fields = seen({**EDGE, "append_x_forwarded_port": True}, b"x-forwarded-proto: https", b"x-forwarded-port: 443")
    assert (fields[b"x-forwarded-proto"], fields[b"x-forwarded-port"]) == (b"http", b"80")


def test_skip_xff_append() -> None:
    assert b"x-forwarded-for" not in seen({**EDGE, "skip_xff_append": True})


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, True), (EDGE, False), ({**EDGE, "preserve_external_request_id": True}, True)],
)
def test_request_id(settings: dict[str, Any], kept: bool) -> None:
    request_id = seen(settings, b"x-request-id: mine")[b"x-request-id"]
    assert (request_id == b"mine") is kept
    assert kept or len(request_id) == 36


def test_no_request_id() -> None:
    assert b"x-request-id" not in seen({"generate_request_id": False})


def test_we_introduce_ourselves() -> None:
    fields = seen({"add_user_agent": True})
    assert fields[b"user-agent"] == fields[b"x-envoy-downstream-service-cluster"] == b"demo"
    assert fields[b"x-envoy-downstream-service-node"] == b"node-1"
    assert seen({"add_user_agent": True}, b"user-agent: me")[b"user-agent"] == b"me"


def test_client_certificates_are_only_believed_where_told() -> None:
    assert b"x-forwarded-client-cert" not in seen({}, b"x-forwarded-client-cert: x")
    told = {"forward_client_cert": ForwardClientCert.ALWAYS_FORWARD_ONLY}
    assert seen(told, b"x-forwarded-client-cert: x")[b"x-forwarded-client-cert"] == b"x"


def test_scheme() -> None:
    engine = Engine(settings={"scheme_to_overwrite": b"https"})
    engine.connect().send(get(b"/", b"x-forwarded-proto: http"))
    assert engine.up.last.headers is not None
    assert (engine.up.last.headers.scheme, engine.up.last.field(b"x-forwarded-proto")) == (b"https", b"https")


@pytest.mark.parametrize(
    ("settings", "path", "wanted"),
    [
        ({"normalize_path": True}, b"/a/../b?c=../d", b"/b?c=../d"),
        ({"merge_slashes": True}, b"/a//b?c=//d", b"/a/b?c=//d"),
        ({"path_with_escaped_slashes_action": EscapedSlashesAction.UNESCAPE_AND_FORWARD}, b"/a%2Fb%5Cc", b"/a/b\\c"),
        ({}, b"/a/../b//c%2f", b"/a/../b//c%2f"),
    ],
)
def test_paths(settings: dict[str, Any], path: bytes, wanted: bytes) -> None:
    assert seen(settings, path=path)[b":path"] == wanted


@pytest.mark.parametrize(
    ("settings", "host", "wanted"),
    [
        ({"strip_port": StripPort.ANY}, b"a:81", b"a"),
        ({"strip_port": StripPort.MATCHING}, b"a:81", b"a:81"),
        ({"strip_port": StripPort.MATCHING}, b"a:80", b"a"),
        ({"strip_trailing_host_dot": True}, b"a.:81", b"a:81"),
        ({}, b"a.:80", b"a.:80"),
    ],
)
def test_hosts(settings: dict[str, Any], host: bytes, wanted: bytes) -> None:
    assert seen(settings, host=host)[b":authority"] == wanted


@pytest.mark.parametrize(
    ("settings", "data", "status", "details"),
    [
        ({}, b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header"),
        ({}, get(b"/", b"connection: host"), 400, "missing_host_header"),
        ({}, get(b"/a#b"), 400, "path_normalization_failed"),
        ({"normalize_path": True}, get(b"/a%00"), 400, "path_normalization_failed"),
        (
            {"path_with_escaped_slashes_action": EscapedSlashesAction.REJECT_REQUEST},
            get(b"/a%2Fb"),
            400,
            "path_normalization_failed",
        ),
        ({}, get(b"*", method=b"OPTIONS"), 404, "absolute_path_rejected"),
        ({}, get(method=b"QUERY"), 400, "query_missing_content_type"),
    ],
)
def test_refused_without_a_body(settings: dict[str, Any], data: bytes, status: int, details: str) -> None:
    got, fields, body, why = refused(settings, data)
    assert (got, body, why) == (status, b"", details)
    assert (fields.get(b"connection") == b"close") is (status == 400)
    assert list(fields)[-1] == b"content-length"


def test_an_invalid_message_may_leave_the_connection_open() -> None:
    _, fields, _, _ = refused({"stream_error_on_invalid_http_message": True}, b"GET / HTTP/1.1\r\n\r\n")
    assert b"connection" not in fields


def test_escaped_slashes_may_redirect() -> None:
    settings = {"path_with_escaped_slashes_action": EscapedSlashesAction.UNESCAPE_AND_REDIRECT}
    status, fields, _, _ = refused(settings, get(b"/a%2Fb?c"))
    assert (status, fields[b"location"]) == (307, b"/a/b?c")
    assert refused(settings, get(b"/a%2Fb", b"content-type: application/grpc"))[0] == 200  # grpc-status in the head


def test_underscores() -> None:
    action = {"headers_with_underscores_action": UnderscoresAction.REJECT_REQUEST}
    assert refused(action, get(b"/", b"x_a: 1"))[3] == "http1.unexpected_underscore"
    assert b"x_a" not in seen({"headers_with_underscores_action": UnderscoresAction.DROP_HEADER}, b"x_a: 1")
    assert seen({}, b"x_a: 1")[b"x_a"] == b"1"


def test_proxy_connection_close_ends_the_connection() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"proxy-connection: Close"))
    engine.up.last.respond()
    assert client.take_response()[1][b"connection"] == b"close"
    assert engine.up.last.field(b"proxy-connection") is None


@pytest.mark.parametrize("settings", [EDGE, {**EDGE, "via": b"me"}])
def test_te_keeps_trailers_and_nothing_else(settings: dict[str, Any]) -> None:
    assert seen(settings, b"te: trailers", b"a: b")[b"te"] == b"trailers"
    assert seen(settings, b"te: gzip, trailers")[b"te"] == b"trailers"
    assert b"te" not in seen(settings, b"te: gzip")
    twice = seen(settings, b"te: trailers", b"te: gzip")
    assert twice[b"te"] == b"trailers"


def test_the_port_is_told_whoever_says_who_asks() -> None:
    settings = {"append_x_forwarded_port": True}
    assert seen(settings)[b"x-forwarded-port"] == b"80"
    assert seen(settings, b"x-forwarded-port: 7")[b"x-forwarded-port"] == b"7"
    assert b"x-forwarded-port" not in seen({})
