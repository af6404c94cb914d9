"""Resources from a file: a serialized or written-out `DiscoveryResponse`, read at the start and after every move into place.

Only a move is a signal, as in Envoy: a file that is written in place is half written most of the time.  Without `watched_directory` it
is the file itself that has to be moved; with it, any move inside that directory counts (a mounted ConfigMap moves its `..data` link).
Not here: YAML and JSON (bootstrap; the parser is handed in), inotify.
Envoy: config.core.v3.PathConfigSource.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from dataplane.base.errors import ProxyError
from dataplane.xds.inotify import DirectoryWatcher
from dataplane.xds.messages import Response
from dataplane.xds.source import PathSource
from dataplane.xds.watch import Watch
from dataplane.xds.wire import decode_sotw

log = logging.getLogger("config")

# (content, path) to a serialized DiscoveryResponse.  Raises ConfigError or InvalidResource.
ParseFile = Callable[[bytes, str], bytes]


class FileFeed:
    """One subscription from one file.  deliver: what becomes of a response."""

    def __init__(
        self,
        source: PathSource,
        watch: Watch,
        parse: ParseFile,
        watcher: DirectoryWatcher,
        deliver: Callable[[Watch, Response], Awaitable[None]],
    ) -> None:
        self._source = source
        self._watch = watch
        self._parse = parse
        self._deliver = deliver
        self._stale = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        path = Path(source.path)
        self._name = "" if source.watched_directory else path.name
        watcher.watch(source.watched_directory or str(path.parent), self._moved)

    def changed(self) -> None:
        """The subscription was given other names: the file may hold them."""
        self._watch.told()
        self._stale.set()

    def start(self) -> None:
        assert self._task is None, "started twice"
        self._stale.set()
        self._task = asyncio.create_task(self._run(), name=f"xds {self._source.path}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _moved(self, name: str) -> None:
        if not self._name or not name or name == self._name:
            self._stale.set()

    async def _run(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                response = await asyncio.to_thread(self._read)
            except (OSError, ProxyError) as error:
                log.warning("%s: %s", self._source.path, error)
                self._watch.failed(str(error))
            else:
                await self._deliver(self._watch, response)

    def _read(self) -> Response:
        return decode_sotw(self._parse(Path(self._source.path).read_bytes(), self._source.path))
