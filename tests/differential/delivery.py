"""How a group's configuration reaches a proxy: in its bootstrap, or from our control plane over ADS.

Over ADS routes come by RDS and endpoints by EDS, whatever the case wrote inline: the same configuration by another way must
behave the same.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from controlplane.api.v1 import management_pb2 as api
from controlplane.client.client import Client
from controlplane.client.errors import Rejected
from tests.differential.bootstrap import resources, static_bootstrap
from tests.differential.case import Case, merge
from tests.support import bootstraps
from tests.support.proxy_process import ProxyRefusedError

TYPE = "type.googleapis.com/envoy.config."
ADS = {"ads": {}, "resource_api_version": "V3"}

Ports = Mapping[str, Mapping[str, int]]


class Deliver(Protocol):
    """Make the configuration of *cases* available; returns the bootstrap that gets it."""

    async def __call__(self, cases: Sequence[Case], ports: Ports, logs: Path) -> dict[str, Any]: ...


async def in_bootstrap(cases: Sequence[Case], ports: Ports, logs: Path) -> dict[str, Any]:
    return static_bootstrap(cases, ports, logs)


@dataclass(slots=True)
class OverAds:
    """Puts each group of cases into a proxy group of its own, so that proxies do not meet."""

    api_url: str
    xds_port: int
    api_type: str
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def __call__(self, cases: Sequence[Case], ports: Ports, logs: Path) -> dict[str, Any]:
        name = f"{cases[0].topic}-{next(self._numbers)}".replace("_", "-")
        group = api.Group(name=name, selectors=[api.Selector(metadata={"proxy-group": name})], inherits=False)
        found = [resource for case in cases for resource in dynamic_resources(case, ports[case.id], logs)]
        async with Client(self.api_url) as client:
            try:
                await client.apply(*found, groups=[group], group=name)
            except Rejected as refusal:
                reasons = "\n".join(f"{problem.resource} {problem.path}: {problem.reason}" for problem in refusal.problems)
                raise ProxyRefusedError(f"the control plane refuses: {refusal}\n{reasons}") from refusal
        bootstrap = bootstraps.ads(self.xds_port, "differential", self.api_type)
        # Id and cluster show in some answers: they are the same for all, only the metadata tells groups apart.
        bootstrap["node"] = {"id": "differential", "cluster": "differential", "metadata": {"proxy-group": name}}
        return dict(merge(bootstrap, cases[0].config.get("bootstrap", {})))


def dynamic_resources(case: Case, ports: Mapping[str, int], logs: Path) -> list[dict[str, Any]]:
    """The case's resources, one by one, each with its "@type"."""
    listener, clusters = resources(case, ports, logs / f"{case.key}.log")
    routes = _routes_out(listener)
    found = [{"@type": TYPE + "route.v3.RouteConfiguration", **route_config} for route_config in routes]
    for cluster in clusters:
        cluster = copy.deepcopy(cluster)
        if cluster.get("type") == "STATIC":
            assignment = cluster.pop("load_assignment")
            cluster |= {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}
            found.append({"@type": TYPE + "endpoint.v3.ClusterLoadAssignment", **assignment})
        found.append({"@type": TYPE + "cluster.v3.Cluster", **cluster})
    found.append({"@type": TYPE + "listener.v3.Listener", **listener})
    return found


def _routes_out(listener: dict[str, Any]) -> list[dict[str, Any]]:
    """Take the route configurations out of *listener*, and leave references to them."""
    taken = []
    for chain in listener["filter_chains"]:
        for network_filter in chain["filters"]:
            manager = network_filter["typed_config"]
            if "route_config" in manager:
                route_config = manager.pop("route_config")
                manager["rds"] = {"route_config_name": route_config["name"], "config_source": ADS}
                taken.append(route_config)
    return taken
