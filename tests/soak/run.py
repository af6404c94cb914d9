"""One soak: a control plane that changes everything all the time, a proxy under full load, and a look at it now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controlplane.client.client import Client
from tests.soak import loads, measure
from tests.soak.measure import Sample
from tests.soak.verdict import leaks, memory_growth
from tests.support import bootstraps
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.load import Load
from tests.support.moving_world import LISTENER_NAME, Witness, messages
from tests.support.origin import Origin
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until_awaited
from tests.support.xds_resources import rds_listener

REVISION_INTERVAL = 0.5
FIRST_LOAD = 3.0
# Of what comes and goes beside the listener under load.
OTHER_LISTENERS = 3


@dataclass(slots=True)
class Report:
    """samples: under load."""

    before: Sample
    after: Sample
    samples: list[Sample]
    revisions: int
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"before {self.before}",
            f"after  {self.after}",
            f"{self.revisions} revisions; memory after the warm-up: {memory_growth(self.samples) / 1024:+.0f} KiB",
            *(f"PROBLEM {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


class Soak:
    """interval: seconds between two samples.  tell: called with each of them."""

    def __init__(
        self, seconds: float, directory: Path, interval: float, tell: Callable[[Sample], None] = lambda sample: None
    ) -> None:
        self._seconds = seconds
        self._directory = directory
        self._interval = interval
        self._tell = tell
        self._started = time.monotonic()
        self._revision = 0

    async def run(self) -> Report:
        async with AsyncExitStack() as stack:
            self._origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
            control_plane = stack.enter_context(ControlPlaneProcess(self._directory / "control-plane"))
            self._client = await stack.enter_async_context(Client(control_plane.url))
            await self._apply()
            proxy = our_process(bootstraps.ads(control_plane.xds_port, "soaked"), self._directory / "proxy")
            stack.callback(proxy.kill)
            await asyncio.to_thread(proxy.start)
            port = proxy.wait_listeners([LISTENER_NAME])[LISTENER_NAME]
            witness = Witness(self._origins)
            load = Load(port, check=witness)
            async with self._full_load(port, load):
                await asyncio.sleep(FIRST_LOAD)
            before = await self._calm(proxy)
            load = Load(port, check=witness)
            async with self._full_load(port, load):
                samples = await self._watch(proxy)
            after = await self._calm(proxy)
        problems = [*leaks(before, samples, after), *(f"{count} × {what}" for what, count in load.failures.most_common(5))]
        return Report(before, after, samples, self._revision, problems)

    @asynccontextmanager
    async def _full_load(self, port: int, load: Load) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for each in (load, loads.RudeClients(port), *loads.generators(port)):
                await stack.enter_async_context(each)
            churn = asyncio.create_task(self._churn())
            try:
                yield
            finally:
                churn.cancel()
                with suppress(asyncio.CancelledError):
                    await churn

    async def _churn(self) -> None:
        while True:
            await self._apply()
            await asyncio.sleep(REVISION_INTERVAL)

    async def _apply(self) -> None:
        """A revision: other clusters, other endpoints, other routes, another one of the other listeners."""
        self._revision += 1
        other = rds_listener(f"other-{self._revision % OTHER_LISTENERS}", "moving-routes")
        everything: Sequence[Any] = [*messages(self._revision, self._origins), other]
        await self._client.apply(*everything, prune=True)

    async def _watch(self, proxy: ProxyProcess) -> list[Sample]:
        samples: list[Sample] = []
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            await asyncio.sleep(self._interval)
            samples.append(await asyncio.to_thread(measure.take, proxy, self._started))
            self._tell(samples[-1])
        return samples

    async def _calm(self, proxy: ProxyProcess) -> Sample:
        """What is left when nobody asks any more, given time to notice."""
        last: list[Sample] = []

        async def is_calm() -> bool:
            sample = await asyncio.to_thread(measure.take, proxy, self._started)
            still = bool(last) and (last[-1].tasks, last[-1].descriptors) == (sample.tasks, sample.descriptors)
            last.append(sample)
            await asyncio.sleep(0.2)
            leaving = sample.downstream_connections + sample.downstream_streams + sample.draining_listeners
            return still and not leaving

        with suppress(AssertionError):  # then the sample says what is left
            await wait_until_awaited(is_calm, "calm", 15.0)
        return last[-1]
