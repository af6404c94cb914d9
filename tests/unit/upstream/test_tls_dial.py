"""Dials through a layer that are given up: nothing that was opened for them stays open."""

from __future__ import annotations

import asyncio
from typing import cast

from dataplane.api.transport_socket import Layer
from dataplane.api.upstream import PoolFailure
from dataplane.upstream.connector import Dialled
from dataplane.upstream.tls_dial import _SecureDial


class Above(Dialled):
    """Wants to hear no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise AssertionError("given up")

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        raise AssertionError("given up")


class FakeTransport:
    def __init__(self) -> None:
        self.aborted = False

    def set_protocol(self, protocol: object) -> None: ...

    def abort(self) -> None:
        self.aborted = True


class FakeLayer:
    transport: FakeTransport

    def connection_made(self, transport: FakeTransport) -> None:
        """The handshake begins."""
        self.transport = transport


def dial() -> _SecureDial:
    made = _SecureDial(Above())
    made.layer = cast(Layer, FakeLayer())
    return made


def test_a_socket_that_comes_too_late_is_closed() -> None:
    given_up, transport = dial(), FakeTransport()
    given_up.cancel()
    given_up.connection_made(cast(asyncio.Transport, transport))
    assert transport.aborted


def test_a_socket_whose_handshake_goes_on_is_closed() -> None:
    given_up, transport = dial(), FakeTransport()
    given_up.connection_made(cast(asyncio.Transport, transport))
    given_up.cancel()
    assert transport.aborted
