"""The client without asyncio, for scripts.

Here: the most used operations, each run to its end.  Not here: what they do (client, waiting).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

from controlplane.api.v1 import management_pb2 as api
from controlplane.client.client import DEFAULT_SERVER, PLAIN, Client, ConfiguredResource, Writing
from controlplane.client.resources import Document, ResourceLike
from controlplane.client.waiting import Progress, wait_ready


class SyncClient:
    """Use as a context manager, from a thread without a running event loop.  Raises what `Client` raises."""

    def __init__(self, server: str = DEFAULT_SERVER, token: str = "") -> None:
        self._client = Client(server, token)
        self._runner = asyncio.Runner()

    def __enter__(self) -> SyncClient:
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._runner.run(self._client.__aexit__(kind, error, trace))
        self._runner.close()

    def apply(
        self,
        *resources: ResourceLike,
        documents: Sequence[Document] = (),
        groups: Sequence[api.Group] = (),
        group: str = "",
        prune: bool = False,
        writing: Writing = PLAIN,
    ) -> api.ApplyResponse:
        call = self._client.apply(*resources, documents=documents, groups=groups, group=group, prune=prune, writing=writing)
        return self._runner.run(call)

    def get(self, type_url: str, name: str, *, group: str = "", revision: int = 0) -> ConfiguredResource:
        return self._runner.run(self._client.get(type_url, name, group=group, revision=revision))

    def resources(self, type_url: str = "", name: str = "", *, group: str = "") -> list[ConfiguredResource]:
        return self._runner.run(self._client.resources(type_url, name, group=group))[1]

    def delete(self, type_url: str, name: str, *, group: str = "", writing: Writing = PLAIN) -> api.ApplyResponse:
        return self._runner.run(self._client.delete(type_url, name, group=group, writing=writing))

    def roll_back(self, revision: int, *, writing: Writing = PLAIN) -> api.ApplyResponse:
        return self._runner.run(self._client.roll_back(revision, writing=writing))

    def proxies(self, group: str = "") -> api.ListProxiesResponse:
        return self._runner.run(self._client.proxies(group))

    def wait_ready(self, revision: int, *, group: str = "", within: float = 60.0, at_least: int = 1) -> Progress:
        return self._runner.run(wait_ready(self._client, revision, group=group, within=within, at_least=at_least))
