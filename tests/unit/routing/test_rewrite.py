"""Rewrites and redirect targets.  The locations are those of Envoy 1.40."""

from __future__ import annotations

import pytest

from dataplane.routing.rewrite import Location, append_forwarded_host, replace_prefix, rewrite_target
from dataplane.semantics.header_map import RequestHeaders


def request(path: str = "/p", host: str = "h", proto: str = "http", scheme: str = "http") -> RequestHeaders:
    return RequestHeaders(
        b"GET", path.encode(), host.encode(), scheme.encode(), [(b"x-forwarded-proto", proto.encode())] if proto else []
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"/a/b?c=/a", b"/z/b?c=/a"), (b"/a", b"/z"), (b"/a#f?x", b"/z#f?x"), (b"/a?q#f", b"/z?q#f")],
)
def test_query_and_fragment_stay(target: bytes, expected: bytes) -> None:
    assert rewrite_target(target, replace_prefix(b"/z", 2)) == expected


def test_without_a_prefix_the_whole_path_is_replaced() -> None:
    assert rewrite_target(b"/a/b?c", replace_prefix(b"/z", None)) == b"/z?c"


@pytest.mark.parametrize(
    ("location", "asked", "expected"),
    [
        (Location(scheme=b"https"), request("/red/a?b", "a"), "https://a/red/a?b"),
        (Location(scheme=b"https"), request(host="h:80"), "https://h/p"),
        (Location(scheme=b"https"), request(host="h:443"), "https://h:443/p"),
        (Location(scheme=b"https"), request(host="[::1]:80"), "https://[::1]/p"),
        (Location(scheme=b"https"), request(host="[::1]"), "https://[::1]/p"),
        (Location(scheme=b"https"), request(host="h:80", proto="https"), "https://h:80/p"),
        (Location(scheme=b"https"), request(host="h:80", proto=""), "https://h:80/p"),
        (Location(scheme=b"http"), request(host="h:443", proto="https"), "http://h/p"),
        (Location(path=b"/n?z=1", strip_query=True), request("/rpath?x=y"), "http://h/n?z=1"),
        (Location(path=b"/n?z=1"), request("/rpath?x=y"), "http://h/n?z=1"),
        (Location(path=b"/n"), request("/rpath?x=y"), "http://h/n?x=y"),
        (Location(path=b"/n"), request("/rpath"), "http://h/n"),
        (Location(path=b"/n", strip_query=True), request("/rpath?x=y"), "http://h/n"),
        (Location(port=b"8443"), request(host="h:80"), "http://h:8443/p"),
        (Location(host=b"new:1"), request("/p?q"), "http://new:1/p?q"),
        (Location(strip_query=True), request("/p/x?q"), "http://h/p/x"),
        (Location(host=b"x"), request(host=""), "http://x/p"),
        (Location(scheme=b"https"), request(host=""), "https:///p"),
    ],
)
def test_location(location: Location, asked: RequestHeaders, expected: str) -> None:
    assert location(asked).decode() == expected


def test_the_host_is_added_to_x_forwarded_host_once() -> None:
    headers = request(host="a")
    append_forwarded_host(headers)
    append_forwarded_host(headers)
    assert headers.get_all(b"x-forwarded-host") == [b"a"]
    headers.authority = b"b"
    append_forwarded_host(headers)
    assert headers.get(b"x-forwarded-host") == b"a,b"


def test_no_host_is_nothing_to_add() -> None:
    headers = request(host="")
    append_forwarded_host(headers)
    assert b"x-forwarded-host" not in headers
