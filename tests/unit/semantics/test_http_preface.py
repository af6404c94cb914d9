"""The first line of a connection that may speak HTTP.  The verdicts were tried with Envoy 1.40."""

from __future__ import annotations

import pytest

from dataplane.semantics.http_preface import H2_PREFACE, MOST, Preface, look_at_preface


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"FOO / HTTP/1.1",
        b"get / HTTP/1.1",
        b"GET  /  HTTP/1.1 ",
        b"GET\t/\x01 HTTP/1.1\0",
        b"GET http://a.test/x?y HTTP/1.1",
        b"CONNECT a HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ],
)
def test_http_11(line: bytes) -> None:
    assert look_at_preface(line + b"\r\nhost: a\r\n") is Preface.HTTP_11
    assert look_at_preface(line + b"\n") is Preface.HTTP_11


@pytest.mark.parametrize("line", [b"GET / HTTP/1.0", b"GET / HTTP/0.9", b"GET / HTTP/1.2", b"GET /", b"PRI * HTTP/2.0"])
def test_every_other_version_is_the_old_one(line: bytes) -> None:
    assert look_at_preface(line + b"\r\n\r\nSX") is Preface.HTTP_10


@pytest.mark.parametrize(
    "line",
    [
        b"GET",
        b"GET / HTTP/1.11",
        b"GET / HTTP/1.x",
        b"GET / http/1.1",
        b"GET /a b HTTP/1.1",
        b"GET a.test HTTP/1.1",
        b"GET http://a@@b/ HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"HTTP/1.1 200 OK",
        b" GET / HTTP/1.1",
        b"",
    ],
)
def test_not_http(line: bytes) -> None:
    assert look_at_preface(line + b"\r\n") is Preface.NOT_HTTP


def test_http_2() -> None:
    assert look_at_preface(H2_PREFACE + b"more") is Preface.HTTP_2


@pytest.mark.parametrize("data", [b"", b"G", b"GET / HTTP/1.1\r", H2_PREFACE[:-1], b"x" * (MOST - 1)])
def test_more_is_needed(data: bytes) -> None:
    assert look_at_preface(data) is Preface.INCOMPLETE


def test_the_first_byte_may_settle_it() -> None:
    assert look_at_preface(b"\x16") is Preface.NOT_HTTP


def test_a_line_that_does_not_end() -> None:
    assert look_at_preface(b"x" * MOST) is Preface.TOO_LONG
    assert look_at_preface(b"x" * MOST + b"\n") is Preface.TOO_LONG
