"""The local end of the relay; what it does at the other end is in tests/e2e/test_xds_client_transport.py."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.xds.source import Tls
from dataplane.xds.tls_relay import TlsRelay
from tests.support.waiting import wait_until_async

CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1]); print(len(s.recv(1)))"


def test_no_other_process_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with TlsRelay(SocketAddress("127.0.0.1", 1), Tls(), 5.0) as relay:
            name = relay.target.removeprefix("unix-abstract:")
            command = [sys.executable, "-c", CONNECT, name]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=True)
            assert done.stdout == b"0\n"
            assert "is not this one" in relay.failure

    with caplog.at_level(logging.WARNING, "connection"):
        asyncio.run(scenario())
    assert "tried to use our connection to the management server" in caplog.text


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    async def scenario() -> None:
        accepted: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        async with TlsRelay(SocketAddress("127.0.0.1", port), Tls(), 0.05) as relay:
            _, writer = await asyncio.open_unix_connection("\0" + relay.target.removeprefix("unix-abstract:"))
            await wait_until_async(lambda: relay.failure, "a failure")
            assert relay.failure == "no TLS connection within 0.05 s"
            writer.close()
        for connection in accepted:
            connection.close()
        silent.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("address", [PipeAddress("/nonexistent/xds"), PipeAddress("@nonexistent-xds")], ids=str)
def test_a_server_that_is_not_there_is_told_of(address: PipeAddress) -> None:
    async def scenario() -> None:
        async with TlsRelay(address, Tls(), 5.0) as relay:
            _, writer = await asyncio.open_unix_connection("\0" + relay.target.removeprefix("unix-abstract:"))
            await wait_until_async(lambda: relay.failure, "a failure")
            assert relay.failure.startswith("TLS: [Errno")
            writer.close()

    asyncio.run(scenario())
