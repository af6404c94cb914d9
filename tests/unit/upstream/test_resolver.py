"""Names that need no name server: literals, and what /etc/hosts says."""

from __future__ import annotations

import asyncio

import pytest

from dataplane.upstream.resolver import DnsAnswer, Resolver, is_ip


def resolve(name: str, family: str) -> DnsAnswer:
    async def run() -> DnsAnswer:
        resolver = Resolver(asyncio.get_running_loop())
        try:
            return await resolver.resolve(name, family)
        finally:
            await resolver.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["10.0.0.1", "::1"])
def test_literals(name: str) -> None:
    assert resolve(name, "V4_ONLY") == DnsAnswer((name,))


@pytest.mark.parametrize(
    ("family", "addresses"),
    [
        ("AUTO", ("::1",)),
        ("V4_ONLY", ("127.0.0.1",)),
        ("V6_ONLY", ("::1",)),
        ("V4_PREFERRED", ("127.0.0.1",)),
        ("ALL", ("127.0.0.1", "::1")),
    ],
)
def test_localhost_in_every_family(family: str, addresses: tuple[str, ...]) -> None:
    assert resolve("localhost", family).addresses == addresses


def test_is_ip() -> None:
    assert is_ip("10.0.0.1")
    assert is_ip("::1")
    assert not is_ip("localhost")
    assert not is_ip("10.0.0.256")
