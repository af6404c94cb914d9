"""The loads of nothing but connections, on a TLS server of our own."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest

from bench import handshakes
from bench.certificate import self_signed
from bench.idle import IdleConnections
from tests.support.origin import Origin, in_a_thread
from tests.support.waiting import wait_until


class SecureOrigin(Origin):
    """Behind TLS."""

    async def __aenter__(self) -> Origin:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with os.fdopen(os.memfd_create("pair"), "w") as file:
            file.write("".join(self_signed("bench.test")))
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        self._server = await asyncio.get_running_loop().create_server(self.connection, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self


@pytest.mark.parametrize("resumed", [False, True])
def test_handshakes_are_full_or_resumed_as_asked(resumed: bool) -> None:
    with in_a_thread(SecureOrigin("origin")) as origin:
        result = handshakes.main(origin.port, 0.05, resumed)
        wait_until(lambda: not origin.open, "the end of all connections")
    assert result.requests >= 1
    assert result.errors == 0
    assert 0 < result.p50_ms <= result.p99_ms


@pytest.mark.parametrize("tls", [False, True])
def test_idle_connections_stay_while_they_are_held(tls: bool) -> None:
    with in_a_thread(SecureOrigin("origin") if tls else Origin("origin")) as origin:
        with IdleConnections("/", 5, tls=tls).hold(origin.port) as count:
            assert count == len(origin.open) == 5
        wait_until(lambda: not origin.open, "the end of all connections")
    assert origin.requests == 5
