"""A listener that bypasses the overload manager."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count

from dataplane.api.overload import OverloadLevels
from dataplane.base.address import SocketAddress
from dataplane.listener.connection import Connection
from dataplane.listener.drain import Shortage
from dataplane.listener.listener import ActiveListener
from dataplane.snapshot.listener import Listener
from tests.support.engine import Engine

SPARED = Listener("spared", SocketAddress("127.0.0.1", 80), (), bypass_overload_manager=True)


def pressed() -> tuple[ActiveListener, OverloadLevels]:
    levels = OverloadLevels()
    levels.reject_connections = levels.refuse_requests = 1.0
    server = replace(Engine().server, overload=levels)
    return ActiveListener(SPARED, server, count(1).__next__), levels


def test_its_connections_are_taken_and_see_no_overload_manager() -> None:
    listener, _ = pressed()
    connection = listener.new_connection()
    assert isinstance(connection, Connection)
    assert connection.server.overload is None


def test_it_goes_on_accepting_and_asks_nobody_to_end() -> None:
    listener, _ = pressed()
    asyncio.run(listener.pause_accepting(True))
    listener.ask_to_end(Shortage(1.0))
    connection = listener.new_connection()
    assert isinstance(connection, Connection)
    listener.on_accepted(connection)
    assert connection.drain is None


def test_an_update_may_end_its_exemption() -> None:
    listener, levels = pressed()
    listener.update(replace(SPARED, bypass_overload_manager=False), Shortage(0.0))
    assert listener.server.overload is levels
    assert not isinstance(listener.new_connection(), Connection)
