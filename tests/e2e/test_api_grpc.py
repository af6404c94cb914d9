"""The same API over gRPC: every rpc, refusals in the status details, the token, the event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from google.rpc.status_pb2 import Status

from controlplane.api.v1 import management_pb2 as api
from controlplane.api.v1 import management_pb2_grpc as wire
from tests.support.served_control_plane import served
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e

Stub = wire.ManagementStub


def cluster(name: str, timeout: int = 1) -> api.EncodedResource:
    message = cluster_pb2.Cluster(name=name, type="STATIC")
    message.connect_timeout.seconds = timeout
    message.load_assignment.cluster_name = name
    return api.EncodedResource(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())


def with_stub(directory: Path, test: Callable[[Stub], Awaitable[None]], token_file: Path | None = None) -> None:
    async def body() -> None:
        async with served(directory, token_file) as serving, grpc.aio.insecure_channel(str(serving.grpc)) as channel:
            await test(wire.ManagementStub(channel))

    asyncio.run(body())


def refusal_of(error: grpc.aio.AioRpcError) -> api.Refusal:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    refusal = api.Refusal()
    assert Status.FromString(details).details[0].Unpack(refusal)
    return refusal


def test_every_operation_is_served(tmp_path: Path) -> None:
    async def test(stub: Stub) -> None:
        outcome = await stub.Apply(api.ApplyRequest(resources=[cluster("a"), cluster("b")], author="me", message="why"))
        assert (outcome.revision.number, outcome.revision.author, len(outcome.changes)) == (1, "me", 2)
        found = await stub.GetResource(api.GetResourceRequest(type_url="cluster", name="a"))
        message = cluster_pb2.Cluster()
        assert found.body.Unpack(message)
        assert (message.name, message.connect_timeout.seconds) == ("a", 1)
        assert len((await stub.ListResources(api.ListResourcesRequest())).resources) == 2

        await stub.PutGroup(api.PutGroupRequest(group=api.Group(name="edge", selectors=[api.Selector(node_ids=["e*"])])))
        assert (await stub.GetGroup(api.GetGroupRequest(name="edge"))).inherits
        assert [each.name for each in (await stub.ListGroups(api.ListGroupsRequest())).groups] == ["default", "edge"]
        await stub.DeleteGroup(api.DeleteGroupRequest(name="edge"))
        await stub.DeleteResource(api.DeleteResourceRequest(type_url="cds", name="b"))

        outcome = await stub.RollBack(api.RollBackRequest(revision=1))
        assert (outcome.revision.number, outcome.revision.restores) == (5, 1)
        assert [each.number for each in (await stub.ListRevisions(api.ListRevisionsRequest())).revisions] == [5, 4, 3, 2, 1]
        assert (await stub.GetRevision(api.GetRevisionRequest(revision=1))).message == "why"
        difference = await stub.DiffRevisions(api.DiffRevisionsRequest(from_revision=4))
        assert [(each.kind, each.name) for each in difference.changes] == [(api.Change.ADDED, "b")]
        assert not (await stub.ListProxies(api.ListProxiesRequest())).proxies

    with_stub(tmp_path, test)


def test_refusals_carry_every_problem_and_a_fitting_status(tmp_path: Path) -> None:
    async def test(stub: Stub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await stub.Apply(api.ApplyRequest(resources=[cluster("a", -1), cluster("")]))
        assert invalid.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        refusal = refusal_of(invalid.value)
        assert refusal.code == "invalid"
        assert {problem.resource for problem in refusal.problems} == {"Cluster{a}", "Cluster"}
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await stub.GetResource(api.GetResourceRequest(type_url="cluster", name="a"))
        assert (missing.value.code(), refusal_of(missing.value).code) == (grpc.StatusCode.NOT_FOUND, "not_found")
        with pytest.raises(grpc.aio.AioRpcError) as conflict:
            await stub.Apply(api.ApplyRequest(resources=[cluster("a")], expected_revision=9))
        assert (conflict.value.code(), refusal_of(conflict.value).code) == (grpc.StatusCode.ABORTED, "conflict")

    with_stub(tmp_path, test)


def test_the_token_is_required(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("s3cret")

    async def test(stub: Stub) -> None:
        for metadata in (None, (("authorization", "Bearer wrong"),)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListGroups(api.ListGroupsRequest(), metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await anext(aiter(stub.StreamEvents(api.StreamEventsRequest(), metadata=metadata)))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        admitted = await stub.ListGroups(api.ListGroupsRequest(), metadata=(("authorization", "Bearer s3cret"),))
        assert admitted.groups[0].name == "default"

    with_stub(tmp_path, test, token_file)


def test_events_stream_from_the_moment_the_head_arrives(tmp_path: Path) -> None:
    async def test(stub: Stub) -> None:
        call = stub.StreamEvents(api.StreamEventsRequest())
        await call.initial_metadata()
        await stub.Apply(api.ApplyRequest(resources=[cluster("a")], message="hello"))
        event = await asyncio.wait_for(anext(aiter(call)), PATIENCE)
        assert (event.kind, event.revision, event.text) == ("revision", 1, "hello")
        call.cancel()

    with_stub(tmp_path, test)
