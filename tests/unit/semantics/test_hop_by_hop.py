"""Fields that are for one connection only.  Tried against Envoy, field by field."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ProtocolError
from dataplane.semantics.header_map import RequestHeaders
from dataplane.semantics.hop_by_hop import drop_upgrades, is_upgrade, strip_request


def headers(*fields: tuple[bytes, bytes]) -> RequestHeaders:
    return RequestHeaders(b"GET", b"/", b"h", fields=list(fields))


def test_what_connection_names_goes() -> None:
    request = headers((b"connection", b"X-A, keep-alive"), (b"x-a", b"1"), (b"x-b", b"2"), (b"keep-alive", b"5"))
    strip_request(request)
    assert request.fields == [(b"x-b", b"2")]


@pytest.mark.parametrize("name", [b":path", b"x-forwarded-for", b"X-Forwarded-Host", b"x-forwarded-proto"])
def test_some_names_must_not_be_named(name: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"http1\.connection_header_rejected"):
        strip_request(headers((b"connection", name)))


def test_ten_names_are_too_many() -> None:
    strip_request(headers((b"connection", b",".join(b"x%d" % n for n in range(9)))))
    with pytest.raises(ProtocolError):
        strip_request(headers((b"connection", b",".join(b"x%d" % n for n in range(10)))))


def test_naming_host_takes_it_away() -> None:
    request = headers((b"connection", b"host"))
    strip_request(request)
    assert request.authority == b""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"trailers", True),
        (b"gzip;q=1, trailers", True),
        (b",trailers", True),
        (b"Trailers", False),
        (b"trailers;q=1", False),
        (b"gzip", False),
    ],
)
def test_only_trailers_stay_of_te(value: bytes, kept: bool) -> None:
    request = headers((b"te", value))
    strip_request(request)
    assert request.fields == ([(b"te", b"trailers")] if kept else [])


def test_upgrade_needs_both_fields() -> None:
    assert is_upgrade(headers((b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"websocket")))
    assert not is_upgrade(headers((b"connection", b"keep-alive"), (b"upgrade", b"websocket")))
    assert not is_upgrade(headers((b"connection", b"upgrade")))


def test_h2c_is_taken_off_an_offer() -> None:
    request = headers((b"upgrade", b"h2c, websocket"), (b"http2-settings", b"x"))
    drop_upgrades(request, None)
    assert request.fields == [(b"upgrade", b"websocket")]
    drop_upgrades(request := headers((b"upgrade", b"h2c")), None)
    assert request.fields == []


def test_offers_that_are_to_be_ignored_are_taken_off() -> None:
    request = headers((b"upgrade", b"foo, WebSocket , h2c"))
    drop_upgrades(request, lambda offer: offer.lower() == b"websocket")
    assert request.fields == [(b"upgrade", b"foo")]
