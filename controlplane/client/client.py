"""The asynchronous client of the management API.

Here: one method per operation, over REST.  Not here: how resources are written (resources), waiting for proxies (waiting), a version
without asyncio (sync).
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from controlplane.api.json_form import to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import full, message_name
from controlplane.client.errors import Rejected, Unreachable
from controlplane.client.resources import Document, ResourceLike, apply_request

DEFAULT_SERVER = "http://127.0.0.1:8080"

Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class ConfiguredResource:
    """A resource as the control plane has it.  body: the message as JSON with "@type"; empty when only keys were asked for."""

    group: str
    type_url: str
    name: str
    version: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Writing:
    """What every change can say about itself.  expected_revision: refuse (conflict) unless the configuration is at it."""

    author: str = ""
    message: str = ""
    dry_run: bool = False
    expected_revision: int | None = None


PLAIN = Writing()


class Client:
    """Use as an asynchronous context manager.  Every method raises Rejected or Unreachable.

    server: URL of the REST API.  token: bearer token, if the control plane requires one.
    """

    def __init__(self, server: str = DEFAULT_SERVER, token: str = "") -> None:
        self._server = server.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        # No total time-out: checking a large configuration takes as long as it takes, and the event stream has no end.
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=None, sock_connect=10))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def apply(
        self,
        *resources: ResourceLike,
        documents: Sequence[Document] = (),
        groups: Sequence[api.Group] = (),
        deletes: Sequence[api.ResourceKey] = (),
        group: str = "",
        prune: bool = False,
        writing: Writing = PLAIN,
    ) -> api.ApplyResponse:
        """Put resources and groups and delete others, as one revision, all or nothing.  prune: delete what else the group has."""
        request = apply_request(resources, documents)
        request.groups.extend(groups)
        request.deletes.extend(deletes)
        request.group, request.prune = group, prune
        _write(request, writing)
        return await self._call("POST", "/v1/apply", api.ApplyResponse(), body=to_json(request))

    async def get(self, type_url: str, name: str, *, group: str = "", revision: int = 0) -> ConfiguredResource:
        """type_url: also a message name or a word such as `cluster`."""
        answer = await self._fetch("GET", _resource_path(type_url, name, group), {"revision": revision})
        return ConfiguredResource(**answer)

    async def resources(
        self,
        type_url: str = "",
        name: str = "",
        *,
        group: str = "",
        revision: int = 0,
        effective: bool = False,
        keys_only: bool = False,
    ) -> tuple[int, list[ConfiguredResource]]:
        """The revision, and its resources; empty arguments mean all.  effective: with what groups inherit."""
        query = {"group": group, "type_url": type_url, "name": name, "revision": revision}
        flags = {name: "true" for name, wanted in (("effective", effective), ("keys_only", keys_only)) if wanted}
        answer = await self._fetch("GET", "/v1/resources", query | flags)
        found = [ConfiguredResource(**{"body": {}, **each}) for each in answer["resources"]]
        return answer["revision"], found

    async def delete(self, type_url: str, name: str, *, group: str = "", writing: Writing = PLAIN) -> api.ApplyResponse:
        return await self._call("DELETE", _resource_path(type_url, name, group), api.ApplyResponse(), query=_query(writing))

    async def groups(self, revision: int = 0) -> api.ListGroupsResponse:
        return await self._call("GET", "/v1/groups", api.ListGroupsResponse(), query={"revision": revision})

    async def put_group(self, group: api.Group, *, writing: Writing = PLAIN) -> api.ApplyResponse:
        path = f"/v1/groups/{quote(group.name, safe='')}"
        return await self._call("PUT", path, api.ApplyResponse(), query=_query(writing), body=to_json(group))

    async def delete_group(self, name: str, *, writing: Writing = PLAIN) -> api.ApplyResponse:
        """The group's resources are deleted with it."""
        return await self._call("DELETE", f"/v1/groups/{quote(name, safe='')}", api.ApplyResponse(), query=_query(writing))

    async def revisions(self, limit: int = 0, before: int = 0) -> api.ListRevisionsResponse:
        """Newest first."""
        return await self._call("GET", "/v1/revisions", api.ListRevisionsResponse(), query={"limit": limit, "before": before})

    async def revision(self, number: int = 0) -> api.Revision:
        return await self._call("GET", f"/v1/revisions/{number}", api.Revision())

    async def diff(self, from_revision: int | None = None, to_revision: int = 0) -> api.DiffRevisionsResponse:
        """None: from the revision before; 0: to the newest."""
        query = {"to_revision": to_revision} | ({} if from_revision is None else {"from_revision": from_revision})
        return await self._call("GET", "/v1/diff", api.DiffRevisionsResponse(), query=query)

    async def roll_back(self, revision: int, *, writing: Writing = PLAIN) -> api.ApplyResponse:
        request = api.RollBackRequest()
        _write(request, writing)
        fields = to_json(request)
        del fields["revision"]  # it is in the path
        return await self._call("POST", f"/v1/revisions/{revision}/rollback", api.ApplyResponse(), body=fields)

    async def proxies(self, group: str = "") -> api.ListProxiesResponse:
        return await self._call("GET", "/v1/proxies", api.ListProxiesResponse(), query={"group": group})

    @asynccontextmanager
    async def events(self, group: str = "") -> AsyncIterator[AsyncIterator[api.Event]]:
        """What happens from entering the block on; the iteration ends when the control plane stops."""
        async with self._request("GET", "/v1/events", {"group": group}, None) as response:
            yield _events(response)

    async def healthy(self) -> bool:
        """Whether the control plane answers at all."""
        try:
            async with self._request("GET", "/healthz", {}, None):
                return True
        except Unreachable:
            return False

    async def _call(
        self, method: str, path: str, answer: Answer, *, query: Mapping[str, object] | None = None, body: object = None
    ) -> Answer:
        fields = await self._fetch(method, path, query or {}, body)
        try:
            # A newer control plane may tell more than this client knows.
            return ParseDict(fields, answer, ignore_unknown_fields=True)
        except ParseError as error:
            raise Unreachable(f"{self._server} gave an answer that is not the control plane's: {error}") from error

    async def _fetch(self, method: str, path: str, query: Mapping[str, object], body: object = None) -> dict[str, Any]:
        async with self._request(method, path, query, body) as response:
            fields: dict[str, Any] = await response.json()
            return fields

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Mapping[str, object], body: object
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "use the client as an asynchronous context manager"
        given = {name: str(value) for name, value in query.items() if value not in ("", 0) or name == "from_revision"}
        try:
            async with self._session.request(method, self._server + path, params=given, data=_payload(body)) as response:
                if response.status != 200:
                    raise _error(self._server, response.status, await response.text())
                yield response
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{self._server}: {error}") from error


def _payload(body: object) -> aiohttp.Payload | None:
    """As JSON, read piece by piece: aiohttp warns of bodies beyond a megabyte that it is given whole."""
    return (
        None if body is None else aiohttp.BytesIOPayload(io.BytesIO(json.dumps(body).encode()), content_type="application/json")
    )


def _error(server: str, status: int, text: str) -> Rejected | Unreachable:
    refusal = api.Refusal()
    try:
        ParseDict(json.loads(text), refusal, ignore_unknown_fields=True)
    except (ValueError, ParseError):
        return Unreachable(f"{server} answered {status}, not as a control plane does")
    return Unreachable(f"{server}: {refusal.message}") if status >= 500 else Rejected(refusal)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[api.Event]:
    try:
        async for line in response.content:
            if line.startswith(b"data:"):
                yield ParseDict(json.loads(line[5:]), api.Event(), ignore_unknown_fields=True)
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"the event stream broke: {error}") from error


def _write(request: api.ApplyRequest | api.RollBackRequest, writing: Writing) -> None:
    request.author, request.message, request.dry_run = writing.author, writing.message, writing.dry_run
    if writing.expected_revision is not None:
        request.expected_revision = writing.expected_revision


def _query(writing: Writing) -> dict[str, object]:
    query: dict[str, object] = {"author": writing.author, "message": writing.message}
    if writing.dry_run:
        query["dry_run"] = "true"
    if writing.expected_revision is not None:
        query["expected_revision"] = str(writing.expected_revision)
    return query


def _resource_path(type_url: str, name: str, group: str) -> str:
    type_name = message_name(full(type_url))
    return f"/v1/groups/{quote(group or 'default', safe='')}/resources/{quote(type_name, safe='')}/{quote(name, safe='')}"
