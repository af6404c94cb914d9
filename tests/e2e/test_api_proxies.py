"""What the API tells about connected proxies: who, in which group, sent, ACKed, NACKed, ready; and the event stream about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.client import Client, NotReady, Writing, wait_ready
from controlplane.server.assembly import Running
from tests.support.served_control_plane import served
from tests.support.stub_proxy import stub_proxy
from tests.support.waiting import PATIENCE, wait_until_async, wait_until_awaited

pytestmark = pytest.mark.e2e


def cluster(name: str, seconds: int = 1) -> cluster_pb2.Cluster:
    message = cluster_pb2.Cluster(name=name, type="STATIC")
    message.connect_timeout.seconds = seconds
    message.load_assignment.cluster_name = name
    return message


def with_client(directory: Path, test: Callable[[Client, Running], Awaitable[None]]) -> None:
    async def body() -> None:
        async with served(directory) as serving, Client(f"http://{serving.api}") as client:
            await test(client, serving)

    asyncio.run(body())


def test_a_proxy_is_known_by_its_node_and_its_versions(tmp_path: Path) -> None:
    node = {"cluster": "front", "locality": {"zone": "z"}, "metadata": {"labels": {"tier": "gold"}}, "user_agent_name": "envoy"}

    async def test(client: Client, serving: Running) -> None:
        await client.apply(cluster("a"))
        async with stub_proxy(str(serving.xds), "p1", (CLUSTER, LISTENER), **node) as proxy:
            await wait_ready(client, 1)
            (known,) = (await client.proxies()).proxies
            assert (known.node_id, known.node_cluster, known.locality.zone, known.group) == ("p1", "front", "z", "default")
            assert known.metadata["labels"]["tier"] == "gold"
            assert (known.user_agent, list(known.streams)) == ("envoy", ["ads sotw"])
            assert (known.target_revision, known.ready_revision) == (1, 1)
            assert known.connected_since.seconds > 0
            by_type = {status.type_url: status for status in known.types}
            status = by_type[CLUSTER]
            assert (status.sent_revision, status.acked_revision, status.acked_version) == (1, 1, status.sent_version)
            assert not status.rejecting
            assert set(proxy.resources[CLUSTER]) == {"a"}

    with_client(tmp_path, test)


def test_a_nack_is_shown_with_the_words_of_the_proxy_and_ends_waiting(tmp_path: Path) -> None:
    async def test(client: Client, serving: Running) -> None:
        await client.apply(cluster("a"))
        async with stub_proxy(str(serving.xds), "good"), stub_proxy(str(serving.xds), "bad") as bad:
            await wait_ready(client, 1, at_least=2)
            bad.refuse.add("b")
            await client.apply(cluster("b"))
            with pytest.raises(NotReady, match="bad refused revision 2: cannot use b") as refused:
                await wait_ready(client, 2)
            assert refused.value.progress.nacks[0].type_url == CLUSTER
            known = {proxy.node_id: proxy for proxy in (await client.proxies()).proxies}
            (status,) = known["bad"].types
            assert (status.nack_text, status.nacked_revision, status.acked_revision) == ("cannot use b", 2, 1)
            assert known["bad"].ready_revision == 1
            await client.roll_back(1)
            await wait_ready(client, 3, at_least=2)

    with_client(tmp_path, test)


def test_waiting_ends_in_time_when_nobody_is_there(tmp_path: Path) -> None:
    async def test(client: Client, serving: Running) -> None:
        await client.apply(cluster("a"))
        with pytest.raises(NotReady, match="0 of at least 1"):
            await wait_ready(client, 1, within=0.2)
        assert (await wait_ready(client, 1, at_least=0)).ready == ()

    with_client(tmp_path, test)


def test_a_disconnected_proxy_is_remembered_and_not_waited_for(tmp_path: Path) -> None:
    async def test(client: Client, serving: Running) -> None:
        await client.apply(cluster("a"))
        async with stub_proxy(str(serving.xds), "p1"):
            await wait_ready(client, 1)

        async def gone() -> bool:
            (known,) = (await client.proxies()).proxies
            return known.HasField("disconnected_at")

        await wait_until_awaited(gone, "the proxy is gone")
        await client.apply(cluster("b"))
        assert (await wait_ready(client, 2, at_least=0)).waiting == ()

    with_client(tmp_path, test)


def test_proxies_move_with_their_groups(tmp_path: Path) -> None:
    async def test(client: Client, serving: Running) -> None:
        await client.apply(cluster("shared"))
        async with AsyncExitStack() as stack:
            edge = await stack.enter_async_context(stub_proxy(str(serving.xds), "edge-1"))
            inner = await stack.enter_async_context(stub_proxy(str(serving.xds), "inner-1"))
            await wait_ready(client, 1, at_least=2)
            group = api.Group(name="edge", selectors=[api.Selector(node_ids=["edge-*"])])
            outcome = await client.apply(cluster("own"), groups=[group], group="edge")
            await wait_ready(client, outcome.revision.number, group="edge")
            await wait_until_async(lambda: set(edge.resources[CLUSTER]) == {"shared", "own"}, "the group's resources arrive")
            assert set(inner.resources[CLUSTER]) == {"shared"}
            assert {proxy.node_id: proxy.group for proxy in (await client.proxies()).proxies} == {
                "edge-1": "edge",
                "inner-1": "default",
            }
            await client.delete_group("edge")
            await wait_until_async(lambda: set(edge.resources[CLUSTER]) == {"shared"}, "the proxy falls back to default")

    with_client(tmp_path, test)


def test_the_event_stream_tells_the_story_of_a_revision(tmp_path: Path) -> None:
    async def test(client: Client, serving: Running) -> None:
        async with client.events() as events, stub_proxy(str(serving.xds), "p1"):
            assert (await _next(events, "connected")).node_id == "p1"
            await client.apply(cluster("a"), writing=Writing(message="first"))
            assert (await _next(events, "revision")).text == "first"
            sent = await _next(events, "sent")
            acked = await _next(events, "acked")
            assert (sent.type_url, sent.version) == (CLUSTER, acked.version)
            assert (await _next(events, "ready")).revision == 1
        async with client.events("nobody") as events:
            await client.apply(cluster("b"), writing=Writing(message="second"))
            assert (await _next(events, "revision")).text == "second"

    with_client(tmp_path, test)


def test_an_open_event_stream_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async def body() -> None:
        async with AsyncExitStack() as client_side:
            async with served(tmp_path) as serving:
                client = await client_side.enter_async_context(Client(f"http://{serving.api}"))
                events = await client_side.enter_async_context(client.events())
            assert [event async for event in events] == []

    asyncio.run(asyncio.wait_for(body(), PATIENCE))


async def _next(events: AsyncIterator[api.Event], kind: str) -> api.Event:
    """The next event of a kind, others skipped."""
    while True:
        event = await asyncio.wait_for(anext(events), PATIENCE)
        if event.kind == kind:
            return event
