"""What a push to many xDS streams costs the control plane: CPU microseconds of its process per stream.

    python tests/perf/xds_push.py [--streams 1000] [--clusters 100] [--pushes 10]

One process serves; the streams live in another, each on a connection of its own, with the four types that an Envoy asks for, and
acknowledge everything at once.  A push counts from `publish` until the hub has called every proxy ready.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import grpc
import grpc.aio
import uvloop
from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base import type_url as urls
from controlplane.base.resource import DEFAULT_GROUP, ResourceSet, Revision
from controlplane.delivery.events import EventReader
from controlplane.delivery.hub import Hub
from controlplane.delivery.order import Patience
from controlplane.delivery.status import EventKind
from controlplane.xds.ads_service import SERVER_OPTIONS, add_xds_services
from controlplane.xds.services import ADS, ADS_DELTA, ADS_STREAM
from tests.support.envoy_model import cluster, endpoints, listener, route_config

# On a machine this busy the first answers of a thousand streams take longer than any proxy's.
PATIENCE = Patience(make=600.0, break_=600.0)
KINDS = {"sotw": ADS_STREAM, "delta": ADS_DELTA}


def configuration(clusters: int, cluster_content: int, endpoints_content: int, route: int) -> list[Any]:
    names = [f"cluster-{number}" for number in range(clusters)]
    return [
        *(cluster(name, cluster_content if name == names[0] else 0) for name in names),
        *(endpoints(name, endpoints_content if name == names[0] else 0) for name in names),
        listener("l", "r"),
        route_config("r", names[route % clusters]),
    ]


def resource_set(revision: int, resources: Iterable[Any]) -> ResourceSet:
    by_type: dict[str, dict[str, Any]] = {}
    for resource in resources:
        by_type.setdefault(resource.type_url, {})[resource.name] = resource
    return ResourceSet(Revision(revision), by_type)


class Server:
    """Pushes, and waits until every stream is ready."""

    def __init__(self, streams: int, clusters: int) -> None:
        self.hub = Hub(lambda _: DEFAULT_GROUP, time.time, PATIENCE)
        self._streams = streams
        self._clusters = clusters
        self._revision = 0
        self._reader: EventReader | None = None

    async def push(self, **contents: int) -> float:
        """CPU seconds of this process for one push."""
        before = time.process_time()
        self.publish(**contents)
        await self.all_ready()
        return time.process_time() - before

    def publish(self, cluster_content: int = 0, endpoints_content: int = 0, route: int = 0) -> None:
        self._revision += 1
        self._reader = self._reader or self.hub.subscribe_events()
        resources = configuration(self._clusters, cluster_content, endpoints_content, route)
        self.hub.publish(DEFAULT_GROUP, resource_set(self._revision, resources))

    async def all_ready(self) -> None:
        assert self._reader is not None
        waiting = self._streams
        while waiting:
            event = await anext(self._reader)
            assert event.kind is not EventKind.LOST
            if event.kind is EventKind.READY and event.revision == self._revision:
                waiting -= 1

    async def all_subscribed(self) -> None:
        """Every proxy has asked for every type; READY may have come before the last of them."""
        while not all(len(status.types) == 4 for status in self.hub.proxies()) or len(self.hub.proxies()) < self._streams:
            await asyncio.sleep(0.5)


async def measure(kind: str, streams: int, clusters: int, pushes: int) -> None:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    side = Server(streams, clusters)
    add_xds_services(server, side.hub)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    side.publish()
    command = [sys.executable, __file__, "--client", kind, str(port), "--streams", str(streams), "--clusters", str(clusters)]
    clients = subprocess.Popen(command)
    try:
        await side.all_subscribed()
        await side.push(route=1)
        routes = [await side.push(route=number) for number in range(2, 2 + pushes)]
        eds = [await side.push(endpoints_content=number) for number in range(1, 1 + pushes)]
        cds = [await side.push(cluster_content=number) for number in range(1, 1 + pushes)]
    finally:
        clients.kill()
        clients.wait()
    await server.stop(None)
    for what, costs in (("one route", routes), ("endpoints of one cluster", eds), ("one cluster", cds)):
        ordered = sorted(cost / streams * 1e6 for cost in costs)
        print(f"{kind:5} {what:26} {ordered[len(ordered) // 2]:7.0f} µs CPU per stream (best {ordered[0]:.0f})", flush=True)


async def be_client(kind: str, port: int, clusters: int, number: int) -> None:
    """One stream that acknowledges what it gets."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    names = [f"cluster-{each}-endpoints" for each in range(clusters)]
    wanted = {urls.CLUSTER: [], urls.CLUSTER_LOAD_ASSIGNMENT: names, urls.LISTENER: [], urls.ROUTE_CONFIGURATION: ["r"]}
    request, response = (
        (discovery_pb2.DiscoveryRequest, discovery_pb2.DiscoveryResponse)
        if kind == "sotw"
        else (discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DeltaDiscoveryResponse)
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.stream_stream(f"/{ADS}/{KINDS[kind]}", request.SerializeToString, response.FromString)()
        for type_url, listed in wanted.items():
            field = "resource_names" if kind == "sotw" else "resource_names_subscribe"
            await call.write(request(node={"id": f"n{number}"}, type_url=type_url, **{field: listed}))
        while (message := await call.read()) is not grpc.aio.EOF:
            answer = request(type_url=message.type_url, response_nonce=message.nonce)
            if kind == "sotw":
                answer.version_info = message.version_info
                answer.resource_names.extend(wanted[message.type_url])
            await call.write(answer)


async def be_clients(kind: str, port: int, streams: int, clusters: int) -> None:
    await asyncio.gather(*(be_client(kind, port, clusters, number) for number in range(streams)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--pushes", type=int, default=10)
    parser.add_argument("--client", nargs=2, metavar=("KIND", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        kind, port = options.client
        uvloop.run(be_clients(kind, int(port), options.streams, options.clusters))
        return
    for kind in KINDS:
        uvloop.run(measure(kind, options.streams, options.clusters, options.pushes))


if __name__ == "__main__":
    main()
