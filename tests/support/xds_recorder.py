"""An xDS client under test with everything around it: decoder, statistics, and a listener that writes down what it is told."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from types import TracebackType

from dataplane.observe.stats import Scope, StatsStore
from dataplane.xds.client import XdsClient
from dataplane.xds.filesystem import ParseFile
from dataplane.xds.journal import Journal
from dataplane.xds.source import ADS, ApiSource, Source, XdsConfig
from dataplane.xds.status import ResourceStatus, TypeStatus
from tests.support.waiting import wait_until_async
from tests.support.xds_decoder import TextDecoder


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Recorder:
    """`values`: what was announced and not removed, by type URL and name.  `events`: everything, in order."""

    def __init__(
        self,
        ads: ApiSource | None = None,
        node: bytes = b"",
        parse_file: ParseFile | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.values: dict[str, dict[str, object]] = {}
        self.events: list[tuple[object, ...]] = []
        self.settled: set[tuple[str, str | None]] = set()
        self.stats = StatsStore()
        self.decoder = TextDecoder()
        self.client = XdsClient(
            XdsConfig(node, ads),
            self.decoder,
            self,
            SystemClock(),
            self.stats.scope(""),
            parse_file=parse_file,
            jitter=lambda: 0.01,  # a retry after a few milliseconds
            journal=journal,
        )

    def on_update(self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str) -> None:
        self.events.append(("update", type_url, dict(changed), tuple(removed), version_info))
        values = self.values.setdefault(type_url, {})
        values.update(changed)
        for name in removed:
            del values[name]

    def on_settled(self, type_url: str, name: str | None) -> None:
        self.events.append(("settled", type_url, name))
        self.settled.add((type_url, name))

    def subscribe(self, type_url: str, names: Collection[str], source: Source = ADS, timeout: float = 15.0) -> None:
        self.client.subscribe(type_url, source, names, self.scope_of, timeout)

    def scope_of(self, name: str) -> Scope:
        return self.stats.scope(f"test.{name}.")

    def counter(self, name: str) -> int:
        return self.stats.counter(name).value

    def status(self, type_url: str) -> TypeStatus:
        return next(status for status in self.client.status() if status.type_url == type_url)

    def resource(self, type_url: str, name: str) -> ResourceStatus:
        return self.status(type_url).resources[name]

    async def has(self, type_url: str, values: Mapping[str, object]) -> None:
        """Wait until exactly *values* are there."""
        await wait_until_async(lambda: self.values.get(type_url, {}) == values, f"{values}, not {self.values}")

    async def __aenter__(self) -> Recorder:
        self.client.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.client.stop()
