"""The local end of the relay; what it does at the other end is in tests/e2e/test_xds_client_transport.py."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import subprocess
import sys

import pytest

from dataplane.api.transport_socket import Layer
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.snapshot.cluster import TcpKeepalive
from dataplane.xds.relay import Relay, keep_alive
from dataplane.xds.source import EnvoyGrpc
from tests.support.waiting import wait_until_async

CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1]); print(len(s.recv(1)))"


def relay_to(address: Address, connect_timeout: float = 5.0) -> Relay:
    """Through a layer that is never ready."""
    return Relay(EnvoyGrpc("xds", (address,), secure=lambda above: Layer(), connect_timeout=connect_timeout), address)


def test_no_other_process_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with relay_to(SocketAddress("127.0.0.1", 1)) as relay:
            name = relay.target.removeprefix("unix-abstract:")
            command = [sys.executable, "-c", CONNECT, name]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=True)
            assert done.stdout == b"0\n"
            assert "is not this one" in relay.failure

    with caplog.at_level(logging.WARNING, "connection"):
        asyncio.run(scenario())
    assert "tried to use our connection to the management server" in caplog.text


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_at_the_end_leaves_no_socket(turns: int) -> None:
    """However far the loop has got with it."""

    async def scenario(client: socket.socket) -> None:
        async with relay_to(SocketAddress("127.0.0.1", 1)) as relay:
            client.connect("\0" + relay.target.removeprefix("unix-abstract:"))
            for _ in range(turns):
                await asyncio.sleep(0)
        assert client.recv(1) == b""

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10.0)
        with contextlib.suppress(ConnectionResetError):  # by the kernel, if it was never accepted
            asyncio.run(scenario(client))
    gc.collect()  # a socket that nobody closed warns here


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    async def scenario(port: int) -> None:
        async with relay_to(SocketAddress("127.0.0.1", port), 0.05) as relay:
            _, writer = await asyncio.open_unix_connection("\0" + relay.target.removeprefix("unix-abstract:"))
            await wait_until_async(lambda: relay.failure, "a failure")
            assert relay.failure == "not connected within 0.05 s"
            writer.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody else
        asyncio.run(scenario(silent.getsockname()[1]))


@pytest.mark.parametrize("address", [PipeAddress("/nonexistent/xds"), PipeAddress("@nonexistent-xds")], ids=str)
def test_a_server_that_is_not_there_is_told_of(address: PipeAddress) -> None:
    async def scenario() -> None:
        async with relay_to(address) as relay:
            _, writer = await asyncio.open_unix_connection("\0" + relay.target.removeprefix("unix-abstract:"))
            await wait_until_async(lambda: relay.failure, "a failure")
            assert relay.failure.startswith("[Errno")
            writer.close()

    asyncio.run(scenario())


def test_only_what_grpc_cannot_do_needs_a_relay() -> None:
    port, pipe = SocketAddress("127.0.0.1", 1), PipeAddress("./XDS")
    kept = TcpKeepalive(time=300)
    assert not Relay.needed(EnvoyGrpc("xds", (port,)), port)
    assert not Relay.needed(EnvoyGrpc("xds", (pipe,), tcp_keepalive=kept), pipe)
    assert Relay.needed(EnvoyGrpc("xds", (port,), tcp_keepalive=kept), port)
    assert Relay.needed(EnvoyGrpc("xds", (pipe,), secure=lambda above: None), pipe)


def test_keepalive_settings_that_are_given_are_set() -> None:
    with socket.socket() as connection:
        default = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        keep_alive(connection, TcpKeepalive(probes=4, time=300))
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 300
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == default
