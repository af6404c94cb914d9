"""The operations of the API: a request message in, a response message out.  REST and gRPC both call these and add nothing.

Here: one short function per operation.  Not here: JSON and HTTP (rest), gRPC (rpc), what an operation means (service).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from controlplane.admin import convert
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.errors import NotFound
from controlplane.base.group import Group
from controlplane.base.resource import GroupName, Revision
from controlplane.base.type_url import full
from controlplane.revisions.configuration import Configuration
from controlplane.service.events import Event
from controlplane.service.management import Edit, Management, Terms

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Write = api.ApplyRequest | api.DeleteResourceRequest | api.PutGroupRequest | api.DeleteGroupRequest | api.RollBackRequest


class Operations:
    """One method per rpc of the service `pointsman.api.v1.Management`.  Raises what the service raises."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def apply(self, request: api.ApplyRequest) -> api.ApplyResponse:
        return await self._edit(convert.edit(request), request)

    async def list_resources(self, request: api.ListResourcesRequest) -> api.ListResourcesResponse:
        group = GroupName(request.group) if request.group else None
        type_url = full(request.type_url) if request.type_url else ""
        revision, found = await self._management.resources(
            group, type_url, request.name, Revision(request.revision), effective=request.effective
        )
        with_body = not request.keys_only
        resources = [convert.resource_message(key, resource, with_body=with_body) for key, resource in found]
        return api.ListResourcesResponse(revision=revision, resources=resources)

    async def get_resource(self, request: api.GetResourceRequest) -> api.Resource:
        key = convert.resource_key(request)
        stored = await self._management.at(Revision(request.revision))
        resource = stored.configuration.resources.get(key)
        if resource is None:
            raise NotFound(f"{key} does not exist")
        return convert.resource_message(key, resource)

    async def delete_resource(self, request: api.DeleteResourceRequest) -> api.ApplyResponse:
        return await self._edit(Edit(deletes=frozenset([convert.resource_key(request)])), request)

    async def list_groups(self, request: api.ListGroupsRequest) -> api.ListGroupsResponse:
        stored = await self._management.at(Revision(request.revision))
        groups = map(convert.group_message, stored.configuration.all_groups())
        return api.ListGroupsResponse(revision=stored.info.revision, groups=groups)

    async def get_group(self, request: api.GetGroupRequest) -> api.Group:
        stored = await self._management.at(Revision(request.revision))
        return convert.group_message(_group(stored.configuration, request.name))

    async def put_group(self, request: api.PutGroupRequest) -> api.ApplyResponse:
        return await self._edit(Edit(groups=(convert.group(request.group),)), request)

    async def delete_group(self, request: api.DeleteGroupRequest) -> api.ApplyResponse:
        return await self._edit(Edit(group_deletes=frozenset([GroupName(request.name)])), request)

    async def list_revisions(self, request: api.ListRevisionsRequest) -> api.ListRevisionsResponse:
        limit = min(request.limit or DEFAULT_LIMIT, MAX_LIMIT)
        found = await self._management.revisions(limit, Revision(request.before))
        return api.ListRevisionsResponse(revisions=map(convert.revision_message, found))

    async def get_revision(self, request: api.GetRevisionRequest) -> api.Revision:
        return convert.revision_message((await self._management.at(Revision(request.revision))).info)

    async def diff_revisions(self, request: api.DiffRevisionsRequest) -> api.DiffRevisionsResponse:
        before = Revision(request.from_revision) if request.HasField("from_revision") else None
        old, new, difference = await self._management.diff(before, Revision(request.to_revision))
        # Rendering thousands of resources as YAML takes seconds; streams must not wait for it.
        changes = await asyncio.to_thread(convert.change_messages, difference, with_diff=True)
        return api.DiffRevisionsResponse(from_revision=old.revision, to_revision=new.revision, changes=changes)

    async def roll_back(self, request: api.RollBackRequest) -> api.ApplyResponse:
        outcome = await self._management.roll_back(Revision(request.revision), _terms(request))
        return await asyncio.to_thread(convert.outcome_message, outcome)

    async def list_proxies(self, request: api.ListProxiesRequest) -> api.ListProxiesResponse:
        found = self._management.proxies(GroupName(request.group) if request.group else None)
        revision = self._management.newest.info.revision
        return api.ListProxiesResponse(revision=revision, proxies=map(convert.proxy_message, found))

    @contextmanager
    def stream_events(self, request: api.StreamEventsRequest) -> Iterator[AsyncIterator[api.Event]]:
        """Nothing that happens after entering the block is missed."""
        with self._management.events.listening() as events:
            yield _events(events, request.group)

    async def _edit(self, edit: Edit, request: Write) -> api.ApplyResponse:
        outcome = await self._management.apply(edit, _terms(request))
        return await asyncio.to_thread(convert.outcome_message, outcome)


async def _events(events: AsyncIterator[Event], group: str) -> AsyncIterator[api.Event]:
    async for event in events:
        if group in ("", event.group) or not event.group:
            yield convert.event_message(event)


def _terms(request: Write) -> Terms:
    expected = Revision(request.expected_revision) if request.HasField("expected_revision") else None
    return Terms(request.author, request.message, request.dry_run, expected)


def _group(configuration: Configuration, name: str) -> Group:
    group = configuration.group(convert.group_name(name))
    if group is None:
        raise NotFound(f"group {name} does not exist")
    return group
