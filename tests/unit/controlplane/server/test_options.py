"""Addresses to listen on."""

from __future__ import annotations

import pytest

from controlplane.server.options import ListenAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0), (":80", "::", 80), ("localhost:65535", "localhost", 65535)],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == (host, port)
    assert ListenAddress.parse(str(ListenAddress(host, port))) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80", "a:-1", "a:²"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        ListenAddress.parse(text)
