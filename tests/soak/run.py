"""One soak: a control plane that changes everything all the time, a proxy under full load, and a look at it now and then."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.client.client import Client
from tests.soak import loads, measure, visitors
from tests.soak.leaky_process import soaked_process
from tests.soak.measure import Sample
from tests.soak.upstreams import Upstreams
from tests.soak.verdict import growths, leaks
from tests.soak.visitors import Visitor
from tests.soak.world import HTTP_LISTENER, LISTENERS, TCP_LISTENER, TLS_LISTENER, SoakWorld
from tests.support import bootstraps
from tests.support.certificates import Authority
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.load import Load
from tests.support.moving_world import Witness
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until_awaited

REVISION_INTERVAL = 0.5
FIRST_LOAD = 3.0


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
            f"{self.revisions} revisions; since the warm-up "
            + ", ".join(f"{growth.found:+.0f} {growth.what}" for growth in growths(self.samples)),
            *(f"PROBLEM {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


class Soak:
    """interval: seconds between two samples.  tell: called with each of them.

    planted: what the proxy is to leak (leaky_process), planted_amount: how much.  patience: seconds for what is left to go.
    """

    def __init__(
        self, seconds: float, directory: Path, interval: float, tell: Callable[[Sample], None] = lambda sample: None
    ) -> None:
        self._seconds = seconds
        self._directory = directory
        self._interval = interval
        self._tell = tell
        self.planted: Sequence[str] = ()
        self.planted_amount = 10
        self.patience = 15.0
        self._started = time.monotonic()
        self._failures: collections.Counter[str] = collections.Counter()

    async def run(self) -> Report:
        authority = Authority()
        async with AsyncExitStack() as stack:
            upstreams = await stack.enter_async_context(Upstreams(authority))
            self._witness = Witness(upstreams.origins)
            self._world = SoakWorld(upstreams, authority)
            control_plane = stack.enter_context(ControlPlaneProcess(self._directory / "control-plane"))
            self._client = await stack.enter_async_context(Client(control_plane.url))
            await self._apply()
            bootstrap = bootstraps.ads(control_plane.xds_port, "soaked")
            proxy = soaked_process(bootstrap, self._directory / "proxy", self.planted, self.planted_amount)
            stack.callback(proxy.kill)
            await asyncio.to_thread(proxy.start)
            ports = await asyncio.to_thread(proxy.wait_listeners, LISTENERS)
            async with self._full_load(ports):
                await asyncio.sleep(FIRST_LOAD)
            before = await self._calm(proxy)
            async with self._full_load(ports):
                samples = await self._watch(proxy)
            after = await self._calm(proxy)
        problems = [*leaks(before, samples, after), *(f"{count} × {what}" for what, count in self._failures.most_common(5))]
        return Report(before, after, samples, self._world.revision, problems)

    @asynccontextmanager
    async def _full_load(self, ports: dict[str, int]) -> AsyncIterator[None]:
        clear, tls, tcp = ports[HTTP_LISTENER], ports[TLS_LISTENER], ports[TCP_LISTENER]
        checked: list[Load | Visitor] = [
            Load(clear, check=self._witness),
            *(Visitor(clear, visit) for visit in visitors.IN_CLEAR),
            Visitor(tls, visitors.https),
            Visitor(tcp, visitors.tcp),
        ]
        async with AsyncExitStack() as stack:
            for each in (*checked, loads.RudeClients(clear), *loads.generators(clear, tls)):
                await stack.enter_async_context(each)
            churn = asyncio.create_task(self._churn())
            try:
                yield
            finally:
                churn.cancel()
                with suppress(asyncio.CancelledError):
                    await churn
        for each in checked:
            self._failures.update(each.failures)

    async def _churn(self) -> None:
        while True:
            await self._apply()
            await asyncio.sleep(REVISION_INTERVAL)

    async def _apply(self) -> None:
        await self._client.apply(*self._world.next_revision(), prune=True)

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
            await wait_until_awaited(is_calm, "calm", self.patience)
        return last[-1]
