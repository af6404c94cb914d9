"""What a scenario is: a configuration for each proxy, and the load that is put on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Place:
    """Where one proxy of one run lives: its ports, and a directory for its files and access log."""

    listen_port: int
    admin_port: int
    upstream_port: int
    directory: Path


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What the load generator saw.  Latencies in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class Load(Protocol):
    """Puts load on a port for a while; runs on the cores it is told."""

    def run(self, port: int, seconds: float, core: int) -> LoadResult: ...


@runtime_checkable
class HeldLoad(Protocol):
    """Connections that stay open while the memory is looked at."""

    def hold(self, port: int) -> AbstractContextManager[int]:
        """How many there are."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One path through the proxy.

    target: the ratio of the figure that we promise, of `subject` to `reference`, both names of proxies.COMMANDS;
    figure: "cpu", time per unit, "p99", latency, or "bytes", memory per connection of a load that can be held; unit: what is counted;
    half_of_envoy: gives a load of so many requests a second: half of what Envoy can carry of *load* is measured;
    only: the proxies that it makes sense for, empty for those that are asked for; all_cores: proxies are not kept on one core;
    other_configs: the equivalent configuration text of proxies that do not read a bootstrap, by proxy name;
    upstream_http2: the upstream speaks HTTP/2 in clear text; upstream: one of raw_peers.HOSTS in the place of an HTTP server.
    """

    name: str
    about: str
    bootstrap: Callable[[Place], Mapping[str, Any]]
    load: Load
    target: float | None = None
    other_configs: Mapping[str, Callable[[Place], str]] = field(default_factory=dict)
    upstream_http2: bool = False
    upstream: str = ""
    unit: str = "request"
    figure: str = "cpu"
    half_of_envoy: Callable[[float], Load] | None = None
    subject: str = "ours"
    reference: str = "envoy"
    only: tuple[str, ...] = ()
    all_cores: bool = False
