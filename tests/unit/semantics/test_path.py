"""Paths and hosts in the form that routing sees.  The pairs of `test_normalize` were tried against Envoy."""

from __future__ import annotations

import pytest

from dataplane.semantics import path


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (b"/up/./a", b"/up/a"),
        (b"/up/../up/b", b"/up/b"),
        (b"/up/%61%7E%2d", b"/up/a~-"),
        (b"/up/%zz", b"/up/%zz"),
        (b"/up\\a", b"/up/a"),
        (b"/up/a%20b", b"/up/a%20b"),
        (b'/up/<>"{}|^`', b"/up/%3C%3E%22%7B%7D%7C%5E%60"),
        (b"/../../up", b"/up"),
        (b"/up/%00", None),
        (b"/up/..", b"/"),
        (b"/up/%2e%2E/up/x", b"/up/x"),
        (b"/up/a;b/../c", b"/up/c"),
        (b"/up?a=../b", b"/up?a=../b"),
        (b"/up/.", b"/up/"),
        (b"/up/%c3%a9", b"/up/%c3%a9"),
        (b"/up/%2f", b"/up/%2f"),
        (b"/up/..;/a", b"/a"),
    ],
)
def test_normalize(target: bytes, wanted: bytes | None) -> None:
    assert path.normalize(target) == wanted


def test_merge_slashes_leaves_the_query() -> None:
    assert path.merge_slashes(b"//a///b?c=//d") == b"/a/b?c=//d"
    assert path.merge_slashes(b"/a?b=//") == b"/a?b=//"


def test_unescape_slashes_leaves_the_query() -> None:
    assert path.unescape_slashes(b"/a%2Fb%5cc%2f?%2F") == b"/a/b\\c/?%2F"


@pytest.mark.parametrize(
    ("host", "only", "wanted"),
    [
        (b"a:80", None, b"a"),
        (b"a", None, b"a"),
        (b"a:80", 81, b"a:80"),
        (b"a:80", 80, b"a"),
        (b"[::1]:80", None, b"[::1]"),
        (b"[::1]", None, b"[::1]"),
        (b"::1", None, b"::1"),
        (b"a:x", None, b"a:x"),
    ],
)
def test_strip_port(host: bytes, only: int | None, wanted: bytes) -> None:
    assert path.strip_port(host, only) == wanted


def test_strip_trailing_dot() -> None:
    assert path.strip_trailing_dot(b"a.:80") == b"a:80"
    assert path.strip_trailing_dot(b"a.") == b"a"
    assert path.strip_trailing_dot(b"a:80") == b"a:80"
