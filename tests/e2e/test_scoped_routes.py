"""Scopes from our control plane: a proxy, ours or Envoy, follows them over every kind of stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from controlplane.client.client import Client
from tests.support import bootstraps
from tests.support.envoy_process import envoy_process, require_envoy
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.served_control_plane import served
from tests.support.waiting import PATIENCE, wait_until, wait_until_awaited
from tests.support.xds_resources import api_source

pytestmark = pytest.mark.e2e

CONFIG = "type.googleapis.com/envoy.config."
ADS = {"ads": {}, "resource_api_version": "V3"}
KEY_BUILDER = {"fragments": [{"header_value_extractor": {"name": "x-tenant", "index": 0}}]}


def listener(source: Mapping[str, Any]) -> dict[str, Any]:
    scoped = {
        "name": "tenants",
        "scope_key_builder": KEY_BUILDER,
        "rds_config_source": source,
        "scoped_rds": {"scoped_rds_config_source": source},
    }
    made = bootstraps.http_listener("edge", [], scoped_routes=scoped)
    del made["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    return {"@type": CONFIG + "listener.v3.Listener", **made}


def scope(name: str, tenant: str, table: str) -> dict[str, Any]:
    key = {"fragments": [{"string_key": tenant}]}
    return {"@type": CONFIG + "route.v3.ScopedRouteConfiguration", "name": name, "key": key, "route_configuration_name": table}


def table(name: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": name}}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    return {"@type": CONFIG + "route.v3.RouteConfiguration", "name": name, "virtual_hosts": hosts}


def ask(port: int, tenant: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"x-tenant": tenant} if tenant else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def start_envoy(bootstrap: Mapping[str, Any], directory: Path) -> ProxyProcess:
    require_envoy()
    return envoy_process(bootstrap, directory)


async def follows(start: Callable[[Mapping[str, Any], Path], ProxyProcess], api_type: str, source: Any, directory: Path) -> None:
    async with served(directory) as control_plane, Client(f"http://{control_plane.api}") as client:
        await client.apply(
            listener(source), scope("a", "one", "first"), scope("b", "two", "second"), *map(table, ("first", "second"))
        )
        proxy = start(bootstraps.ads(control_plane.xds.port, "scoped", api_type), directory / "proxy")
        try:
            await asyncio.to_thread(proxy.start)
            port = (await asyncio.to_thread(proxy.wait_listeners, ["edge"]))["edge"]

            async def answers(tenant: str, expected: tuple[int, str]) -> None:
                def answered() -> bool:
                    return ask(port, tenant) == expected

                await asyncio.to_thread(wait_until, answered, f"{tenant!r}: {expected}")

            await answers("one", (200, "first"))
            await answers("two", (200, "second"))
            await answers("three", (404, ""))
            await answers("", (404, ""))
            # A scope turns to a table that comes with it, another gets a new key, a third one is new.
            await client.apply(
                scope("a", "one", "third"),
                scope("b", "zwei", "second"),
                scope("c", "three", "fourth"),
                *map(table, ("third", "fourth")),
            )
            await answers("one", (200, "third"))
            await answers("two", (404, ""))
            await answers("zwei", (200, "second"))
            await answers("three", (200, "fourth"))
            await client.delete("ScopedRouteConfiguration", "a")
            await answers("one", (404, ""))
            await answers("three", (200, "fourth"))
            stats = proxy.admin.stats("http.edge.scoped_rds.tenants")
            assert stats["http.edge.scoped_rds.tenants.update_success"] >= 2
            assert stats["http.edge.scoped_rds.tenants.update_rejected"] == 0
            assert (stats["http.edge.scoped_rds.tenants.all_scopes"], stats["http.edge.scoped_rds.tenants.active_scopes"]) == (
                2,
                2,
            )

            async def acknowledged() -> bool:
                seen = [each for proxy in (await client.proxies()).proxies for each in proxy.types]
                return any(each.type_url.endswith("ScopedRouteConfiguration") and each.acked_version for each in seen)

            await wait_until_awaited(acknowledged, "the scopes are acknowledged")
        finally:
            await asyncio.to_thread(proxy.kill)


@pytest.mark.parametrize("start", [our_process, start_envoy], ids=["ours", "envoy"])
@pytest.mark.parametrize(
    ("api_type", "source"),
    [("DELTA_GRPC", ADS), ("GRPC", ADS), ("DELTA_GRPC", api_source("GRPC")), ("DELTA_GRPC", api_source("DELTA_GRPC"))],
    ids=["ads-delta", "ads-sotw", "own-sotw", "own-delta"],
)
def test_a_proxy_follows_the_scopes(
    start: Callable[[Mapping[str, Any], Path], ProxyProcess], api_type: str, source: Any, tmp_path: Path
) -> None:
    asyncio.run(follows(start, api_type, source, tmp_path))
