"""Which requests come from a web page that must not make them."""

from __future__ import annotations

import pytest

from controlplane.admin.browser import is_foreign


@pytest.mark.parametrize(
    ("host", "origin", "any_host", "expected"),
    [
        ("127.0.0.1:8080", None, False, False),
        ("[::1]:8080", None, False, False),
        ("localhost:8080", None, False, False),
        ("10.0.0.1", None, False, False),
        ("evil.example:8080", None, False, True),
        ("controlplane:8080", None, True, False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", False, False),
        ("127.0.0.1:8080", "http://127.0.0.1:9090", False, True),
        ("127.0.0.1:8080", "https://evil.example", False, True),
        ("127.0.0.1:8080", "null", False, True),
        ("controlplane:8080", "https://evil.example", True, True),
        ("[bad", None, True, True),
        ("127.0.0.1:8080", "http://[bad", True, True),
        ("", None, False, True),
    ],
)
def test_foreign_requests(host: str, origin: str | None, any_host: bool, expected: bool) -> None:
    assert is_foreign(host, origin, any_host=any_host) is expected
