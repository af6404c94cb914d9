"""Who asks, as extensions find it out; and which of their configurations are refused, in Envoy's words."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.extensions.filters.network.http_connection_manager import compile_manager
from dataplane.http.config import HttpConnectionManagerConfig
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import message
from tests.support.engine import Engine, get

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TYPES = "type.googleapis.com/envoy.extensions.http.original_ip_detection."
PEER = SocketAddress("9.0.0.1", 5)


def xff(**fields: Any) -> dict[str, Any]:
    return {"name": "x", "typed_config": {"@type": TYPES + "xff.v3.XffConfig", **fields}}


def header(**fields: Any) -> dict[str, Any]:
    return {
        "name": "h",
        "typed_config": {"@type": TYPES + "custom_header.v3.CustomHeaderConfig", "header_name": "X-Real-IP", **fields},
    }


def networks(*prefixes: str, **fields: Any) -> dict[str, Any]:
    return xff(xff_trusted_cidrs={"cidrs": [{"address_prefix": each, "prefix_len": 8} for each in prefixes]}, **fields)


def compiled(*extensions: dict[str, Any], **fields: Any) -> tuple[HttpConnectionManagerConfig, list[str]]:
    content = {"stat_prefix": "p", "route_config": {}, "original_ip_detection_extensions": list(extensions), **fields}
    context = CompileContext()
    return compile_manager(message(MANAGER, content), FieldPath(), context), [str(each) for each in context.problems.errors]


def detect(extension: dict[str, Any], *fields: tuple[bytes, bytes], peer: Any = PEER) -> tuple[str, bool, int, bool]:
    config, problems = compiled(extension)
    assert not problems
    headers = RequestHeaders(b"GET", b"/", b"3.3.3.3", b"http")
    for name, value in fields:
        headers.add(name, value)
    found = config.ip_detectors[0].detect(headers, peer)
    host = found.address.host if isinstance(found.address, SocketAddress) else ""
    return host, found.is_trusted, found.reject_with, found.append


def xff_field(value: bytes) -> tuple[bytes, bytes]:
    return b"x-forwarded-for", value


@pytest.mark.parametrize(
    ("extension", "value", "expected"),
    [
        (xff(), b"1.1.1.1", ("1.1.1.1", True, 0, False)),
        (xff(skip_xff_append=False), b"1.1.1.1", ("1.1.1.1", True, 0, True)),
        (xff(xff_num_trusted_hops=1), b"1.1.1.1,2.2.2.2", ("1.1.1.1", False, 0, False)),
        (xff(xff_num_trusted_hops=1), b"1.1.1.1", ("", False, 0, False)),
        (networks("9.0.0.0"), b"1.1.1.1, 9.2.2.2", ("1.1.1.1", False, 0, False)),
        (networks("9.0.0.0", skip_xff_append=False), b"9.1.1.1 ,9.2.2.2", ("9.1.1.1", False, 0, True)),
        (networks("9.0.0.0"), b"9.1.1.1", ("9.1.1.1", True, 0, False)),
        (networks("9.0.0.0"), b"1.1.1.1,nobody,9.1.1.1", ("", False, 0, False)),
        (networks("8.0.0.0"), b"1.1.1.1", ("", False, 0, True)),
        (networks(), b"9.1.1.1", ("9.1.1.1", True, 0, False)),
    ],
)
def test_forwarded_for(extension: dict[str, Any], value: bytes, expected: tuple[str, bool, int, bool]) -> None:
    assert detect(extension, xff_field(value)) == expected


def test_no_field_and_no_address() -> None:
    assert detect(networks("9.0.0.0")) == ("", False, 0, False)
    assert detect(networks("9.0.0.0"), xff_field(b"1.1.1.1"), peer=PipeAddress("/p")) == ("", False, 0, True)


@pytest.mark.parametrize(
    ("extension", "value", "expected"),
    [
        (header(), b"1.1.1.1", ("1.1.1.1", False, 0, False)),
        (header(allow_extension_to_set_address_as_trusted=True), b"::1", ("::1", True, 0, False)),
        (header(), b"1.1.1.1:80", ("", False, 0, False)),
        (header(reject_with_status={"code": "Unauthorized"}), b"nobody", ("", False, 401, False)),
        (header(reject_with_status={"code": "OK"}), b"nobody", ("", False, 403, False)),
        (header(reject_with_status={"code": "Unauthorized"}), b"1.1.1.1", ("1.1.1.1", False, 0, False)),
        (header(header_name=":authority"), b"1.1.1.1", ("3.3.3.3", False, 0, False)),
        (header(header_name="host"), b"1.1.1.1", ("3.3.3.3", False, 0, False)),
    ],
)
def test_a_header(extension: dict[str, Any], value: bytes, expected: tuple[str, bool, int, bool]) -> None:
    assert detect(extension, (b"x-real-ip", value)) == expected


@pytest.mark.parametrize(
    ("fields", "extension", "error"),
    [
        ({"use_remote_address": True}, xff(), "Original IP detection extensions and use_remote_address may not be mixed"),
        ({"xff_num_trusted_hops": 1}, xff(), "Original IP detection extensions and xff_num_trusted_hops may not be mixed"),
        ({}, xff(xff_num_trusted_hops=1, xff_trusted_cidrs={}), "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs"),
        ({}, networks("nobody"), "malformed IP address: nobody"),
        ({}, {"name": "h", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct"}}, "registered implementation"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], extension: dict[str, Any], error: str) -> None:
    [problem] = compiled(extension, **fields)[1]
    assert problem.startswith("original_ip_detection_extensions")
    assert error in problem


def test_detectors_are_asked_in_their_order_and_the_peer_is_added_between_them() -> None:
    config, _ = compiled(xff(skip_xff_append=False), header(reject_with_status={"code": "Forbidden"}))
    engine = Engine(settings={"ip_detectors": config.ip_detectors})
    engine.connect().send(get(b"/", b"x-real-ip: 2.2.2.2", b"x-forwarded-for: nobody"))
    assert (b"x-forwarded-for", b"nobody,10.1.2.3") in engine.up.last.fields
    engine.up.last.respond(200)
    assert engine.log.last.downstream_remote_address == SocketAddress("2.2.2.2", 0)


def test_a_request_that_nobody_vouches_for_goes_no_further() -> None:
    config, _ = compiled(header(reject_with_status={"code": "Forbidden"}))
    engine = Engine(settings={"ip_detectors": config.ip_detectors})
    client = engine.connect()
    client.send(get(b"/"))
    status, _, body = client.take_response()
    assert (status, body) == (403, b"")
    assert engine.log.last.response_code_details == "rejecting_because_detection_failed"
    assert not engine.up.exchanges
