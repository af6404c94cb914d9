"""Rounds: in each, every proxy in turn, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import proxies
from bench.cores import LOAD_CORE
from bench.proxies import RunningProxy
from bench.scenario import HeldLoad, Load, LoadResult, Place, Scenario
from bench.upstream import free_port, start_upstream
from bench.usage import Memory

WARM_UP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One proxy in one round."""

    load: LoadResult
    cpu_us_per_request: float
    memory: Memory
    bytes_per_connection: float = 0.0  # of connections that were held

    def figure(self, name: str) -> float:
        return {"p99": self.load.p99_ms, "bytes": self.bytes_per_connection}.get(name, self.cpu_us_per_request)


@dataclass(slots=True)
class Result:
    """A scenario's samples, by proxy, in the order of rounds."""

    scenario: Scenario
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def ratios(self, name: str) -> list[float]:
        """The scenario's figure of *name*, divided by that of its reference in the same round."""
        figure = self.scenario.figure
        pairs = zip(self.samples.get(name, []), self.samples.get(self.scenario.reference, []), strict=False)
        return [ours.figure(figure) / theirs.figure(figure) for ours, theirs in pairs]

    def ratio(self, name: str) -> float | None:
        found = self.ratios(name)
        return median(found) if found else None

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario.name,
            "about": self.scenario.about,
            "target": self.scenario.target,
            f"ratio_to_{self.scenario.reference}": {name: self.ratio(name) for name in self.samples},
            f"ratios_to_{self.scenario.reference}": {name: self.ratios(name) for name in self.samples},
            "samples": {name: [asdict(sample) for sample in samples] for name, samples in self.samples.items()},
        }


def _sample(proxy: RunningProxy, generator: Load, seconds: float) -> Sample:
    before = proxy.cpu_seconds
    load = generator.run(proxy.place.listen_port, seconds, LOAD_CORE)
    spent = proxy.cpu_seconds - before
    if load.errors:
        raise SystemExit(f"{proxy.name}: {load.errors} errors under load; its numbers would mean nothing")
    return Sample(load, spent * 1e6 / load.requests, proxy.memory)


def _generator(scenario: Scenario, running: Sequence[RunningProxy], seconds: float) -> Load:
    """What puts the load on: as much as fits, or half of what Envoy can carry."""
    if scenario.half_of_envoy is None:
        return scenario.load
    envoy = next((proxy for proxy in running if proxy.name == "envoy"), None)
    if envoy is None:
        raise SystemExit(f"{scenario.name} needs Envoy: its load is half of what Envoy can carry")
    return scenario.half_of_envoy(scenario.load.run(envoy.place.listen_port, seconds, LOAD_CORE).per_second / 2)


def _held_sample(proxy: RunningProxy, load: HeldLoad) -> Sample:
    """Memory that is not given back would count as free the next time: each proxy is asked once."""
    before = proxy.memory
    with load.hold(proxy.place.listen_port) as count:
        held = proxy.memory
    return Sample(LoadResult(count, 1.0, 0.0, 0.0, 0), 0.0, held, (held.pss - before.pss) / count)


def measure(scenario: Scenario, names: Sequence[str], rounds: int, seconds: float, directory: Path) -> Result:
    """Run *scenario* with the proxies of *names* that are installed."""
    upstream, upstream_port = start_upstream(directory, scenario.upstream_http2, scenario.upstream)
    running: list[RunningProxy] = []
    result = Result(scenario)
    try:
        for name in scenario.only or names:
            place = Place(free_port(), free_port(), upstream_port, directory / name)
            proxy = proxies.start(name, scenario, place)
            if proxy is not None:
                running.append(proxy)
        for proxy in running:
            scenario.load.run(proxy.place.listen_port, WARM_UP_SECONDS, LOAD_CORE)
        if scenario.figure == "bytes":
            assert isinstance(scenario.load, HeldLoad)
            for proxy in running:
                result.samples[proxy.name] = [_held_sample(proxy, scenario.load)]
            return result
        generator = _generator(scenario, running, seconds)
        for _ in range(rounds):
            for proxy in running:
                result.samples.setdefault(proxy.name, []).append(_sample(proxy, generator, seconds))
    finally:
        for proxy in running:
            proxy.stop()
        upstream.terminate()
        upstream.wait()
    return result
