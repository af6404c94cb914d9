"""The two sides of a hot restart talk to each other in one process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dataplane.base.address import SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.server.channel import JSON, Channel
from dataplane.server.hot_restart.carried import totals
from dataplane.server.hot_restart.epochs import Takeover, claim
from dataplane.server.hot_restart.names import BaseIdTaken, address_of, listen, listen_anywhere
from dataplane.server.hot_restart.predecessor import NoPredecessor, Predecessor
from dataplane.server.hot_restart.sockets import HandedSockets
from dataplane.server.hot_restart.successor import Handover, SuccessorPort
from dataplane.server.options import Options
from dataplane.snapshot.listener import Listener
from tests.support.waiting import wait_until_async


class Old:
    """The process that is replaced: notes what it is told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.address = SocketAddress("127.0.0.1", self.listening.getsockname()[1])

    def handover(self) -> Handover:
        return Handover(
            started_wall=lambda: 1000.0,
            stop_admin=self._stop_admin,
            sockets=lambda: [(self.address.text, self.listening.fileno())],
            stats=self._stats,
            drain=lambda: self.done.append("drain"),
            end=lambda: self.done.append("end"),
            abandoned=self._abandoned,
        )

    async def _stop_admin(self) -> None:
        self.done.append("admin")

    async def _stats(self) -> dict[str, dict[str, int]]:
        return {"counters": {"rq": 5}, "gauges": {"cx": 2}}

    async def _abandoned(self, drained: bool) -> None:
        self.done.append(f"abandoned, drained: {drained}")


class New:
    """Who is told what was counted."""

    def __init__(self) -> None:
        self.reports: list[object] = []

    def take_predecessor(self, report: object) -> None:
        self.reports.append(report)


@asynccontextmanager
async def old_process(directory: Path) -> AsyncIterator[tuple[Old, Options]]:
    """An old process of epoch 0, and the options of the new one."""
    old = Old()
    path = str(directory / "socket")
    port = SuccessorPort(listen(path, 0o600, 7, 0), old.handover())
    try:
        yield old, Options(socket_path=path, base_id=7, restart_epoch=1, parent_shutdown_time=0)
    finally:
        port.close()
        old.listening.close()


def test_a_takeover_asks_in_this_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with old_process(tmp_path) as (old, options):
            handed, new = HandedSockets(), New()
            takeover = Takeover(options, handed, new, 0.01)
            await takeover.begin()
            assert takeover.started_wall == 1000.0
            assert old.done == ["admin"]
            (taken,) = handed(old.address, Listener("edge", old.address, ()))
            assert taken.getsockname() == old.listening.getsockname()
            assert taken.fileno() != old.listening.fileno()
            taken.close()
            await takeover.finish()
            assert old.done == ["admin", "drain", "end"]
            assert new.reports[0] == {"counters": {"rq": 5}, "gauges": {"cx": 2}}
            assert new.reports[-1] == {"gauges": {}}

    asyncio.run(scenario())


def test_statistics_may_begin_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with old_process(tmp_path) as (_, options):
            new = New()
            takeover = Takeover(dataclasses.replace(options, skip_hot_restart_parent_stats=True), HandedSockets(), new, 0.01)
            await takeover.begin()
            await takeover.finish()
            assert new.reports == [{"gauges": {}}]

    asyncio.run(scenario())


def test_without_an_old_process_there_is_nothing_to_take_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "socket")
        with pytest.raises(NoPredecessor, match="cannot reach"):
            await Takeover(Options(socket_path=path, restart_epoch=1), HandedSockets(), New(), 1.0).begin()
        content = Takeover(
            Options(socket_path=path, restart_epoch=1, skip_hot_restart_on_no_parent=True), HandedSockets(), New(), 1.0
        )
        await content.begin()
        await content.finish()

    asyncio.run(scenario())


def test_an_old_process_that_ends_meanwhile_leaves_no_question_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "socket")
        with listen(path, 0o600, 1, 0) as listening:
            asking = Predecessor.reach(address_of(path, 1, 0))
            question = asyncio.create_task(asking.hello())
            listening.accept()[0].close()
            with pytest.raises(NoPredecessor, match="ended before it answered 'hello'"):
                await question
            with pytest.raises(NoPredecessor, match="is gone"):
                await asking.sockets()
            assert asking.gone

    asyncio.run(scenario())


def test_a_process_of_another_version_is_not_understood(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "socket")
        with listen(path, 0o600, 1, 0) as listening:
            asking = Predecessor.reach(address_of(path, 1, 0))
            peer, _ = listening.accept()
            answering = Channel(
                peer, lambda *_: answering.send({"told": "hello", "version": "0", "started": 0}), lambda: None, JSON
            )
            with pytest.raises(NoPredecessor, match="speaks 0, not"):
                await asking.hello()
            asking.close()
            answering.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("drained", [False, True])
def test_the_old_process_hears_when_the_new_one_is_gone(tmp_path: Path, drained: bool) -> None:
    async def scenario() -> None:
        async with old_process(tmp_path) as (old, options):
            asking = Predecessor.reach(address_of(options.socket_path, 7, 0))
            if drained:
                await asking.drain()
            else:
                await asking.hello()
            asking.close()
            await wait_until_async(lambda: f"abandoned, drained: {drained}" in old.done, "it noticed")

    asyncio.run(scenario())


def test_only_one_process_may_take_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with old_process(tmp_path) as (_, options):
            address = address_of(options.socket_path, 7, 0)
            first = Predecessor.reach(address)
            await first.hello()
            second = Predecessor.reach(address)
            with pytest.raises(NoPredecessor):
                await second.hello()
            await first.hello()
            first.close()

    asyncio.run(scenario())


def test_a_name_is_taken_while_its_process_lives(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    first = listen(path, 0o640, 3, 0)
    assert os.stat(address_of(path, 3, 0)).st_mode & 0o777 == 0o640
    with pytest.raises(BaseIdTaken, match="base_id=3, id=0, errno=98"):
        listen(path, 0o600, 3, 0)
    listen(path, 0o600, 3, 1).close()
    first.close()
    listen(path, 0o600, 3, 0).close()  # what a dead process left is replaced


def test_a_base_id_that_nobody_has() -> None:
    first, one = listen_anywhere("@pointsman-test", 0o600)
    second, other = listen_anywhere("@pointsman-test", 0o600)
    assert one != other
    first.close()
    second.close()


def test_claims(tmp_path: Path) -> None:
    path, written = str(tmp_path / "socket"), tmp_path / "base-id"
    options, listening = claim(Options(socket_path=path, use_dynamic_base_id=True, base_id_path=str(written)))
    assert listening is not None
    assert written.read_text() == str(options.base_id)
    with listening:
        with pytest.raises(BaseIdTaken):
            claim(Options(socket_path=path, base_id=options.base_id, base_id_given=True))
        # Somebody who never asked for a base id starts all the same, without hot restart.
        without, nothing = claim(Options(socket_path=path, base_id=options.base_id))
        assert nothing is None
        assert without.disable_hot_restart
    assert claim(Options(socket_path=path, disable_hot_restart=True))[1] is None


def test_sockets_of_an_address_are_given_out_together_and_those_of_others_are_closed() -> None:
    handed = HandedSockets()
    with socket.socket() as bound, socket.socket() as gone:
        for sock in (bound, gone):
            sock.bind(("127.0.0.1", 0))
        address, other = (SocketAddress("127.0.0.1", sock.getsockname()[1]) for sock in (bound, gone))
        made = [os.dup(bound.fileno()) for _ in range(3)]
        nobodys = os.dup(gone.fileno())
        handed.take([(address.text, descriptor) for descriptor in made] + [(other.text, nobodys)])
        given = handed(address, Listener("edge", address, ()))
        assert [each.fileno() for each in given] == made
        handed.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(nobodys)
        for each in given:
            each.close()


def test_gauges_that_describe_a_process_are_not_carried_over() -> None:
    stats = StatsStore()
    stats.counter("rq").inc()
    stats.counter("never")
    for name in ("http.edge.downstream_rq_active", "server.live", "server.total_connections", "cluster.app.membership_total"):
        stats.gauge(name).set(1)
    assert totals(stats) == {
        "counters": {"rq": 1},
        "gauges": {"http.edge.downstream_rq_active": 1, "server.total_connections": 1},
    }
