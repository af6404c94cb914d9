"""Configuration that breaks each kind of rule: refused at start, by NACK, and by the control plane's API; traffic goes on."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import json_format

from controlplane.client.client import Client
from controlplane.client.errors import Rejected
from tests.support import bootstraps
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.envoy_process import envoy_command, require_envoy
from tests.support.hasty_server import CLUSTER, LISTENER, ROUTES, HastyServer
from tests.support.load import Load
from tests.support.moving_world import LISTENER_NAME, Witness, messages
from tests.support.origin import Origin
from tests.support.our_process import our_command, require_dataplane
from tests.support.subject import IS_ENVOY, subject_process
from tests.support.waiting import wait_until_async
from tests.support.xds_resources import eds_cluster, rds_listener, routes

pytestmark = pytest.mark.e2e

VALIDATE_TIMEOUT = 120.0


def good_bootstrap() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "up"}}
    return bootstraps.static([bootstraps.http_listener("edge", [route])], [bootstraps.static_cluster("up", 1)])


def manager_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def virtual_host_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manager_of(bootstrap)["route_config"]["virtual_hosts"][0]
    return found


def route_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = virtual_host_of(bootstrap)["routes"][0]
    return found


def cluster_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = bootstrap["static_resources"]["clusters"][0]
    return found


Change = Callable[[dict[str, Any]], object]

# What is done to a good bootstrap, and what the refusal must name.
BROKEN: dict[str, tuple[Change, str]] = {
    "unknown field": (lambda it: it.update(no_such_field=1), "no_such_field"),
    "unknown field deep inside": (lambda it: route_of(it)["match"].update(no_such_field=1), "no_such_field"),
    "wrong type": (lambda it: cluster_of(it).update(type=["STATIC"]), "type"),
    "unknown enum value": (lambda it: cluster_of(it).update(type="NO_SUCH_TYPE"), "type"),
    "number out of range": (
        lambda it: it["static_resources"]["listeners"][0]["address"]["socket_address"].update(port_value=70_000),
        "port_value",
    ),
    "required field missing": (lambda it: it["admin"]["address"]["socket_address"].pop("address"), "address"),
    "empty name": (lambda it: cluster_of(it).update(name=""), "name"),
    "negative duration": (lambda it: cluster_of(it).update(connect_timeout="-1s"), "connect_timeout"),
    "unknown type URL": (
        lambda it: manager_of(it).update({"@type": "type.googleapis.com/no.such.Message"}),
        "no.such.Message",
    ),
    "bad regular expression": (lambda it: route_of(it).update(match={"safe_regex": {"regex": "("}}), "regex"),
    "no path specifier": (lambda it: route_of(it).update(match={}), "match"),
    "no action": (lambda it: route_of(it).pop("route"), "routes"),
    "no domain": (lambda it: virtual_host_of(it).update(domains=[]), "domains"),
    "same domain twice": (lambda it: virtual_host_of(it).update(domains=["a.test", "a.test"]), "a.test"),
    "unknown cluster": (lambda it: route_of(it).update(route={"cluster": "nowhere"}), "nowhere"),
    "weights that sum to zero": (
        lambda it: route_of(it).update(route={"weighted_clusters": {"clusters": [{"name": "up", "weight": 0}]}}),
        "weight",
    ),
    "same cluster twice": (lambda it: it["static_resources"]["clusters"].append(copy.deepcopy(cluster_of(it))), "up"),
    "router is not last": (lambda it: manager_of(it)["http_filters"].append(manager_of(it)["http_filters"][0]), "http_filters"),
    "reserved header": (
        lambda it: route_of(it).update(request_headers_to_add=[{"header": {"key": ":path", "value": "/"}}]),
        "request_headers_to_add",
    ),
    "bad header format": (
        lambda it: route_of(it).update(request_headers_to_add=[{"header": {"key": "x", "value": "%NO_SUCH%"}}]),
        "NO_SUCH",
    ),
}
MALFORMED = {
    "no YAML": "a: [",
    "no mapping": "- a\n- b\n",
    "a scalar": "42",
    "binary": "\x00\x01\x02",
}


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    if IS_ENVOY:
        command = envoy_command(require_envoy())
    else:
        require_dataplane()
        command = our_command()
    command += ["--mode", "validate", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=VALIDATE_TIMEOUT, cwd=Path(__file__).parents[2])


def test_the_good_bootstrap_is_good(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(good_bootstrap()))
    done = validate(path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_refused_by_name(name: str, tmp_path: Path) -> None:
    change, named = BROKEN[name]
    bootstrap = good_bootstrap()
    change(bootstrap)
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    done = validate(path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if not IS_ENVOY:
        assert named in done.stdout + done.stderr


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_bootstrap_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.yaml"
    path.write_text(MALFORMED[name])
    done = validate(path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    done = validate(tmp_path / "nothing.yaml")
    assert done.returncode == 1
    assert "nothing.yaml" in done.stdout + done.stderr


def broken_resources() -> dict[str, tuple[str, Any]]:
    """Resources that a decoder accepts and a proxy must not, by what is wrong with them, with their type URL."""
    unknown_filter = rds_listener("bad", "moving-routes")
    unknown_filter.filter_chains[0].filters[0].typed_config.type_url = "type.googleapis.com/no.such.Message"
    bad_regex = route_pb2.RouteConfiguration()
    bad_route = {"match": {"safe_regex": {"regex": "("}}, "route": {"cluster": "x"}}
    host = {"name": "all", "domains": ["*"], "routes": [bad_route]}
    json_format.ParseDict({"name": "moving-routes", "virtual_hosts": [host]}, bad_regex)
    no_domains = routes("moving-routes", "x")
    no_domains.virtual_hosts[0].ClearField("domains")
    negative_timeout = eds_cluster("bad")
    negative_timeout.connect_timeout.seconds = -1
    eds_without_config = cluster_pb2.Cluster(name="bad", type=cluster_pb2.Cluster.EDS)
    no_address = listener_pb2.Listener(name="bad")
    undecodable = rds_listener("bad", "moving-routes")
    undecodable.filter_chains[0].filters[0].typed_config.value = b"\xff\xff\xff"
    return {
        "unknown type URL": (LISTENER, unknown_filter),
        "bytes that are no message": (LISTENER, undecodable),
        "listener without address": (LISTENER, no_address),
        "bad regular expression": (ROUTES, bad_regex),
        "virtual host without domains": (ROUTES, no_domains),
        "negative duration": (CLUSTER, negative_timeout),
        "EDS cluster without its config": (CLUSTER, eds_without_config),
    }


async def nacked_and_still_serving(directory: Path) -> dict[str, str]:
    """Publish each broken resource beside good ones, under load; returns the texts of the NACKs."""
    texts: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
        server = await stack.enter_async_context(HastyServer())
        good = messages(0, origins)
        await server.publish(good)
        proxy = subject_process(bootstraps.ads(server.port, "nack", "GRPC"), directory)
        stack.callback(proxy.kill)
        await asyncio.to_thread(proxy.start)
        port = (await asyncio.to_thread(proxy.wait_listeners, [LISTENER_NAME]))[LISTENER_NAME]
        async with Load(port, check=Witness(origins)) as load:
            for name, (type_url, resource) in broken_resources().items():
                server.nacks.clear()
                replaced = [
                    message for message in good if message.DESCRIPTOR is not resource.DESCRIPTOR or resource.name == "bad"
                ]
                await server.publish([*replaced, resource])
                texts[name] = (await server.nack_of(type_url)).message
                await load.more(20)
            version = await server.publish(good)
            await wait_until_async(
                lambda: all(server.acked[type_url] >= version for type_url in (LISTENER, ROUTES, CLUSTER)),
                "good again, and ACKed",
            )
            await load.more(20)
        assert not load.failures, load.failures.most_common(3)
    return texts


def test_a_broken_resource_is_nacked_by_name_and_traffic_goes_on(tmp_path: Path) -> None:
    texts = asyncio.run(nacked_and_still_serving(tmp_path))
    for name, (_, resource) in broken_resources().items():
        if not IS_ENVOY:
            assert resource.name in texts[name], f"{name}: {texts[name]}"
    assert "no.such.Message" in texts["unknown type URL"]


async def refused_by_the_api(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin("blue"))]
        control_plane = stack.enter_context(ControlPlaneProcess(directory / "control-plane"))
        client = await stack.enter_async_context(Client(control_plane.url))
        before = (await client.apply(*messages(0, origins))).revision.number
        for name, (_, resource) in broken_resources().items():
            with pytest.raises(Rejected) as refusal:
                await client.apply(resource)
            assert refusal.value.code == "invalid", name
            assert refusal.value.problems, name
            assert all(resource.name in problem.resource for problem in refusal.value.problems), refusal.value.problems
        everything = [resource for _, resource in broken_resources().values() if resource.name == "bad"]
        distinct = {resource.DESCRIPTOR.full_name: resource for resource in everything}
        with pytest.raises(Rejected) as refusal:
            await client.apply(*distinct.values())
        assert len(refusal.value.problems) >= len(distinct), "every error, not the first"
        assert (await client.revisions(limit=1)).revisions[0].number == before


def test_the_api_refuses_what_a_proxy_would_nack(tmp_path: Path) -> None:
    asyncio.run(refused_by_the_api(tmp_path))
