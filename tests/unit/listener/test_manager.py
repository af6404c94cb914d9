"""The listener manager over real loopback sockets: added, changed, removed, drained."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from dataplane.api.listener_filter import Inspected, Inspection
from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.snapshot.listener import MODIFY_ONLY, Listener
from dataplane.snapshot.socket_option import BOUND, LISTENING, SocketOption
from tests.support.listener_world import ANY_PORT, EchoFactory, World, ask, listener, run
from tests.support.waiting import wait_until_async


def test_a_listener_accepts() -> None:
    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        assert await world.publish(listener("one", factory)) == {}
        streams = await world.connect("one")
        assert await ask(streams) == b"a:x"
        made = factory.made[0].connection
        assert made.local_address == world.address("one")
        assert world.value("listener_manager.total_listeners_active") == 1
        assert world.value("listener.127.0.0.1_0.downstream_cx_active") == 1
        assert world.manager.connections == 1
        streams[1].close()
        await wait_until_async(lambda: factory.made[0].closed == "", "the filter hears of the end")
        assert world.value("listener.127.0.0.1_0.downstream_cx_destroy") == 1

    run(scenario)


def test_a_changed_chain_drains_its_own_connections_only() -> None:
    async def scenario(world: World) -> None:
        old, kept, new = EchoFactory(b"a"), EchoFactory(b"b"), EchoFactory(b"c")
        await world.publish(listener("one", old), listener("two", kept))
        port = world.address("one")
        streams = await world.connect("one"), await world.connect("two")
        for each in streams:
            await ask(each)
        await world.publish(listener("one", new), listener("two", EchoFactory(b"b")))
        assert world.address("one") == port
        assert old.made[0].drained
        assert not kept.made[0].drained
        assert await ask(streams[0]) == b"a:x"
        assert await ask(await world.connect("one")) == b"c:x"
        assert world.value("listener_manager.listener_in_place_updated") == 2
        assert world.value("listener_manager.total_filter_chains_draining") == 1
        streams[0][1].close()
        await wait_until_async(
            lambda: world.value("listener_manager.total_filter_chains_draining") == 0,
            "the chain is done with its last connection",
        )
        assert len(world.deadlines) == 0

    run(scenario)


def test_a_chain_that_is_gone_is_drained_to_its_end_whatever_drains_beside_it() -> None:
    async def scenario(world: World) -> None:
        old = EchoFactory(b"a")
        await world.publish(listener("one", old))
        streams = await world.connect("one")
        await ask(streams)
        world.manager.start_draining(0.0, False)
        await world.publish(listener("one", EchoFactory(b"b")))
        assert world.value("listener_manager.total_filter_chains_draining") == 1
        world.manager.stop_draining()
        assert old.made[0].connection.drain is not None
        assert (await ask(await world.connect("one"))) == b"b:x"
        assert await streams[0].read() == b""
        assert old.made[0].connection.info.local_close_reason == "filter_chain_is_being_removed"

    run(scenario, drain_time=0.05)


def test_drained_connections_are_closed_in_the_end() -> None:
    async def scenario(world: World) -> None:
        old = EchoFactory(b"a")
        await world.publish(listener("one", old))
        streams = await world.connect("one")
        await ask(streams)
        await world.publish(listener("one", EchoFactory(b"b")))
        assert await streams[0].read() == b""
        assert world.value("listener_manager.total_filter_chains_draining") == 0

    run(scenario, drain_time=0.05)


def test_a_removed_listener_takes_no_more_and_lets_its_connections_end() -> None:
    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        await world.publish(listener("one", factory))
        address = world.address("one")
        streams = await world.connect("one")
        await ask(streams)
        await world.publish()
        with pytest.raises(ConnectionRefusedError):
            await world.open(address)
        assert factory.made[0].drained
        assert world.value("listener_manager.total_listeners_draining") == 1
        assert await ask(streams) == b"a:x"
        streams[1].close()
        await wait_until_async(lambda: world.value("listener_manager.total_listeners_draining") == 0, "the listener is gone")
        assert world.value("listener_manager.listener_removed") == 1

    run(scenario)


def test_a_listener_moves_to_another_address() -> None:
    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        await world.publish(listener("one", factory))
        before = world.address("one")
        await world.publish(listener("one", factory, SocketAddress("127.0.0.2", 0)))
        assert world.address("one").host == "127.0.0.2"
        with pytest.raises(ConnectionRefusedError):
            await world.open(before)
        assert await ask(await world.connect("one")) == b"a:x"

    run(scenario)


def test_an_address_in_use_is_reported_and_the_old_one_kept() -> None:
    async def scenario(world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            factory = EchoFactory(b"a")
            await world.publish(listener("one", factory))
            before = world.address("one")
            wanted = SocketAddress("127.0.0.1", taken.getsockname()[1])
            failed = await world.publish(listener("one", factory, wanted))
            assert list(failed) == ["one"]
            assert world.address("one") == before
            assert world.value("listener_manager.listener_create_failure") == 1

    run(scenario)


def test_additional_addresses() -> None:
    async def scenario(world: World) -> None:
        await world.publish(listener("one", EchoFactory(b"a"), additional_addresses=(SocketAddress("127.0.0.2", 0),)))
        (status,) = world.manager.status
        for address in status.addresses:
            assert isinstance(address, SocketAddress)
            assert await ask(await world.open(address)) == b"a:x"

    run(scenario)


def test_a_pipe_with_its_mode(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        path = tmp_path / "pipe"
        factory = EchoFactory(b"a")
        await world.publish(listener("one", factory, PipeAddress(str(path), 0o600)))
        assert path.stat().st_mode & 0o777 == 0o600
        assert await ask(await world.open(PipeAddress(str(path)))) == b"a:x"
        assert factory.made[0].connection.remote_address == PipeAddress("")

    run(scenario)


def test_no_filter_chain_for_a_connection() -> None:
    async def scenario(world: World) -> None:
        await world.publish(Listener("one", ANY_PORT, ()))
        streams = await world.connect("one")
        assert await streams[0].read() == b""
        assert world.value("listener.127.0.0.1_0.no_filter_chain_match") == 1
        await wait_until_async(lambda: world.manager.connections == 0, "the connection is forgotten")

    run(scenario)


def test_draining_everything_and_taking_it_back() -> None:
    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        await world.publish(listener("one", factory))
        await ask(await world.connect("one"))
        world.manager.start_draining(0.0, False)
        assert factory.made[0].drained
        assert factory.made[0].connection.drain is not None
        await ask(await world.connect("one"))
        assert factory.made[1].connection.drain is not None
        world.manager.stop_draining()
        assert factory.made[0].connection.drain is None

    run(scenario)


def test_a_failed_health_check_spares_listeners_that_drain_for_changes_only() -> None:
    async def scenario(world: World) -> None:
        spared, drained = EchoFactory(b"a"), EchoFactory(b"b")
        await world.publish(listener("one", spared, drain_type=MODIFY_ONLY), listener("two", drained))
        for name in ("one", "two"):
            await ask(await world.connect(name))
        world.manager.start_draining(0.0, False, spares_modify_only=True)
        assert spared.made[0].connection.drain is None
        assert drained.made[0].connection.drain is not None
        world.manager.start_draining(0.0, False)
        assert spared.made[0].connection.drain is not None

    run(scenario)


class Restores:
    """A listener filter that learns another destination."""

    def inspect(self, inspected: Inspected) -> Inspection:
        inspected.local_address = SocketAddress("10.9.9.9", 99)
        inspected.restored = True
        return Inspection.DONE


def test_a_restored_destination_brings_a_connection_to_its_listener() -> None:
    async def scenario(world: World) -> None:
        front, behind = EchoFactory(b"a"), EchoFactory(b"b")
        owner = listener("two", behind, SocketAddress("0.0.0.0", 99), bind_to_port=False)
        await world.publish(listener("one", front, listener_filters=(Restores(),), use_original_dst=True), owner)
        assert await ask(await world.connect("one")) == b"b:x"
        assert front.made == []
        connection = behind.made[0].connection
        assert connection.listener.name == "two"
        assert connection.info.destination_restored
        assert world.value("listener.0.0.0.0_99.downstream_cx_active") == 1
        assert world.manager.connections == 1
        await world.publish(listener("one", front, listener_filters=(Restores(),), use_original_dst=True))
        assert await ask(await world.connect("one")) == b"a:x"

    run(scenario)


def test_options_are_set_in_their_state() -> None:
    keepalive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    priority = (socket.SOL_SOCKET, socket.SO_PRIORITY)

    async def scenario(world: World) -> None:
        options = (SocketOption(*keepalive, 1, BOUND), SocketOption(*priority, 3, LISTENING))
        await world.publish(listener("one", EchoFactory(b"a"), socket_options=options))
        (active,) = world.manager._active.values()
        ((_, sock),) = active.sockets
        assert sock.getsockopt(*keepalive) == 1
        assert sock.getsockopt(*priority) == 3

    run(scenario)


def test_few_connections_at_a_time_are_connections_all_the_same() -> None:
    async def scenario(world: World) -> None:
        config = listener("one", EchoFactory(b"a"), max_connections_to_accept_per_socket_event=1)
        await world.publish(config)
        streams = await asyncio.gather(*(world.connect("one") for _ in range(5)))
        assert [await ask(each) for each in streams] == [b"a:x"] * 5
        address = world.address("one")
        world.manager.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            await world.open(address)
        assert await ask(streams[0]) == b"a:x"

    run(scenario)


def test_the_end_closes_idle_connections_those_of_listeners_that_are_gone_as_well() -> None:
    async def scenario(world: World) -> None:
        await world.publish(listener("one", EchoFactory(b"a")), listener("gone", EchoFactory(b"b")))
        streams, others = await world.connect("one"), await world.connect("gone")
        await ask(streams)
        await ask(others)
        await world.publish(listener("one", EchoFactory(b"a")))
        world.manager.start_draining(0.0, False)
        bound = [status.addresses for status in world.manager.status]
        world.manager.stop_accepting()
        assert await ask(streams) == b"a:x"
        world.manager.close_idle()
        assert await streams[0].read() == b""
        assert await others[0].read() == b""
        assert not world.manager.sockets
        assert [status.addresses for status in world.manager.status] == bound  # as in Envoy it is still shown
        assert world.value("listener_manager.listener_stopped") == 1

    run(scenario)


def test_inbound_only() -> None:
    async def scenario(world: World) -> None:
        await world.publish(listener("in", EchoFactory(b"a"), traffic_direction=1), listener("out", EchoFactory(b"b")))
        (out,) = [status.addresses[0] for status in world.manager.status if status.name == "out"]
        world.manager.stop_accepting(inbound_only=True)
        assert [address for address, _ in world.manager.sockets] == [out]

    run(scenario)


def test_connections_beyond_the_limit_of_the_process_are_closed() -> None:
    async def scenario(world: World) -> None:
        factory, free = EchoFactory(b"a"), EchoFactory(b"f")
        await world.publish(
            listener("one", factory, stat_prefix="one"),
            listener("two", factory, stat_prefix="two"),
            listener("free", free, ignore_global_conn_limit=True),
        )
        first, second = await world.connect("one"), await world.connect("two")
        assert await ask(first) == await ask(second) == b"a:x"
        refused = await world.connect("two")
        assert await refused[0].read() == b""
        assert world.value("listener.two.downstream_global_cx_overflow") == 1
        assert world.value("listener.two.downstream_cx_total") == 1
        assert world.value("overload.envoy.resource_monitors.global_downstream_max_connections.failed_updates") == 1
        assert await ask(await world.connect("free")) == b"f:x"
        first[1].close()
        await wait_until_async(lambda: world.value("listener.one.downstream_cx_active") == 0, "the first is gone")
        assert await ask(await world.connect("two")) == b"a:x"

    run(scenario, limit=2)


def test_after_the_end_of_accepting_an_update_opens_nothing() -> None:
    """Another process may have the sockets: what came here would be cut off with us."""

    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        await world.publish(listener("edge", factory))
        world.manager.stop_accepting()
        assert not await world.publish(listener("edge", EchoFactory(b"b")), listener("late", factory))
        assert [status.name for status in world.manager.status] == ["edge"]
        assert not world.manager.sockets

    run(scenario)


def test_after_the_end_of_accepting_for_inbound_listeners_others_are_opened() -> None:
    async def scenario(world: World) -> None:
        world.manager.stop_accepting(inbound_only=True)
        inbound, outbound = (listener(name, EchoFactory(b"a"), traffic_direction=way) for name, way in (("in", 1), ("out", 2)))
        await world.publish(inbound, outbound)
        assert [status.name for status in world.manager.status] == ["out"]

    run(scenario)


def test_connections_beyond_the_limit_of_a_listener_are_closed() -> None:
    async def scenario(world: World) -> None:
        factory = EchoFactory(b"a")
        await world.publish(
            listener("one", factory, stat_prefix="one", connection_limit=1),
            listener("two", factory, stat_prefix="two"),
        )
        first = await world.connect("one")
        assert await ask(first) == b"a:x"
        refused = await world.connect("one")
        assert await refused[0].read() == b""
        assert world.value("listener.one.downstream_cx_overflow") == 1
        assert world.value("listener.one.downstream_global_cx_overflow") == 0
        assert world.value("listener.one.downstream_cx_total") == 1
        assert await ask(await world.connect("two")) == b"a:x"  # what was refused takes nothing of what the process may have
        first[1].close()
        await wait_until_async(lambda: world.value("listener.one.downstream_cx_active") == 0, "the first is gone")
        assert await ask(await world.connect("one")) == b"a:x"

    run(scenario, limit=2)


def test_a_connection_that_is_handed_over_counts_where_it_went() -> None:
    async def scenario(world: World) -> None:
        front, behind = EchoFactory(b"a"), EchoFactory(b"b")
        owner = listener("two", behind, SocketAddress("0.0.0.0", 99), bind_to_port=False, connection_limit=5)
        first = listener("one", front, listener_filters=(Restores(),), use_original_dst=True, connection_limit=1)
        await world.publish(first, owner)
        streams = [await world.connect("one") for _ in range(2)]
        assert [await ask(each) for each in streams] == [b"b:x"] * 2
        counts = [active._limited for active in world.manager._active.values()]
        assert [each.total for each in counts if each is not None] == [0, 2]

    run(scenario)
